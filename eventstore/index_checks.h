// IndexChecks: compares indexes with their segments on a thread of its own, while verify reads the
// log on another: both cost about the same.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/derived_files.h"
#include "eventstore/format.h"

namespace tidelog {

// One thread calls. Destroying it drops what is not done yet.
class IndexChecks {
 public:
  // `derived` must outlive it, and is the thread's from the first add() until finish().
  explicit IndexChecks(DerivedFiles& derived) : derived_(derived) {}

  // A whole, sealed segment that ends before `end`.
  void add(const format::ManifestSegment& segment, Position end);
  // Waits for all, and says each time that one is done. An error is the disk's.
  Status finish(const std::function<void()>& on_done);
  // Of the indexes that are done.
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  void run(const std::stop_token& stop);

  DerivedFiles& derived_;
  std::atomic<std::uint64_t> bytes_{0};
  std::mutex mutex_;  // guards what follows, but for the thread
  std::condition_variable_any changed_;
  std::deque<std::pair<format::ManifestSegment, Position>> waiting_;
  bool is_busy_ = false;
  Status status_;
  std::jthread thread_;  // last: it ends first
};

}  // namespace tidelog
