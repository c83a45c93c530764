// What must hold of a simulated store's disk after a crash, whenever it came: SimulatedHistory says
// what may be there.
#pragma once

#include <cstdint>
#include <string>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/erasure.h"
#include "eventstore/event_store.h"
#include "eventstore/retention.h"
#include "eventstore/store_reader.h"
#include "tests/projections/simulated_history.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {

extern const std::string simulated_folder, simulated_backup;

StoreOptions simulated_options();
// What `tidelog run` gives them: state files forget erased rows, tables are cut behind a base.
ErasureOptions erasure_of(EventStore& store);
RetentionPlan retention_of(EventStore& store, SimulatedHistory::Rules rules, Position floor);
Result<StreamOutcome> request_change(EventStore& store, const StreamRequest& request);
// One of each table that has a new event.
Status make_simulated_snapshots(EventStore& store);

// What became of an event that was met. The error says in what it is not the issued one, or why it
// should not be there so.
Result<Standing> standing_of(const IssuedEvent& issued, const Standing& allowed,
                             const Event& event);
// Every event from where the reader stands, each as it was issued or, as far as `allowed`, removed
// or erased. Returns what was met, of all positions up to the durable end.
Result<Standings> read_events(StoreReader& reader, const SimulatedHistory& history,
                              const Standings& allowed);
// That the state of each table at the reader's end is the history's. `standings` is what it holds.
Status check_tables(StoreReader& reader, const SimulatedHistory& history,
                    const Standings& standings);

struct CrashCheck {
  UnixMicros now;
  // Beside what is always checked: reads by index and backwards, state files against a full replay,
  // bytes of erased events, the backup and what is restored from it; and that everything goes on.
  bool thorough = false;
};

// Recovers the store on the disk. The error says what does not hold.
Status check_crash_state(const SimulatedHistory& history, FaultyDisk& disk,
                         const CrashCheck& check);

}  // namespace tidelog::testing
