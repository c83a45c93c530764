// The state snapshots of a running service: a thread that makes one whenever the policy of the
// configuration says so (projections/snapshots.h). For `tidelog run`.
#pragma once

#include <thread>

#include "app/config.h"
#include "app/log.h"
#include "core/clock.h"
#include "core/disk.h"
#include "eventstore/event_store.h"

namespace tidelog {

// Disk, store, clock and log must outlive it; destroying it stops the thread, within a moment also
// in the middle of a snapshot. What cannot be made is logged and tried again; it never stops
// capture.
class SnapshotRun {
 public:
  SnapshotRun(Disk& disk, EventStore& store, SnapshotPolicy policy, Clock& clock, Log& log);

 private:
  std::jthread thread_;
};

}  // namespace tidelog
