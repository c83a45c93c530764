// `store verify --state`: whether each state snapshot is what a full replay gives.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

struct SnapshotCheck {
  std::uint64_t snapshot_count = 0;  // looked at, base snapshots among them
  std::uint64_t base_count = 0;
  std::uint64_t snapshot_total = 0;
  std::uint64_t row_count = 0;      // compared
  std::vector<std::string> damage;  // one line each; empty: all agree
};

// Folds each stream anew from the begin of its history, in bounded memory, and compares at every
// snapshot, row by row. A base snapshot stands for what was removed: of it all checksums, the order
// and the counts are verified. The caller holds StateDirectory::lock, under which scratch files are
// written. Narrows and moves the reader. `on_progress` is called after each snapshot.
Result<SnapshotCheck> check_snapshots(StoreReader& reader,
                                      const std::function<void(const SnapshotCheck&)>& on_progress,
                                      const std::stop_token& stop);

}  // namespace tidelog
