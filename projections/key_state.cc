#include "projections/key_state.h"

#include <algorithm>
#include <utility>

#include "projections/row_shape.h"
#include "projections/state.h"

namespace tidelog {

Result<std::unique_ptr<KeyState>> KeyState::open(Disk& disk, const std::string& directory,
                                                 const std::string& stream, OnDamage on_damage) {
  TRY(auto reader, StoreReader::open(disk, directory));
  std::unique_ptr<KeyState> state(new KeyState(std::move(reader), std::move(on_damage)));
  TRY(state->stream_, stream_state(*state->reader_, stream));
  return state;
}

// ---- Schema versions ----

// The stream's schema events are few; from the base snapshot on, whose schema is the first.
Status KeyState::learn_versions(Position end) {
  if (end <= versions_end_) return {};
  if (versions_.empty() && history_begin_ > Position{0}) {
    TRY(const auto base, open_snapshot(*reader_, stream_, {stream_.id, history_begin_, true}));
    TRY_DO(schemas_.add(*base));
    if (base->about().schema != SchemaId{}) {
      TRY_DO(add_version(history_begin_, base->about().schema));
    }
    versions_end_ = std::max(versions_end_, history_begin_);
  }
  EventFilter filter;
  filter.streams = {stream_.name};
  filter.types = {std::string(name_of(EventType::schema))};
  reader_->set_filter(std::move(filter));
  reader_->read_until(end);
  TRY_DO(reader_->seek(versions_end_));
  for (;;) {
    TRY(const Event* event, reader_->next());
    if (event == nullptr || event->position >= end) break;
    const bool is_new = event->schema != SchemaId{} &&
                        (versions_.empty() || versions_.back().schema != event->schema);
    if (is_new) TRY_DO(add_version(event->position, event->schema));
  }
  versions_end_ = end;
  return {};
}

Status KeyState::add_version(Position position, SchemaId id) {
  Version version{position, id, false};
  if (!versions_.empty()) {
    TRY(const Schema* before, schemas_.get(versions_.back().schema));
    TRY(const Schema* next, schemas_.get(id));
    version.reshapes = must_reshape(*before, *next);
  }
  versions_.push_back(version);
  return {};
}

const KeyState::Version* KeyState::version_at(Position end) const {
  const auto after = std::partition_point(versions_.begin(), versions_.end(),
                                          [&](const Version& v) { return v.position < end; });
  return after == versions_.begin() ? nullptr : &*(after - 1);
}

bool KeyState::reshaped_between(Position first, Position end) const {
  return std::any_of(versions_.begin(), versions_.end(), [&](const Version& version) {
    return version.reshapes && version.position >= first && version.position < end;
  });
}

Result<const Schema*> KeyState::schema_at(Position end) {
  TRY_DO(take_snapshot_before(end));
  TRY_DO(learn_versions(end));
  const Version* version = version_at(end);
  if (version == nullptr) return nullptr;
  return schemas_.get(version->schema);
}

// ---- The snapshot ----

Status KeyState::take_snapshot_before(Position end) {
  if (!names_) {
    // All there are: `end` only chooses among them.
    TRY(Candidates candidates, snapshots_before(*reader_, stream_, Position{UINT64_MAX}));
    names_ = std::move(candidates.names);
    history_begin_ = candidates.history_begin;
  }
  if (end < history_begin_) return error_of(snapshots_before(*reader_, stream_, end));
  for (;;) {
    const auto nearest = std::find_if(names_->begin(), names_->end(),
                                      [&](const SnapshotName& n) { return n.position <= end; });
    if (nearest == names_->end()) {
      snapshot_.reset();
      return {};
    }
    if (snapshot_ && snapshot_->about().position == nearest->position) return {};
    auto file = open_snapshot(*reader_, stream_, *nearest);
    if (file) {
      snapshot_ = *std::move(file);
      return schemas_.add(*snapshot_);
    }
    if (nearest->base) return fail_in("the base snapshot of " + stream_.name, file.error());
    const Code code = file.error().code;
    if (code != Code::corrupt && code != Code::not_found) return error_of(file);
    if (code == Code::corrupt && on_damage_) on_damage_(file.error().what);
    names_->erase(nearest);
  }
}

// ---- One key ----

// Retention may cut the stream at any time: then all that is known of it is of before.
Result<std::optional<KeyedRow>> KeyState::row_at(std::string_view key, Position end) {
  for (;;) {
    auto row = row_once(key, end);
    TRY(const Position base, base_position(*reader_, stream_.id));
    if (!names_ || base == history_begin_) return row;  // without names it is an error
    begin_anew();
  }
}

void KeyState::begin_anew() {
  names_.reset();
  snapshot_.reset();
  versions_.clear();
  versions_end_ = {};
  fold_.reset();
  fold_end_ = {};
}

Result<std::optional<KeyedRow>> KeyState::row_once(std::string_view key, Position end) {
  for (;;) {
    TRY_DO(take_snapshot_before(end));
    TRY_DO(learn_versions(end));
    const Version* version = version_at(end);
    if (version == nullptr) return std::optional<KeyedRow>();
    TRY(const Schema* schema, schemas_.get(version->schema));
    if (!schema->has_key()) {
      return fail(Code::misconfigured,
                  stream_.name + " has no key: its rows cannot be told apart by one");
    }
    const Position first = snapshot_ ? snapshot_->about().position : Position{0};
    if (reshaped_between(first, end)) return row_by_fold(key, end);
    auto walked = walk(key, end);
    if (walked) {
      TRY_DO(fill_from_arrivals(*walked));
      return std::move(walked->row);
    }
    // Damage in the snapshot: the next older one.
    const bool in_snapshot = walked.error().code == Code::corrupt && snapshot_ &&
                             !verify_state_file(reader_->disk(), snapshot_->path());
    if (!in_snapshot || snapshot_->about().base) return error_of(walked);
    if (on_damage_) on_damage_(walked.error().what);
    std::erase_if(*names_, [&](const SnapshotName& name) {
      return name.position == snapshot_->about().position && !name.base;
    });
    snapshot_.reset();
  }
}

Status KeyState::read_key(std::string_view key, Position first, Position end) {
  EventFilter filter;
  filter.streams = {stream_.name};
  filter.keys = {std::string(key)};
  filter.whole_history = true;
  reader_->set_filter(std::move(filter));
  reader_->read_until(end);
  return reader_->seek(first);
}

// The key's row by the snapshot and the events before `end`; what came with it from other keys is
// not filled in yet.
Result<KeyState::Walked> KeyState::walk(std::string_view key, Position end) {
  Walked walked;
  Position first{0};
  if (snapshot_) {
    first = snapshot_->about().position;
    TRY(const auto stored, snapshot_->find(key));
    if (stored) {
      walked.row =
          KeyedRow{std::string(stored->row), stored->schema, stored->position, stored->revision};
    }
  }
  TRY_DO(read_key(key, first, end));
  for (;;) {
    TRY(const Event* event, reader_->next());
    if (event == nullptr || event->position >= end) return walked;
    const bool other_version =
        walked.arrival && walked.row && event->key == key && event->schema != walked.row->schema;
    if (other_version) {
      // Columns are filled by name: those of the version in which the row came.
      const Position here = event->position;
      TRY_DO(fill_from_arrivals(walked));
      walked.arrival.reset();
      TRY_DO(read_key(key, here, end));
      continue;
    }
    TRY_DO(see(walked, key, *event));
  }
}

Status KeyState::see(Walked& walked, std::string_view key, const Event& event) {
  switch (event.type) {
    case EventType::load:
    case EventType::insert:
    case EventType::update:
    case EventType::remove:
      break;
    case EventType::truncate:
      walked = {};
      return {};
    case EventType::undecoded:
      return fail(Code::unsupported, "event " + std::to_string(event.position.value) + " of " +
                                         stream_.name +
                                         " was stored undecoded: it may belong to this row");
    case EventType::schema:
    case EventType::ddl:
    case EventType::message:
    case EventType::gap:
    case EventType::application:
    case EventType::erased:
    case EventType::stream_truncated:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
    case EventType::load_step:
      return {};
  }
  if (event.key != key) return {};
  if (event.type == EventType::remove) {
    walked = {};
    return {};
  }
  TRY(const Schema* schema, schemas_.get(event.schema));
  std::string row(event.body.value_or(""));
  if (event.type == EventType::update) {
    TRY(row, filled(event, *schema, walked.row));
  } else {
    walked.arrival.reset();
  }
  walked.row = KeyedRow{std::move(row), event.schema, event.position, event.revision};
  if (event.type == EventType::insert && event.moved) return arrive(walked, event, *schema);
  return {};
}

// The second half of a move: what was not sent is in the row under the old key, whose removal is
// the event before.
Status KeyState::arrive(Walked& walked, const Event& event, const Schema& schema) {
  TRY(walked.row->row, filled(event, schema, std::nullopt));
  TRY(const bool partial, has_unchanged(walked.row->row, schema));
  if (!partial || event.before_kind == Before::none || event.position == Position{0}) return {};
  std::string old_key(event.before);
  if (event.before_kind == Before::row) {
    old_key.clear();
    TRY_DO(put_key_of_row(old_key, schema, event.before));
  }
  walked.arrival = Arrival{std::move(old_key), Position{event.position.value - 1}};
  return {};
}

Result<std::string> KeyState::filled(const Event& event, const Schema& schema,
                                     const std::optional<KeyedRow>& known) const {
  std::string row(event.body.value_or(""));
  TRY(const bool partial, has_unchanged(row, schema));
  if (!partial) return row;
  if (event.before_kind == Before::row) {
    std::string with_before;
    TRY_DO(put_filled(with_before, {row, &schema}, {event.before, &schema}));
    row = std::move(with_before);
  }
  if (!known) return row;
  TRY(const Schema* known_schema, schemas_.get(known->schema));
  std::string whole;
  TRY_DO(put_filled(whole, {row, &schema}, {known->row, known_schema}));
  return whole;
}

// Along the keys that the row had before, as long as something is missing.
Status KeyState::fill_from_arrivals(Walked& walked) {
  while (walked.row && walked.arrival) {
    TRY(const Schema* schema, schemas_.get(walked.row->schema));
    TRY(const bool partial, has_unchanged(walked.row->row, *schema));
    if (!partial) return {};
    const Arrival from = *std::exchange(walked.arrival, std::nullopt);
    TRY(Walked older, walk(from.old_key, from.position));
    if (!older.row) return {};
    // What the older row lacks lies with the key before it. Columns are filled by name, so across
    // schema versions one step at a time.
    const bool same_version = older.row->schema == walked.row->schema;
    if (!same_version) TRY_DO(fill_from_arrivals(older));
    TRY(const Schema* older_schema, schemas_.get(older.row->schema));
    std::string whole;
    TRY_DO(put_filled(whole, {walked.row->row, schema}, {older.row->row, older_schema}));
    walked.row->row = std::move(whole);
    if (!same_version) return {};
    walked.arrival = std::move(older.arrival);
  }
  return {};
}

Result<std::optional<KeyedRow>> KeyState::row_by_fold(std::string_view key, Position end) {
  if (!fold_ || end < fold_end_) {
    TRY(fold_, state_at(*reader_, stream_.name, end, on_damage_));
  } else if (end > fold_end_) {
    reader_->only_streams({stream_.name});
    reader_->read_until(end);
    TRY_DO(reader_->seek(fold_end_));
    for (;;) {
      TRY(const Event* event, reader_->next());
      if (event == nullptr || event->position >= end) break;
      TRY_DO(fold_->apply(*event));
    }
  }
  fold_end_ = end;
  TRY(const auto found, fold_->find(key));
  std::optional<KeyedRow> row;
  if (found) {
    row = KeyedRow{std::string(found->row), version_at(end)->schema, found->position,
                   found->revision};
  }
  return row;
}

}  // namespace tidelog
