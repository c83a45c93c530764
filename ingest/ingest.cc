#include "ingest/ingest.h"

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "eventstore/batch_builder.h"
#include "eventstore/store_reader.h"
#include "ingest/change_handler.h"

namespace tidelog {

std::string_view name_of(IngestProgress::State state) {
  switch (state) {
    case IngestProgress::State::connecting:
      return "connecting";
    case IngestProgress::State::loading:
      return "loading";
    case IngestProgress::State::streaming:
      return "streaming";
    case IngestProgress::State::waiting:
      return "waiting";
    case IngestProgress::State::stopped:
      return "stopped";
    case IngestProgress::State::failed:
      return "failed";
  }
  return "unknown";
}

Ingest::Ingest(EventStore& store, Source& source, Clock& clock, IngestOptions options)
    : store_(store),
      source_(source),
      clock_(clock),
      options_(std::move(options)),
      retry_after_(options_.retry_min),
      loads_(store, source, options_.name, options_.loads) {
  progress_.position = store_.source_position(options_.name);
}

IngestHandler Ingest::new_handler() {
  return {store_,
          clock_,
          options_.name,
          {options_.transaction_bytes_max, options_.batch_bytes, options_.progress_interval},
          counters_,
          loads_.reconciler()};
}

void Ingest::set_state(IngestProgress::State state, std::string problem) {
  const std::lock_guard lock(mutex_);
  progress_.state = state;
  progress_.problem = std::move(problem);
  progress_.behind = state == IngestProgress::State::failed ? behind_ : std::string();
}

IngestProgress Ingest::progress() const {
  IngestProgress now;
  {
    const std::lock_guard lock(mutex_);
    now = progress_;
  }
  now.position = store_.source_position(options_.name);
  now.events = counters_.events.load(std::memory_order_relaxed);
  now.rows_loaded = counters_.rows_loaded.load(std::memory_order_relaxed);
  now.commit_time.value = counters_.commit_time.load(std::memory_order_relaxed);
  return now;
}

Status Ingest::run(const std::stop_token& stop) {
  Status ended = run_until_end(stop);
  loads_.stop();
  return ended;
}

Status Ingest::run_until_end(const std::stop_token& stop) {
  for (;;) {
    set_state(IngestProgress::State::connecting, {});
    Status ended = attempt(stop);
    if (!ended && ended.error().code == Code::history_lost) {
      if (auto left = leave_gap(ended.error().what); !left) ended = std::move(left);
    }
    if (stop.stop_requested() && (ended || action_for(ended.error().code) == Action::retry ||
                                  ended.error().code == Code::cancelled)) {
      set_state(IngestProgress::State::stopped, {});
      return {};
    }
    if (!ended && action_for(ended.error().code) != Action::retry) {
      set_state(IngestProgress::State::failed, ended.error().what);
      return ended;
    }
    wait_to_retry(ended ? "the server ended the stream" : ended.error().what, stop);
  }
}

// One connection, from its begin to its end.
Status Ingest::attempt(const std::stop_token& stop) {
  behind_.clear();
  TRY_DO(skip_if_ordered());
  TRY(const Source::Next next, source_.prepare(store_.source_position(options_.name)));
  if (next == Source::Next::load) TRY_DO(load(stop));
  IngestHandler handler = new_handler();
  TRY_DO(capture_new_tables(handler));
  // What was read of the server before may be of another one, or of a history that it has lost.
  loads_.reconciler().comes_again();
  TRY_DO(loads_.start());
  set_state(IngestProgress::State::streaming, {});
  const std::uint64_t events_before = counters_.events.load(std::memory_order_relaxed);
  const Status streamed = source_.stream(store_.source_position(options_.name), handler, stop);
  const Status ended = handler.end();
  if (counters_.events.load(std::memory_order_relaxed) != events_before)
    retry_after_ = options_.retry_min;
  // Only with all before it on disk.
  if (!streamed && ended) behind_ = source_.behind_failure();
  // A store that gave up outweighs a lost connection, and a wish to stop.
  const bool is_final = !ended && action_for(ended.error().code) != Action::retry;
  return streamed || is_final ? ended : streamed;
}

// That their rows are to be loaded is on disk before the first change of them is sent: a run that
// is killed in between does not take them for loaded.
Status Ingest::capture_new_tables(IngestHandler& handler) {
  TRY(const std::vector<std::string> tables, source_.new_tables());
  if (tables.empty()) return {};
  return loads_.begin(tables, handler, [&] { return source_.capture(tables); });
}

// All existing rows, as of one moment, become visible at once together with the position that
// streaming goes on from. Until then the store says "loading", and a load that was interrupted
// begins again.
Status Ingest::load(const std::stop_token& stop) {
  set_state(IngestProgress::State::loading, {});
  BatchBuilder begun;
  begun.set_source(store_.source(options_.name), source_.loading_position());
  TRY_DO(store_.append(begun));
  TRY(const auto reader, source_.start_load());
  std::uint64_t rows_estimated = 0;
  for (const ChunkReader::Table& table : reader->tables()) rows_estimated += table.rows_estimated;
  counters_.rows_loaded = 0;

  IngestHandler handler = new_handler();
  const std::string position = reader->resume();
  Transaction transaction;
  transaction.commit_time = reader->snapshot_time();
  transaction.position = position;
  TRY_DO(handler.begin_load(transaction));
  for (const ChunkReader::Table& table : reader->tables()) {
    {
      const std::lock_guard lock(mutex_);
      progress_.table = table.name;
      progress_.rows_estimated = rows_estimated;
    }
    TRY(const ChangeHandler::Version version, handler.schema(table.name, table.schema));
    TRY_DO(reader->read(table, version, handler, stop));
  }
  TRY_DO(handler.commit(position));
  const std::lock_guard lock(mutex_);
  progress_.table.clear();
  return {};
}

Status Ingest::end_with(const Error& reason) {
  if (reason.code == Code::history_lost) TRY_DO(leave_gap(reason.what));
  set_state(IngestProgress::State::failed, reason.what);
  return tl::unexpected<Error>(reason);
}

void Ingest::set_waiting(std::string problem) {
  set_state(IngestProgress::State::waiting, std::move(problem));
}

// An event of its own, in a transaction of its own, at the position that the source stands at: with
// it the store itself says where its history ends, to whoever reads it later.
Status Ingest::leave_gap(const std::string& reason) {
  const std::string position = store_.source_position(options_.name);
  if (position.empty()) return {};  // nothing was captured
  TRY(const bool is_told, has_gap_at(position));
  return is_told ? Status() : append_gap(reason, position, position);
}

Status Ingest::skip_if_ordered() {
  if (!options_.skip || options_.skip->from != store_.source_position(options_.name)) return {};
  return append_gap(options_.skip->reason, options_.skip->from, options_.skip->behind);
}

Status Ingest::append_gap(const std::string& reason, const std::string& from,
                          const std::string& resume) {
  Transaction transaction;
  transaction.commit_time = clock_.now();
  transaction.position = from;
  EventBody gap;
  gap.type = EventType::gap;
  gap.stream = store_.stream(source_stream_name(options_.name));
  gap.body = reason;
  BatchBuilder batch;
  batch.begin(transaction);
  batch.add(gap);
  batch.commit();
  batch.set_source(store_.source(options_.name), resume);
  TRY_DO(store_.append(batch));
  return {};
}

// A source that is started again and again where it cannot go on finds one and the same gap, also
// when it finds more wrong there.
Result<bool> Ingest::has_gap_at(const std::string& position) {
  TRY(const auto reader, store_.reader());
  reader->only_streams({source_stream_name(options_.name)});
  TRY_DO(reader->seek(reader->durable()));
  TRY(const Event* const newest, reader->previous());
  return newest != nullptr && newest->type == EventType::gap &&
         newest->transaction.position == position;
}

void Ingest::wait_to_retry(const std::string& problem, const std::stop_token& stop) {
  set_waiting(problem);
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any stopped;
  stopped.wait_for(lock, stop, retry_after_, [&] { return stop.stop_requested(); });
  retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
}

}  // namespace tidelog
