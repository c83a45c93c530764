// Ingest: one source into the store. It streams from the first moment on, and loads the existing
// rows of each table beside that; after a lost connection it goes on from the store's own position.
// app/ runs one on a thread of its own for each source.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "core/source.h"
#include "eventstore/event_store.h"
#include "ingest/change_handler.h"
#include "ingest/loads.h"

namespace tidelog {

// An order to leave out the transaction that follows a position.
struct SkipOrder {
  std::string from;    // the resume position before it
  std::string behind;  // and behind it
  std::string reason;  // for the gap event
  bool operator==(const SkipOrder&) const = default;
};

struct IngestOptions {
  std::string name;  // the source's: streams are "{name}.{schema}.{table}"
  // A transaction that is larger goes to a staging file, so that it needs no memory and delays
  // nobody.
  std::uint64_t transaction_bytes_max = 4 << 20;
  // Whole transactions are gathered to batches of this size while input is waiting.
  std::uint64_t batch_bytes = 1 << 20;
  // A position without events is stored this often at most, while nothing else moves.
  std::chrono::steady_clock::duration progress_interval = std::chrono::seconds(10);
  LoadLimits loads;
  // After lost history it leaves its gap event and begins anew, with every table loaded again;
  // otherwise it ends.
  bool begins_anew = false;
  // Of a table that is captured from here on; nothing: all its rows are loaded.
  std::function<FirstLoad(const std::string& table)> first_load = {};
  std::chrono::steady_clock::duration retry_min = std::chrono::milliseconds(200);
  std::chrono::steady_clock::duration retry_max = std::chrono::seconds(30);
  // Carried out where the source stands at `from`, nowhere else, and so once.
  std::optional<SkipOrder> skip = {};
};

// What an operator sees of it.
struct IngestProgress {
  enum class State : std::uint8_t { connecting, streaming, waiting, stopped, failed };
  State state = State::connecting;
  std::string position;      // the newest durable resume position, encoded
  UnixMicros commit_time;    // of the last durable transaction
  std::uint64_t events = 0;  // stored since start
  std::string problem;       // why it waits or failed
  std::string behind;        // failed at a transaction: the position behind it
};
std::string_view name_of(IngestProgress::State state);

// run() on one thread, progress() on any. `store`, `source` and `clock` must outlive it.
class Ingest {
 public:
  Ingest(EventStore& store, Source& source, Clock& clock, IngestOptions options);

  // Until `stop` (returns ok) or an error that action_for does not retry. Lost history leaves a
  // `gap` event in the stream "{name}.$source", at the position that is stored and stays so; one
  // for each such position.
  Status run(const std::stop_token& stop);
  // After run(), on its thread: the source stops for this reason, which is not its own. Returns it,
  // or, when a gap could not be stored, that error.
  Status end_with(const Error& reason);
  // Before end_with(): what the end waits for.
  void set_waiting(std::string problem);
  IngestProgress progress() const;
  // While run() does not work: the stream goes on with a truncate of the table and the begin of its
  // load, whose number this gives. For a table that the stream cannot go on with otherwise.
  // Code::not_found when nothing is stored of it.
  Result<std::uint64_t> load_anew(const TableToLoad& table);
  // What is loaded beside the stream. Any thread.
  Loads& loads() { return loads_; }
  const Loads& loads() const { return loads_; }

 private:
  IngestHandler new_handler();
  Result<LoadStep> first_step_of(const std::string& table);
  Status run_until_end(const std::stop_token& stop);
  Status attempt(const std::stop_token& stop);
  Status skip_if_ordered();
  Status begin(IngestHandler& handler);
  Status capture_new_tables(IngestHandler& handler);
  Result<std::vector<Loads::Begin>> first_loads_of(const std::vector<std::string>& tables);
  Status leave_gap(const std::string& reason);
  Status store_beginning();
  Status end_of_history(const Error& lost);
  Status append_gap(const std::string& reason, const std::string& from, const std::string& resume);
  Result<bool> has_gap_at(const std::string& position);
  void wait_to_retry(const std::string& problem, const std::stop_token& stop);
  void set_state(IngestProgress::State state, std::string problem);

  EventStore& store_;
  Source& source_;
  Clock& clock_;
  const IngestOptions options_;
  std::chrono::steady_clock::duration retry_after_;
  IngestCounters counters_;
  std::string behind_;  // of the last attempt: see IngestProgress
  Loads loads_;

  mutable std::mutex mutex_;
  IngestProgress progress_;  // guarded by mutex_
};

}  // namespace tidelog
