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
          loads_.reconciler(),
          {[this](const std::string& table) { return first_step_of(table); },
           [this](const std::string& table) { return loads_.open_step(table); }}};
}

Result<LoadStep> Ingest::first_step_of(const std::string& table) {
  FirstLoad load;
  if (options_.first_load) load = options_.first_load(table);
  return loads_.step_anew(table, load);
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
      const std::string lost = ended.error().what;
      ended = end_of_history(ended.error());
      if (ended) {
        wait_to_retry("history was lost, so everything begins anew: " + lost, stop);
        continue;
      }
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
  IngestHandler handler = new_handler();
  if (next == Source::Next::begin) {
    TRY_DO(begin(handler));
  } else {
    TRY_DO(capture_new_tables(handler));
  }
  // What was read of the server before may be of another one, or of a history that it has lost.
  loads_.reconciler().comes_again();
  TRY_DO(loads_.start());
  set_state(IngestProgress::State::streaming, {});
  const std::uint64_t events_before = counters_.events.load(std::memory_order_relaxed);
  const Status streamed = source_.stream(store_.source_position(options_.name), handler, stop);
  const Status ended = handler.end();
  if (handler.has_other_loads()) loads_.look_again();
  if (counters_.events.load(std::memory_order_relaxed) != events_before)
    retry_after_ = options_.retry_min;
  // Only with all before it on disk.
  if (!streamed && ended) behind_ = source_.behind_failure();
  // A store that gave up outweighs a lost connection, and a wish to stop.
  const bool is_final = !ended && action_for(ended.error().code) != Action::retry;
  return streamed || is_final ? ended : streamed;
}

// Where the stream begins and what is to be loaded are stored at once. Until then the store says
// that what is on the server is ours to make anew.
Status Ingest::begin(IngestHandler& handler) {
  TRY_DO(store_beginning());
  TRY(const Source::Begun begun, source_.begin());
  TRY(const auto tables, first_loads_of(begun.tables));
  return loads_.begin(tables, true, [&](const std::vector<Beginning>& beginnings) {
    return handler.begin_tables(beginnings, begun.resume, true);
  });
}

Status Ingest::store_beginning() {
  BatchBuilder position;
  position.set_source(store_.source(options_.name), source_.beginning_position());
  TRY_DO(store_.append(position));
  return {};
}

// That their rows are to be loaded is on disk before the first change of them is sent: a run that
// is killed in between does not take them for loaded.
Status Ingest::capture_new_tables(IngestHandler& handler) {
  TRY(const std::vector<std::string> tables, source_.new_tables());
  if (tables.empty()) return {};
  TRY(const auto loads, first_loads_of(tables));
  return loads_.begin(loads, false, [&](const std::vector<Beginning>& beginnings) -> Status {
    TRY_DO(handler.begin_tables(beginnings, store_.source_position(options_.name), false));
    return source_.capture(tables);
  });
}

Result<std::uint64_t> Ingest::load_anew(const TableToLoad& table) {
  if (!store_.newest_schema(options_.name + "." + table.table)) {
    return fail(Code::not_found, "nothing is stored of " + table.table + ": it needs no load anew");
  }
  IngestHandler handler = new_handler();
  std::uint64_t number = 0;
  TRY_DO(loads_.begin({{table.table, {FirstLoad::What::rows, table.where}, {}}}, true,
                      [&](const std::vector<Beginning>& beginnings) {
                        number = beginnings.front().step.number;
                        return handler.begin_tables(beginnings,
                                                    store_.source_position(options_.name), false);
                      }));
  return number;
}

Result<std::vector<Loads::Begin>> Ingest::first_loads_of(const std::vector<std::string>& tables) {
  std::vector<Loads::Begin> all;
  std::vector<std::string> to_describe;
  for (const std::string& table : tables) {
    Loads::Begin& one = all.emplace_back();
    one.table = table;
    if (options_.first_load) one.load = options_.first_load(table);
    if (one.load.what == FirstLoad::What::schema) to_describe.push_back(table);
  }
  if (to_describe.empty()) return all;
  TRY(std::vector<Schema> schemas, source_.describe(to_describe));
  std::size_t next = 0;
  for (Loads::Begin& one : all) {
    if (one.load.what == FirstLoad::What::schema) one.schema = std::move(schemas[next++]);
  }
  return all;
}

Status Ingest::end_with(const Error& reason) {
  if (reason.code == Code::history_lost) TRY_DO(leave_gap(reason.what));
  set_state(IngestProgress::State::failed, reason.what);
  return tl::unexpected<Error>(reason);
}

void Ingest::set_waiting(std::string problem) {
  set_state(IngestProgress::State::waiting, std::move(problem));
}

// Ok: the source begins anew.
Status Ingest::end_of_history(const Error& lost) {
  TRY_DO(leave_gap(lost.what));
  if (!options_.begins_anew || source_.beginning_position().empty())
    return tl::unexpected<Error>(lost);
  return store_beginning();
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
