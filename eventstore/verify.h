// Verify: reads every byte of a store that a checksum covers and checks that all of it fits
// together: heads, batches, blocks, records, adopted files, the chain from the first batch to the
// last durable one; each index, byte by byte, with what its segment gives; state and aggregate
// snapshots (derived_files.h); marks and erasures. Beside a running service, too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct VerifyProgress {
  std::uint64_t bytes = 0;  // verified so far
  std::uint64_t bytes_total = 0;
  std::uint64_t events = 0;
};

struct VerifyReport {
  VerifyProgress progress;
  std::uint64_t batches = 0;
  Position durable;
  std::uint64_t index_count = 0;      // compared with their segments
  std::uint64_t state_count = 0;      // state snapshots
  std::uint64_t aggregate_count = 0;  // files of aggregate snapshots
  std::vector<std::string> damage;    // one line each: file, offset, positions; empty: all is well
  // Damage of what was made from the log and is made anew: it costs time, never an event.
  std::vector<std::string> warnings;
};

// Damage is in the report, not an error: one bad segment does not hide the next. `on_progress` is
// called after each batch.
Result<VerifyReport> verify_store(Disk& disk, const std::string& directory,
                                  const std::function<void(const VerifyProgress&)>& on_progress);

}  // namespace tidelog
