// One projection that `tidelog run` keeps current: follows the store into a SQLite file, in a
// thread of its own.
#pragma once

#include <atomic>
#include <memory>
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
  // Every event before it is in the file; 0 until the first catching up is done.
  Position done() const { return {done_->load()}; }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> done_;  // the thread's as well
  std::jthread thread_;
};

}  // namespace tidelog
