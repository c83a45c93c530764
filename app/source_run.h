// One source at work: its connector, its ingest, its thread, and the watch beside it. For `tidelog
// run`.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "app/config.h"
#include "app/log.h"
#include "app/run_status.h"
#include "app/source_watch.h"
#include "connectors/postgres/options.h"
#include "core/clock.h"
#include "core/source.h"
#include "eventstore/event_store.h"
#include "ingest/ingest.h"

namespace tidelog {

// Store, clock and log must outlive it. It ends when `stop` is asked for; destroying it waits for
// that. The owner's one thread calls it.
class SourceRun {
 public:
  SourceRun(EventStore& store, Clock& clock, Log& log, const SourceConfig& config,
            std::stop_token stop);
  ~SourceRun();

  // Nothing while it works; then how it ended.
  std::optional<Status> result() const;
  // Whether it ever loaded or streamed: an error before that is one of the start.
  bool has_worked() const { return has_worked_; }

  // Logs what changed since the last look.
  void report();
  SourceStatus status() const;
  const std::string& name() const { return name_; }

 private:
  void work();
  void set_result(Status result);
  void end_for(const std::string& reason);
  std::optional<std::string> over() const;
  Status run_to_its_end();
  bool is_slot_watched_still() const;
  Status run_on_for_the_slot();
  Status end_at_ceiling(const std::string& reason);
  Status give_up_slot(const std::string& reason);
  Status end_with(const Error& reason);
  bool wait_to_retry(const std::string& what, const Error& error);
  void report_state(const IngestProgress& progress);
  void report_load(const IngestProgress& progress);

  EventStore& store_;
  Clock& clock_;
  Log& log_;
  const std::string name_;
  const std::stop_token stop_;
  std::stop_source halt_;  // by `stop_`, or by the watch
  std::stop_callback<std::function<void()>> halt_with_stop_;
  const PostgresOptions options_;
  std::unique_ptr<Source> source_;
  Ingest ingest_;

  IngestProgress reported_;
  std::chrono::steady_clock::time_point load_reported_;
  bool has_worked_ = false;

  mutable std::mutex mutex_;
  std::optional<Status> result_;     // guarded by mutex_
  std::optional<std::string> over_;  // guarded by mutex_; why the watch ended it
  SourceWatch watch_;
  std::jthread thread_;
};

}  // namespace tidelog
