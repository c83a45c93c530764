// status.json in the store's folder: what a running `tidelog run` says about its sources, for
// `tidelog source status` beside it. Replaced as a whole once a second, written in place on a full
// disk (docs/adr: status file).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// A load of a table beside the stream.
struct LoadStatus {
  std::string table;
  std::uint64_t number = 0;
  std::string state;  // "waiting", "loading", "ended", "failed", "cancelled"
  std::uint64_t rows = 0;
  std::uint64_t rows_estimated = 0;
  std::string problem;
};

struct SourceStatus {
  std::string name;
  std::string state;           // "connecting", "streaming", "waiting", "stopped", …
  std::uint64_t position = 0;  // events of the store that are on disk
  std::string
      confirmed;  // how far into the database's log everything is on disk, which is what it is told
  std::optional<std::uint64_t> lag_bytes;  // none: not known
  std::optional<double> lag_seconds;
  // What the server keeps of its log for the source, its slot's wal_status, and what may be written
  // until the slot may be lost.
  std::optional<std::uint64_t> retained_bytes;
  std::string wal_status;  // empty: not known, or there is no slot
  std::optional<std::uint64_t> safe_wal_bytes;
  std::string warning;
  std::string error;  // why it waits or has stopped
  // Stopped at a transaction: the resume positions before and behind it, for `source skip`.
  std::string failed_from;
  std::string failed_behind;
  std::uint64_t loads_open = 0;   // tables whose existing rows are not all there
  std::vector<LoadStatus> loads;  // some of them: see SourceRun
};

struct RunStatus {
  std::int64_t pid = 0;
  UnixMicros time;     // when it was written
  bool ended = false;  // the run ended in an orderly way
  std::vector<SourceStatus> sources;
};

Status write_run_status(Disk& disk, const std::string& store, const RunStatus& status);
// Nothing when no run has written one.
Result<std::optional<RunStatus>> read_run_status(Disk& disk, const std::string& store);

// Whether it describes the present: not ended, and written within the last few seconds.
bool is_current(const RunStatus& status, UnixMicros now);

// {"source","state","position","confirmed","lag_bytes","lag_seconds","retained_bytes","wal_status",
// "safe_wal_bytes","loads_open"}, "warning" and "error" when there is one, "loads" when there are
// some.
std::string print_source_status(const SourceStatus& status);

}  // namespace tidelog
