#include "projections/history.h"

#include <memory>

#include "projections/row_shape.h"
#include "projections/snapshots.h"
#include "projections/state.h"

namespace tidelog {
namespace {

// The row as far as its events were seen.
struct CurrentRow {
  std::string bytes;
  const Schema* schema = nullptr;
  bool present = false;

  void set(std::string row, const Schema* shape) {
    bytes = std::move(row);
    schema = shape;
    present = true;
  }
};

using Visit = std::function<Status(const RowVersion&)>;

// Follows one key through its stream.
class KeyWalk {
 public:
  // `base`: where the stream's history begins; null: at its first event.
  KeyWalk(StoreReader& reader, const std::string& stream, std::string_view key, StateFile* base)
      : reader_(reader), stream_(stream), key_(key), base_(base) {}

  Status run(Position end, const Visit& visit) {
    narrow();
    if (base_ != nullptr) TRY_DO(begin_with_base(visit));
    TRY_DO(reader_.seek(base_ == nullptr ? Position{0} : base_->about().position));
    for (;;) {
      TRY(const Event* event, reader_.next());
      if (event == nullptr || event->position >= end) return {};
      TRY_DO(see(*event, visit));
    }
  }

  const CurrentRow& row() const { return row_; }

 private:
  void narrow() {
    EventFilter filter;
    filter.streams = {stream_};
    filter.keys = {std::string(key_)};
    filter.whole_history = true;
    reader_.set_filter(std::move(filter));
  }

  // The row as it was when the history was cut, as if it had been loaded then.
  Status begin_with_base(const Visit& visit) {
    const StateAbout& about = base_->about();
    TRY(const auto stored, base_->find(key_));
    if (!stored) return {};
    TRY(const Schema* schema, base_->schema(stored->schema));
    Event event;
    event.type = EventType::load;
    event.stream = about.stream;
    event.stream_name = about.stream_name;
    event.append_time = about.append_time;
    event.transaction.commit_time = about.append_time;
    event.schema = stored->schema;
    event.position = stored->position;
    event.revision = stored->revision;
    event.key = key_;
    event.body = stored->row;
    row_.set(std::string(stored->row), schema);
    return visit({event, row_.bytes, schema});
  }

  Status see(const Event& event, const Visit& visit) {
    switch (event.type) {
      case EventType::load:
      case EventType::insert:
      case EventType::update:
      case EventType::remove:
        return see_row(event, visit);
      case EventType::truncate:
        if (!row_.present) return {};
        row_.present = false;
        return visit({event, std::nullopt, nullptr});
      case EventType::undecoded:
        return fail(Code::unsupported, "event " + std::to_string(event.position.value) + " of " +
                                           std::string(event.stream_name) +
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
    return {};
  }

  Status see_row(const Event& event, const Visit& visit) {
    const bool moves_away = event.moved && event.type == EventType::insert && left_;
    left_ = false;
    if (event.key == key_) return see_own(event, visit);
    if (moves_away || (event.before_kind == Before::key && event.before == key_)) {
      return see_other_key(event, visit);
    }
    return {};
  }

  Status see_own(const Event& event, const Visit& visit) {
    TRY(const Schema* schema, reader_.schema(event.schema));
    if (event.type == EventType::remove) {
      left_ = event.moved;
      row_.present = false;
      return visit({event, std::nullopt, schema});
    }
    TRY(const bool partial, has_unchanged(event.body.value_or(""), *schema));
    if (!partial) {
      row_.set(std::string(event.body.value_or("")), schema);
      return visit({event, row_.bytes, schema});
    }
    if (event.moved) return arrive(event, visit);
    TRY(std::string row, filled(event, schema, row_));
    row_.set(std::move(row), schema);
    return visit({event, row_.bytes, schema});
  }

  // The second half of a move away from our key.
  Status see_other_key(const Event& event, const Visit& visit) {
    TRY(const Schema* schema, reader_.schema(event.schema));
    CurrentRow last = row_;
    last.present = last.schema != nullptr;
    TRY(const std::string row, filled(event, schema, last));
    return visit({event, row, schema});
  }

  // The row came from another key and not all of it was sent: the rest is in that key's own
  // history. The reader is needed for it, so the event is read again afterwards.
  Status arrive(const Event& arriving, const Visit& visit) {
    const Position back = arriving.position;
    TRY(const std::string other_key, key_left_before(arriving));
    KeyWalk old(reader_, stream_, other_key, base_);
    TRY_DO(old.run(back, [](const RowVersion&) { return Status{}; }));
    narrow();
    CurrentRow source = old.row();
    source.present = source.schema != nullptr;  // its delete is the event before
    TRY_DO(reader_.seek(back));
    TRY(const Event* event, reader_.next());
    if (event == nullptr || event->position != back) {
      return fail(Code::corrupt,
                  "event " + std::to_string(back.value) + " is not there when read again");
    }
    TRY(const Schema* schema, reader_.schema(event->schema));
    TRY(std::string row, filled(*event, schema, source));
    row_.set(std::move(row), schema);
    return visit({*event, row_.bytes, schema});
  }

  // The arriving event may say so itself; otherwise the first half of the key change does, which is
  // the stream's event before it.
  Result<std::string> key_left_before(const Event& arriving) {
    if (arriving.before_kind == Before::key) return std::string(arriving.before);
    reader_.only_streams({stream_});
    TRY_DO(reader_.seek(arriving.position));
    TRY(const Event* const first_half, reader_.previous());
    const bool is_half = first_half != nullptr && first_half->moved && first_half->key &&
                         first_half->type == EventType::remove;
    return is_half ? std::string(*first_half->key) : std::string();
  }

  static Result<std::string> filled(const Event& event, const Schema* schema,
                                    const CurrentRow& known) {
    std::string own(event.body.value_or(""));
    if (event.before_kind == Before::row) {
      std::string with_before;
      TRY_DO(put_filled(with_before, {own, schema}, {event.before, schema}));
      own = std::move(with_before);
    }
    if (!known.present) return own;
    std::string row;
    TRY_DO(put_filled(row, {own, schema}, {known.bytes, known.schema}));
    return row;
  }

  StoreReader& reader_;
  const std::string& stream_;
  std::string_view key_;
  StateFile* base_;
  CurrentRow row_;
  bool left_ = false;  // the event before was our own move away
};

}  // namespace

Result<const Schema*> newest_schema(StoreReader& reader, const std::string& stream, Position end) {
  TRY_DO(check_stream_exists(reader, stream));
  reader.only_streams({stream});
  TRY_DO(reader.seek(end));
  for (;;) {
    TRY(const Event* event, reader.previous());
    if (event == nullptr) break;
    if (event->schema != SchemaId{}) return reader.schema(event->schema);
  }
  return fail(Code::not_found, stream + " has no schema: it is not a table, or not yet");
}

Status history_of(StoreReader& reader, const std::string& stream, std::string_view key,
                  Position end, const std::function<Status(const RowVersion&)>& visit) {
  TRY(const Schema* schema, newest_schema(reader, stream, end));
  if (!schema->has_key()) {
    return fail(Code::misconfigured,
                stream + " has no key: its rows cannot be told apart, so none has a history");
  }
  TRY(const StreamState state, stream_state(reader, stream));
  TRY(const Position begin, base_position(reader, state.id));
  std::unique_ptr<StateFile> base;
  if (begin != Position{0} && begin <= end) {
    TRY(base, open_snapshot(reader, state, {state.id, begin, true}));
  }
  TRY_DO(KeyWalk(reader, stream, key, base.get()).run(end, visit));
  TRY(const Position begin_now, base_position(reader, state.id));
  if (begin_now == begin) return {};
  return fail(Code::conflict, "retention cut the history of " + stream + " before position " +
                                  std::to_string(begin_now.value) +
                                  " while it was being read: ask again");
}

}  // namespace tidelog
