// One projection that `tidelog run` keeps current: follows the store into a SQLite file, in a
// thread of its own.
#pragma once

#include <thread>

#include "app/config.h"
#include "app/log.h"
#include "eventstore/event_store.h"

namespace tidelog {

// The store and the log must outlive it; destroying it ends the thread. An error stops the
// projection alone: it is logged, and the sources go on.
class ProjectionRun {
 public:
  ProjectionRun(EventStore& store, ProjectionConfig config, Log& log);

 private:
  std::jthread thread_;
};

}  // namespace tidelog
