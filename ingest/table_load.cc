#include "ingest/table_load.h"

#include <algorithm>
#include <map>
#include <utility>

#include "eventstore/store_reader.h"
#include "projections/row_shape.h"

namespace tidelog {
namespace {

// A chunk is held in memory, and delays the stream's transactions while it is written.
constexpr std::uint64_t chunk_bytes_target = 4 << 20;
constexpr std::uint64_t chunk_bytes_max = 16 << 20;
constexpr std::uint64_t chunk_rows_max = 50'000;
constexpr std::uint64_t first_rows_max = 5'000;
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
  Building(TableLoad& load, LoadPart& part) : load_(load), part_(part) {}

  void snapshot(const TableReader::Snapshot& snapshot) override {
    part_.snapshot = snapshot;
    load_.reconciler_.took_snapshot(part_.stream, snapshot);
  }

  Result<ChangeHandler::Version> schema(const Schema& schema) override {
    part_.schema = schema;
    part_.schema_id = load_.store_.schema(part_.stream, schema).id;
    part_.order = load_.reader_->order();
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
    part_.rows.insert_or_assign(std::string(event.key.value_or("")),
                                std::string(event.body.value_or("")));
    return part_.batch.bytes() < chunk_bytes_max;
  }

 private:
  // Equal rows cannot be told apart: those of before would be counted twice.
  Status forget_rows_before() {
    EventBody truncate;
    truncate.type = EventType::truncate;
    truncate.stream = part_.stream;
    return part_.staged->add(truncate);
  }

  TableLoad& load_;
  LoadPart& part_;
};

TableLoad::TableLoad(EventStore& store, Reconciler& reconciler, TableReaders& readers,
                     const std::string& source, LoadStep last, bool has_begun)
    : store_(store),
      reconciler_(reconciler),
      readers_(readers),
      stream_(store.stream(source + "." + last.table)),
      stream_name_(source + "." + last.table),
      last_(std::move(last)),
      has_begun_(has_begun) {
  progress_.number = last_.number;
  progress_.table = last_.table;
  progress_.where = last_.where;
  progress_.rows = last_.rows;
}

LoadProgress TableLoad::progress() const {
  const std::scoped_lock lock(mutex_);
  return progress_;
}

void TableLoad::set_state(LoadProgress::State state, std::string problem) {
  const std::scoped_lock lock(mutex_);
  progress_.state = state;
  progress_.problem = std::move(problem);
}

Status TableLoad::run(const std::stop_token& stop) {
  const Status loaded = load(stop);
  reconciler_.forget(stream_);
  reader_.reset();
  if (loaded) {
    set_state(LoadProgress::State::ended, {});
    return {};
  }
  const Error& error = loaded.error();
  if (error.code == Code::cancelled || action_for(error.code) == Action::retry) return loaded;
  if (has_begun_) {
    LoadStep failed = last_;
    failed.kind = LoadStep::Kind::failed;
    failed.reason = error.what;
    TRY_DO(place_step(std::move(failed), stop));
  }
  set_state(LoadProgress::State::failed, error.what);
  return {};
}

Status TableLoad::cancel(const std::stop_token& stop) {
  if (has_begun_) {
    LoadStep step = last_;
    step.kind = LoadStep::Kind::cancelled;
    TRY_DO(place_step(std::move(step), stop));
  }
  set_state(LoadProgress::State::cancelled, {});
  return {};
}

Status TableLoad::load(const std::stop_token& stop) {
  TRY_DO(open(stop));
  if (!has_begun_) {
    TRY_DO(place_step(last_, stop));
    has_begun_ = true;
  }
  TRY_DO(load_rows(stop));
  TRY_DO(complete_rows(stop));
  LoadStep ended = last_;
  ended.kind = LoadStep::Kind::ended;
  return place_step(std::move(ended), stop);
}

Status TableLoad::open(const std::stop_token& stop) {
  set_state(LoadProgress::State::waiting, "transactions that were open before it must end");
  reconciler_.watch(stream_);
  TRY(reader_, readers_.open({last_.table, last_.where}, stop));
  const std::uint64_t row_bytes = reader_->row_bytes_estimated();
  rows_max_ = first_rows_max;
  if (row_bytes != 0)
    rows_max_ = std::clamp<std::uint64_t>(chunk_bytes_target / row_bytes, 1, first_rows_max);
  const std::scoped_lock lock(mutex_);
  progress_.rows_estimated = reader_->rows_estimated();
  progress_.state = LoadProgress::State::loading;
  progress_.problem.clear();
  return {};
}

Status TableLoad::load_rows(const std::stop_token& stop) {
  while (!last_.last) {
    LoadPart part;
    begin_chunk(part);
    Building building(*this, part);
    TRY(const TableReader::Chunk chunk, reader_->read(last_.next, rows_max_, building));
    const std::uint64_t bytes = std::max<std::uint64_t>(part.batch.bytes(), 1);
    const std::uint64_t rows = part.step.chunk_rows;
    part.end = chunk.end;
    part.step.next = chunk.next;
    part.step.last = chunk.last;
    TRY(const Reconciler::Outcome outcome, place_chunk(part, stop));
    if (outcome == Reconciler::Outcome::reopen) TRY_DO(open(stop));
    if (outcome != Reconciler::Outcome::placed) continue;
    if (rows != 0)
      rows_max_ = std::clamp<std::uint64_t>(chunk_bytes_target * rows / bytes, 1, chunk_rows_max);
  }
  return {};
}

// A row that took another key while it was on the way from what was not read yet to what was, was
// in no chunk. What the stream said of it is all that is known, and that may leave values out. Such
// rows are read by key; those that took yet another key before they were read, by that one.
Status TableLoad::complete_rows(const std::stop_token& stop) {
  if (reader_->order() != TableReader::Order::by_key) return {};
  TRY(Position from, find_begin());
  TRY(Incomplete found, find_incomplete(from, nullptr));
  while (!found.keys.empty()) {
    std::vector<StoredKey> some;
    for (auto key = found.keys.begin(); key != found.keys.end();) {
      some.push_back({key->first, found.schemas[key->second]});
      if (++key != found.keys.end() && some.size() < keys_at_once) continue;
      TRY_DO(load_keys(some, stop));
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

Status TableLoad::load_keys(const std::vector<StoredKey>& keys, const std::stop_token& stop) {
  for (;;) {
    LoadPart part;
    begin_chunk(part);
    Building building(*this, part);
    TRY(const TableReader::Chunk chunk, reader_->read_keys(keys, building));
    part.end = chunk.end;
    TRY(const Reconciler::Outcome outcome, place_chunk(part, stop));
    if (outcome == Reconciler::Outcome::placed) return {};
    if (outcome == Reconciler::Outcome::reopen) TRY_DO(open(stop));
  }
}

void TableLoad::begin_chunk(LoadPart& part) const {
  part.step = last_;
  part.step.kind = LoadStep::Kind::chunk;
  part.step.chunk_rows = 0;
  part.stream = stream_;
}

Result<Reconciler::Outcome> TableLoad::place_chunk(LoadPart& part, const std::stop_token& stop) {
  part.step.rows += part.step.chunk_rows;
  TRY(const Reconciler::Outcome outcome, reconciler_.place(part, stop));
  if (outcome != Reconciler::Outcome::placed) return outcome;
  last_ = part.step;
  const std::scoped_lock lock(mutex_);
  progress_.rows = last_.rows;
  return outcome;
}

Status TableLoad::place_step(LoadStep step, const std::stop_token& stop) {
  for (;;) {
    LoadPart part;
    part.step = step;
    part.stream = stream_;
    TRY(const Reconciler::Outcome outcome, reconciler_.place(part, stop));
    if (outcome == Reconciler::Outcome::placed) break;
  }
  last_ = std::move(step);
  return {};
}

}  // namespace tidelog
