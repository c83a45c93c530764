#include "ingest/table_load.h"

#include <absl/cleanup/cleanup.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "eventstore/store_reader.h"
#include "ingest/key_transform.h"
#include "projections/row_shape.h"

namespace tidelog {
namespace {

// A chunk that came out larger than it was to be ends here.
constexpr std::uint64_t chunk_growth_max = 4;
constexpr std::uint64_t chunk_rows_max = 50'000;
// Chunks that do not fit, one after the other, before somebody is told.
constexpr std::uint64_t again_patience = 5;
// Rows that are read one by one, by key.
constexpr std::size_t keys_at_once = 500;

}  // namespace

std::string_view name_of(LoadProgress::State state) {
  switch (state) {
    case LoadProgress::State::waiting:
      return "waiting";
    case LoadProgress::State::loading:
      return "loading";
    case LoadProgress::State::ended:
      return "ended";
    case LoadProgress::State::failed:
      return "failed";
    case LoadProgress::State::cancelled:
      return "cancelled";
  }
  return "unknown";
}

// A chunk as it comes from the reader.
class TableLoad::Building final : public TableReader::Sink {
 public:
  Building(TableLoad& load, LoadPart& part, TableReader::Order order)
      : load_(load), part_(part), order_(order) {}

  void snapshot(const TableReader::Snapshot& snapshot) override {
    part_.snapshot = snapshot;
    load_.reconciler_.took_snapshot(part_.stream, part_.reader, snapshot);
  }

  Result<ChangeHandler::Version> schema(const Schema& schema) override {
    part_.schema = schema;
    TRY(const EventStore::Version version, version_of(schema));
    part_.schema_id = version.id;
    part_.order = order_;
    Transaction transaction;
    transaction.commit_time = part_.snapshot.time;
    transaction.position = part_.snapshot.place;
    if (part_.order == TableReader::Order::by_key) {
      part_.batch.begin(transaction);
    } else {
      TRY(part_.staged, load_.store_.stage());
      TRY_DO(part_.staged->begin(transaction));
    }
    if (part_.order == TableReader::Order::keyless) TRY_DO(forget_rows_before());
    return ChangeHandler::Version{part_.stream, part_.schema_id};
  }

  Result<bool> row(const EventBody& event) override {
    ++part_.step.chunk_rows;
    if (part_.staged) {
      TRY_DO(part_.staged->add(event));
      return true;
    }
    part_.batch.add(event);
    is_cut_ = part_.batch.bytes() >= chunk_growth_max * load_.limits_.chunk_bytes;
    return !is_cut_;
  }

  // There may have been more rows.
  bool is_cut() const { return is_cut_; }

 private:
  // Rows without keys begin with a truncate. What a person has to put back, the load waits for.
  Result<EventStore::Version> version_of(const Schema& schema) {
    const EventStore::Version version = load_.store_.schema(part_.stream, schema);
    if (!version.is_new) return version;
    auto checked = check_rules_of_table(load_.store_, load_.source_, load_.stream_name_, schema);
    if (checked && order_ != TableReader::Order::keyless)
      checked = check_key_transforms(load_.store_, load_.stream_name_, schema);
    if (checked) return version;
    if (checked.error().code != Code::misconfigured) return tl::unexpected<Error>(checked.error());
    return fail(Code::unavailable, checked.error().what);
  }

  // Equal rows cannot be told apart: those of before would be counted twice.
  Status forget_rows_before() {
    EventBody truncate;
    truncate.type = EventType::truncate;
    truncate.stream = part_.stream;
    return part_.staged->add(truncate);
  }

  TableLoad& load_;
  LoadPart& part_;
  const TableReader::Order order_;
  bool is_cut_ = false;
};

// A reader, and what the reconciler remembers for it, on one thread.
class TableLoad::Reading {
 public:
  explicit Reading(TableLoad& load) : load_(load) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { close(); }

  Status open(const std::stop_token& stop) {
    close();
    id_ = load_.reconciler_.watch(load_.stream_);
    TRY(reader_, load_.readers_.open({load_.progress().table, load_.progress().where}, stop));
    rows_max = load_.limits_.first_rows;
    const std::uint64_t rows = reader_->rows_estimated();
    if (rows != 0) {
      const std::uint64_t row_bytes = std::max<std::uint64_t>(reader_->bytes_estimated() / rows, 1);
      rows_max = std::clamp<std::uint64_t>(load_.limits_.chunk_bytes / row_bytes, 1, rows_max);
    }
    return {};
  }

  TableReader& reader() { return *reader_; }
  ReaderId id() const { return id_; }

  std::uint64_t rows_max = 0;     // of its next chunk
  std::uint64_t again_count = 0;  // chunks in a row that did not fit

 private:
  void close() {
    reader_.reset();
    if (id_ != 0) load_.reconciler_.forget(load_.stream_, id_);
  }

  TableLoad& load_;
  ReaderId id_ = 0;
  std::unique_ptr<TableReader> reader_;
};

TableLoad::TableLoad(EventStore& store, Reconciler& reconciler, TableReaders& readers,
                     const std::string& source, LoadState state, bool has_begun,
                     const TableLoadLimits& limits, std::function<void()> on_divided)
    : store_(store),
      reconciler_(reconciler),
      readers_(readers),
      source_(source),
      stream_(store.stream(source + "." + state.step.table)),
      stream_name_(source + "." + state.step.table),
      limits_(limits),
      on_divided_(std::move(on_divided)),
      has_begun_(has_begun),
      state_(std::move(state)),
      taken_(state_.parts.size()) {
  progress_.number = state_.step.number;
  progress_.table = state_.step.table;
  progress_.where = state_.step.where;
  progress_.rows = state_.rows();
}

LoadProgress TableLoad::progress() const {
  const std::scoped_lock lock(mutex_);
  return progress_;
}

bool TableLoad::has_chunks() const {
  const std::scoped_lock lock(mutex_);
  return state_.has_chunks();
}

void TableLoad::set_asked_for(bool forgets) {
  const std::scoped_lock lock(mutex_);
  progress_.is_asked_for = true;
  forgets_ = forgets;
}

void TableLoad::set_state(LoadProgress::State state, std::string problem) {
  const std::scoped_lock lock(mutex_);
  progress_.state = state;
  progress_.problem = std::move(problem);
}

Status TableLoad::run(const std::stop_token& stop) {
  const Status loaded = [&] {
    const absl::Cleanup when_done = [this] { end_help(); };
    return load(stop);
  }();
  if (loaded) {
    set_state(LoadProgress::State::ended, {});
    return {};
  }
  const Error& error = loaded.error();
  if (error.code == Code::cancelled || action_for(error.code) == Action::retry) return loaded;
  if (has_begun_) {
    LoadStep failed = state_.step;
    failed.kind = LoadStep::Kind::failed;
    failed.rows = state_.rows();
    failed.reason = error.what;
    TRY_DO(place_step(failed, stop, false));
  }
  set_state(LoadProgress::State::failed, error.what);
  return {};
}

Status TableLoad::cancel(const std::stop_token& stop) {
  if (has_begun_) {
    LoadStep step = state_.step;
    step.kind = LoadStep::Kind::cancelled;
    step.rows = state_.rows();
    TRY_DO(place_step(step, stop, false));
  }
  set_state(LoadProgress::State::cancelled, {});
  return {};
}

Status TableLoad::load(const std::stop_token& stop) {
  set_state(LoadProgress::State::waiting, "transactions that were open before it must end");
  Reading reading(*this);
  TRY_DO(reading.open(stop));
  if (!has_begun_) {
    TRY_DO(place_step(state_.step, stop, forgets_));
    has_begun_ = true;
    // What the stream brought before that step, and no snapshot shows yet, is waited for:
    // complete_rows does not look there.
    TRY_DO(reading.open(stop));
  }
  set_state(LoadProgress::State::loading, {});
  TRY_DO(divide(reading, stop));
  TRY_DO(load_all_parts(reading, stop));
  if (state_.has_ended()) return {};
  TRY_DO(complete_rows(reading, stop));
  LoadStep ended = state_.step;
  ended.kind = LoadStep::Kind::ended;
  ended.rows = state_.rows();
  return place_step(ended, stop, false);
}

Status TableLoad::divide(Reading& reading, const std::stop_token& stop) {
  const std::uint64_t bytes = reading.reader().bytes_estimated();
  {
    const std::scoped_lock lock(mutex_);
    progress_.rows_estimated = reading.reader().rows_estimated();
  }
  const std::uint64_t parts = std::min(bytes / limits_.part_bytes, limits_.parts_max);
  const bool can_be = reading.reader().order() == TableReader::Order::by_key;
  if (can_be && parts > 1 && state_.parts.size() == 1 && !state_.has_chunks()) {
    LoadStep divided = state_.step;
    divided.kind = LoadStep::Kind::divided;
    TRY(divided.bounds, reading.reader().divide(parts));
    if (!divided.bounds.empty()) {
      TRY_DO(place_step(divided, stop, false));
      const std::scoped_lock lock(mutex_);
      state_.divide(divided.bounds);
      taken_.assign(state_.parts.size(), false);
    }
  }
  if (state_.parts.size() == 1) return {};
  {
    const std::scoped_lock lock(mutex_);
    wants_help_ = true;
    help_stop_ = {};
  }
  on_divided_();
  return {};
}

// -- the parts, by this thread and those that help --

bool TableLoad::wants_help() const {
  const std::scoped_lock lock(mutex_);
  if (!wants_help_) return false;
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i] && !state_.parts[i].last) return true;
  }
  return false;
}

// One thread that helps; nobody is waited for who has gone.
struct TableLoad::Helping {
  explicit Helping(TableLoad& load) : load_(load) {}
  Helping(const Helping&) = delete;
  Helping& operator=(const Helping&) = delete;
  ~Helping() {
    const std::scoped_lock lock(load_.mutex_);
    --load_.helpers_;
    if (!has_gone_well) load_.wants_help_ = false;
    load_.changed_.notify_all();
  }
  bool has_gone_well = false;

 private:
  TableLoad& load_;
};

void TableLoad::help(const std::stop_token& stop) {
  std::stop_token ended;
  {
    const std::scoped_lock lock(mutex_);
    if (!wants_help_) return;
    ++helpers_;
    ended = help_stop_.get_token();
  }
  Helping helping(*this);
  std::stop_source either;
  const std::stop_callback on_stop(stop, [&either] { either.request_stop(); });
  const std::stop_callback on_end(ended, [&either] { either.request_stop(); });
  Reading reading(*this);
  helping.has_gone_well =
      reading.open(either.get_token()) && load_free_parts(reading, either.get_token());
}

void TableLoad::end_help() {
  std::unique_lock lock(mutex_);
  wants_help_ = false;
  help_stop_.request_stop();
  changed_.wait(lock, [this] { return helpers_ == 0; });
}

Status TableLoad::load_all_parts(Reading& reading, const std::stop_token& stop) {
  for (;;) {
    TRY_DO(load_free_parts(reading, stop));
    std::unique_lock lock(mutex_);
    const auto is_free = [this](std::size_t i) { return !taken_[i] && !state_.parts[i].last; };
    bool is_done = false;
    changed_.wait(lock, stop, [&] {
      is_done = std::ranges::all_of(state_.parts, &LoadState::Part::last);
      for (std::size_t i = 0; i < taken_.size(); ++i) {
        if (is_free(i)) return true;
      }
      return is_done;
    });
    if (is_done) return {};
    if (stop.stop_requested()) return fail(Code::cancelled, "asked to stop");
  }
}

Status TableLoad::load_free_parts(Reading& reading, const std::stop_token& stop) {
  while (const auto part = take_part()) {
    const absl::Cleanup when_done = [&] { give_back(*part); };
    TRY_DO(load_part(*part, reading, stop));
  }
  return {};
}

std::optional<std::size_t> TableLoad::take_part() {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (taken_[i] || state_.parts[i].last) continue;
    taken_[i] = true;
    return i;
  }
  return std::nullopt;
}

void TableLoad::give_back(std::size_t part) {
  const std::scoped_lock lock(mutex_);
  taken_[part] = false;
  changed_.notify_all();
}

// Its part is changed by this thread alone.
Status TableLoad::load_part(std::size_t number, Reading& reading, const std::stop_token& stop) {
  const LoadState::Part& part = state_.parts[number];
  while (!part.last) {
    if (stop.stop_requested()) return fail(Code::cancelled, "asked to stop");
    LoadPart chunk;
    begin_chunk(chunk, number, reading);
    Building building(*this, chunk, reading.reader().order());
    TRY(const TableReader::Chunk read,
        reading.reader().read({part.next, part.end}, reading.rows_max, building));
    const std::uint64_t bytes = std::max<std::uint64_t>(chunk.batch.bytes(), 1);
    const std::uint64_t rows = chunk.step.chunk_rows;
    chunk.end = read.end;
    chunk.step.next = read.next;
    chunk.step.last = read.last;
    // What comes into the one chunk of a table is in its snapshot.
    chunk.is_all = read.last && state_.parts.size() == 1 && !state_.has_chunks();
    TRY(const Reconciler::Outcome outcome, place_chunk(chunk, reading, stop));
    if (outcome == Reconciler::Outcome::placed && rows != 0) {
      reading.rows_max =
          std::clamp<std::uint64_t>(limits_.chunk_bytes * rows / bytes, 1, chunk_rows_max);
    }
  }
  return {};
}

// A row that took another key while it was on the way from what was not read yet to what was, was
// in no chunk. What the stream said of it is all that is known, and that may leave values out. Such
// rows are read by key; those that took yet another key before they were read, by that one.
Status TableLoad::complete_rows(Reading& reading, const std::stop_token& stop) {
  if (reading.reader().order() != TableReader::Order::by_key) return {};
  TRY(Position from, find_begin());
  TRY(Incomplete found, find_incomplete(from, nullptr));
  while (!found.keys.empty()) {
    std::vector<StoredKey> some;
    for (auto key = found.keys.begin(); key != found.keys.end();) {
      some.push_back({key->first, found.schemas[key->second]});
      if (++key != found.keys.end() && some.size() < keys_at_once) continue;
      TRY_DO(load_keys(some, reading, stop));
      some.clear();
    }
    TRY(found, find_incomplete(from, &found));
  }
  return {};
}

// Where the load begins in the log.
Result<Position> TableLoad::find_begin() {
  TRY(const auto events, store_.reader());
  EventFilter filter;
  filter.streams = {stream_name_};
  filter.types = {std::string(name_of(EventType::load_step))};
  events->set_filter(std::move(filter));
  TRY_DO(events->seek(events->durable()));
  for (;;) {
    TRY(const Event* const event, events->previous());
    if (event == nullptr) return Position{0};
    TRY(const LoadStep step, read_load_step(event->body.value_or("")));
    if (step.kind == LoadStep::Kind::begun) return event->position;
  }
}

// Of what came since `from`, which moves on; `before`: only rows that had one of these keys.
Result<TableLoad::Incomplete> TableLoad::find_incomplete(Position& from, const Incomplete* before) {
  TRY(const auto events, store_.reader());
  EventFilter filter;
  filter.streams = {stream_name_};
  filter.types = {std::string(name_of(EventType::insert))};
  events->set_filter(std::move(filter));
  TRY_DO(events->seek(from));
  Incomplete found;
  for (;;) {
    TRY(const Event* const event, events->next());
    if (event == nullptr) break;
    if (!event->moved || !event->key) continue;
    if (before != nullptr && !before->keys.contains(event->before) &&
        !found.keys.contains(event->before)) {
      continue;
    }
    TRY(const Schema* const schema, events->schema(event->schema));
    TRY(const bool partial, has_unchanged(event->body.value_or(""), *schema));
    if (!partial) continue;
    found.keys.insert_or_assign(std::string(*event->key), event->schema);
    found.schemas.try_emplace(event->schema, *schema);
  }
  from = events->position();
  return found;
}

Status TableLoad::load_keys(std::span<const StoredKey> keys, Reading& reading,
                            const std::stop_token& stop) {
  for (;;) {
    LoadPart part;
    begin_chunk(part, 0, reading);
    Building building(*this, part, reading.reader().order());
    TRY(const TableReader::Chunk chunk, reading.reader().read_keys(keys, building));
    if (building.is_cut() && keys.size() > 1) {
      const std::size_t half = keys.size() / 2;
      TRY_DO(load_keys(keys.first(half), reading, stop));
      return load_keys(keys.subspan(half), reading, stop);
    }
    part.end = chunk.end;
    TRY(const Reconciler::Outcome outcome, place_chunk(part, reading, stop));
    if (outcome == Reconciler::Outcome::placed) return {};
  }
}

// The step says again how far its part is.
void TableLoad::begin_chunk(LoadPart& part, std::size_t number, const Reading& reading) {
  const std::scoped_lock lock(mutex_);
  const LoadState::Part& so_far = state_.parts[number];
  part.step = state_.step;
  part.step.kind = LoadStep::Kind::chunk;
  part.step.part = number;
  part.step.next = so_far.next;
  part.step.last = so_far.last;
  part.step.rows = so_far.rows;
  part.stream = stream_;
  part.reader = reading.id();
}

Result<Reconciler::Outcome> TableLoad::place_chunk(LoadPart& part, Reading& reading,
                                                   const std::stop_token& stop) {
  part.step.rows += part.step.chunk_rows;
  TRY(const Reconciler::Outcome outcome, reconciler_.place(part, stop));
  switch (outcome) {
    case Reconciler::Outcome::placed:
      reading.again_count = 0;
      note_chunk(part);
      break;
    case Reconciler::Outcome::again:
      wait_to_read_again(reading, stop);
      break;
    case Reconciler::Outcome::reopen:
      TRY_DO(reading.open(stop));
      break;
  }
  return outcome;
}

void TableLoad::note_chunk(const LoadPart& placed) {
  const std::scoped_lock lock(mutex_);
  LoadState::Part& part = state_.parts[placed.step.part];
  part.next = placed.step.next;
  part.last = placed.step.last;
  part.rows = placed.step.rows;
  if (placed.is_all) state_.step.kind = LoadStep::Kind::ended;
  progress_.rows = state_.rows();
  progress_.problem.clear();
}

// What does not fit is not visible yet: it may take long until it is.
void TableLoad::wait_to_read_again(Reading& reading, const std::stop_token& stop) {
  constexpr std::uint64_t doublings_max = 11;
  const std::chrono::milliseconds pause(1ULL << std::min(reading.again_count, doublings_max));
  std::unique_lock lock(mutex_);
  if (++reading.again_count >= again_patience) {
    progress_.problem =
        "the table changes faster than it can be read, or changes of it are not visible yet: the "
        "same rows are read again and again";
  }
  changed_.wait_for(lock, stop, pause, [] { return false; });
}

// `forgets`: a truncate comes with it.
Status TableLoad::place_step(const LoadStep& step, const std::stop_token& stop, bool forgets) {
  for (;;) {
    LoadPart part;
    part.step = step;
    part.stream = stream_;
    if (forgets) {
      Transaction transaction;
      transaction.commit_time = store_.clock().now();
      EventBody truncate;
      truncate.type = EventType::truncate;
      truncate.stream = stream_;
      part.batch.begin(transaction);
      part.batch.add(truncate);
    }
    TRY(const Reconciler::Outcome outcome, reconciler_.place(part, stop));
    if (outcome == Reconciler::Outcome::placed) return {};
  }
}

}  // namespace tidelog
