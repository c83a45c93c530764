// SourceConnector: what is particular to the database that a source has. Whoever runs, watches and
// checks sources asks it, and does not know which database that is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "core/finding.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog {

// How far a server is ahead of what is stored, in units that only it knows.
struct ServerLook {
  std::uint64_t end = 0;      // of its log
  std::uint64_t missing = 0;  // of that, not stored
  bool in_bytes = true;
  // What it keeps of its log for us, if it does: see SourceProgress.
  std::optional<std::uint64_t> retained_bytes = {};
  std::string wal_status = {};
  std::optional<std::uint64_t> safe_wal_bytes = {};
};

// Looks at the server from beside the stream, on a connection of its own. One thread.
class ServerLooker {
 public:
  virtual ~ServerLooker() = default;
  // `stored` is the source's position in the store, empty for none.
  virtual Result<ServerLook> look(std::string_view stored) = 0;
  // Writes a heartbeat, where there is one (SourceConnector::heartbeat).
  virtual Status beat() = 0;
};

// Any thread.
class SourceConnector {
 public:
  virtual ~SourceConnector() = default;
  // `stop` also ends its waits.
  virtual std::unique_ptr<Source> source(std::stop_token stop) const = 0;
  virtual std::unique_ptr<ServerLooker> looker() const = 0;
  // What stands in the way of loading or streaming.
  virtual Result<std::vector<Finding>> check(std::string_view stored) const = 0;
  // Of a server where nothing does: what else is worth a line.
  virtual Result<std::vector<std::string>> remarks() const = 0;
  // What is ready when nothing is stored yet, in words.
  virtual std::string_view ready() const = 0;

  // Nothing: none is written.
  virtual std::optional<std::chrono::milliseconds> heartbeat() const = 0;
  // Whether there is a place in the server's log that a source at `position` goes on from.
  virtual bool stands(std::string_view position) const = 0;

  // What is done when the server keeps more of its log for us than is allowed; nothing: there is no
  // such limit.
  virtual std::optional<RetainedWal::Then> at_ceiling() const = 0;
  // In words, if that is so.
  virtual std::optional<std::string> over_ceiling(std::string_view position,
                                                  const ServerLook& seen) const = 0;
  // Lets the server remove its log; see drop_source_slot().
  virtual Status give_up_log(std::string_view stored) const = 0;
};

// The one place that chooses.
std::unique_ptr<SourceConnector> connector_of(const SourceConfig& source,
                                              std::function<void(const Finding&)> on_warning,
                                              std::stop_token stop);

}  // namespace tidelog
