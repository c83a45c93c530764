// SourceWatch: the thread that looks at a source's server from beside it: how far the source is
// behind, and what its slot holds back of the server's log, which may become too much. For `run`.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "app/lag.h"
#include "app/log.h"
#include "app/run_status.h"
#include "app/source_connector.h"
#include "core/clock.h"
#include "ingest/ingest.h"

namespace tidelog {

// Connector, clock and log must outlive it.
class SourceWatch {
 public:
  // On the watch's thread, `progress` is asked where the source is, and `end` is called, with what
  // to say, whenever the slot holds back more than allowed and the configuration ends the source
  // for it.
  SourceWatch(std::string name, const SourceConnector& connector, Clock& clock, Log& log,
              std::function<IngestProgress()> progress, std::function<void(const std::string&)> end,
              std::stop_token stop);

  // What it saw last. Any thread.
  void tell(const IngestProgress& progress, SourceStatus& status) const;

 private:
  void work();
  void look_if_due(const IngestProgress& progress);
  void look(const IngestProgress& progress);
  void judge(const IngestProgress& progress, const ServerLook& seen);
  void beat_if_due(const IngestProgress& progress);

  const std::string name_;
  const SourceConnector& connector_;
  Clock& clock_;
  Log& log_;
  const std::function<IngestProgress()> progress_;
  const std::function<void(const std::string&)> end_;
  const std::stop_token stop_;
  const std::unique_ptr<ServerLooker> server_;
  std::optional<std::chrono::steady_clock::time_point> looked_;
  bool was_over_ = false;
  std::optional<std::chrono::steady_clock::time_point> beat_;
  bool beat_failed_ = false;

  mutable std::mutex mutex_;
  Lag lag_;                         // guarded by mutex_
  std::optional<ServerLook> seen_;  // guarded by mutex_
  std::string warning_;             // guarded by mutex_
  std::jthread thread_;
};

}  // namespace tidelog
