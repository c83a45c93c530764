// Salvage: a new store with every event and base snapshot of a damaged one that can be read.
// Positions and revisions stay; what cannot be read leaves positions that readers pass over, and is
// listed. The damaged store is only read. The new one has a uuid of its own, and an origin that is
// incomplete when anything is missing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/backup.h"

namespace tidelog {

struct MissingEvents {
  Position first;
  std::uint64_t count = 0;
  std::string file;                  // which held them
  std::string why;                   // they cannot be read
  std::vector<std::string> streams;  // theirs, as far as is known
};

struct SalvageReport {
  std::string uuid;
  Position end;                               // of the new store: the next free position
  std::uint64_t recovered = 0;                // events
  std::uint64_t missing = 0;                  // events
  std::vector<MissingEvents> missing_events;  // by position
  // Base snapshots that cannot be read: what the rows of their tables were before the first event.
  std::vector<std::string> lost_states;
  std::vector<std::string> notes;  // damage that cost no event
};

// `store` must not exist or be empty. The positions of sources are those of before the first
// missing event: what came after may not follow.
Result<SalvageReport> salvage_store(Disk& disk, Clock& clock, const std::string& damaged,
                                    const std::string& store, const OnCopyProgress& on_progress);

}  // namespace tidelog
