// One source at work: its connector, its ingest, its thread, and the watch beside it. For `tidelog
// run`.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "app/config.h"
#include "app/load_report.h"
#include "app/log.h"
#include "app/run_status.h"
#include "app/source_connector.h"
#include "app/source_watch.h"
#include "core/clock.h"
#include "core/source.h"
#include "eventstore/event_store.h"
#include "ingest/ingest.h"

namespace tidelog {

// What is ordered of one source (app/source_orders.h).
struct SourceOrder {
  bool is_paused = false;
  std::optional<SkipOrder> skip;
  bool operator==(const SourceOrder&) const = default;
};

// Store, clock and log must outlive it. It ends when `stop` is asked for, or end() is called;
// destroying it waits for that. The owner's one thread calls it.
class SourceRun {
 public:
  SourceRun(EventStore& store, Clock& clock, Log& log, const SourceConfig& config,
            SourceOrder order, std::stop_token stop);
  ~SourceRun();

  // Nothing while it works or is paused; then how it ended. A failed one begins again, and so has
  // nothing once more, when it is paused and resumed, or when what it failed at is to be skipped.
  std::optional<Status> result() const;
  // Whether it ever loaded, streamed or was paused: an error before that is one of the start.
  bool has_worked() const { return has_worked_; }

  void end() { stop_source_.request_stop(); }
  void obey(const SourceOrder& order);
  // Logs what changed since the last look.
  void report();
  SourceStatus status() const;
  const std::string& name() const { return config_.name; }
  const SourceConfig& config() const { return config_; }

  // Loads a table beside the stream, or ends such a load; gives its number.
  Result<std::uint64_t> load(const TableToLoad& table, bool anew) {
    return current()->ingest.loads().request(table, anew);
  }
  // While it is paused: see Ingest::load_anew.
  Result<std::uint64_t> load_anew_while_paused(const TableToLoad& table);
  Result<std::uint64_t> cancel_load(const std::string& table) {
    return current()->ingest.loads().cancel(table);
  }

 private:
  // One way on from where the store stands. After a pause or a skip there is another one.
  struct Capture {
    Capture(EventStore& store, Clock& clock, const SourceConfig& config,
            const SourceConnector& connector, std::optional<SkipOrder> skip_ordered);
    const std::optional<SkipOrder> skip;  // the order that it obeys
    std::stop_source halt;
    std::unique_ptr<Source> source;
    Ingest ingest;
  };

  void work();
  Status capture_and_obey();
  std::shared_ptr<Capture> begin_capture();
  Status capture();
  bool wait_for_order(Status& ended);
  bool is_told_to_go_on(const Status& ended, bool was_paused) const;
  bool must_drop_slot(const Status& ended) const;
  void end_for(const std::string& reason);
  Status end_at_ceiling(const std::string& reason);
  Status give_up_slot(const std::string& reason);
  Status end_with(const Error& reason);
  bool wait_to_retry(const std::string& what, const Error& error);
  void set_result(std::optional<Status> result);
  std::shared_ptr<Capture> current() const;
  void halt();
  void report_state(const IngestProgress& progress);
  void tell_loads(SourceStatus& status) const;
  void report_pause(bool is_paused);

  EventStore& store_;
  Clock& clock_;
  Log& log_;
  const SourceConfig config_;
  std::stop_source stop_source_;
  const std::stop_token stop_;
  const std::stop_callback<std::function<void()>> end_with_stop_;
  const std::unique_ptr<SourceConnector> connector_;

  IngestProgress reported_;
  LoadReport load_report_;
  bool paused_reported_ = false;
  bool has_worked_ = false;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  SourceOrder order_;                 // guarded by mutex_
  bool rests_ = false;                // guarded by mutex_; is paused, and nothing works any more
  std::optional<Status> result_;      // guarded by mutex_
  std::optional<std::string> over_;   // guarded by mutex_; why the watch ends it
  std::shared_ptr<Capture> capture_;  // guarded by mutex_
  std::stop_callback<std::function<void()>> halt_with_stop_;
  SourceWatch watch_;
  std::jthread thread_;
};

}  // namespace tidelog
