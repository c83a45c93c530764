// Restore: a store from a backup, verified while it is copied, whole or as it was at an earlier
// position. It gets a uuid of its own, so that nobody takes its positions for those of the first
// store, and an `origin` (store_marks.h) that says where it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/backup.h"

namespace tidelog {

struct RestoreReport {
  std::string uuid;    // of the new store
  Position durable;    // it holds every event before this
  Position of_backup;  // what the backup holds
  std::uint64_t file_count = 0;
  std::uint64_t bytes = 0;
};

// Code::misconfigured: asked for what was before the backup's history begins.
tl::unexpected<Error> before_history(Position begin);

// `end`: only events before this position, at which a transaction begins
// (StoreReader::end_through); a store that was cut so has an incomplete origin. `store` must not
// exist, be empty, or hold what an earlier try left that was cut off (new_store.h). The store is
// there only when everything is on disk. Code::corrupt names the file of the backup that is
// damaged.
Result<RestoreReport> restore_store(Disk& disk, Clock& clock, const std::string& backup,
                                    const std::string& store, std::optional<Position> end,
                                    const OnCopyProgress& on_progress);

}  // namespace tidelog
