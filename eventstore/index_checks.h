// IndexChecks: compares indexes with their segments on threads of its own, while verify reads the
// log, and then on that one, too: all of it is processor time.
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
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/derived_files.h"
#include "eventstore/format.h"

namespace tidelog {

// One thread calls. Destroying it drops what is not done yet.
class IndexChecks {
 public:
  // `derived` must outlive it.
  explicit IndexChecks(DerivedFiles& derived) : derived_(derived) {}

  // A whole, sealed segment that ends before `end`.
  void add(const format::ManifestSegment& segment, Position end);
  // Takes part until all are done, and says each time that one is. An error is the disk's.
  Status finish(const std::function<void()>& on_done);
  // Of the indexes that are done.
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  using Lock = std::unique_lock<std::mutex>;
  void run(const std::stop_token& stop);
  void check_next(Lock& lock);

  DerivedFiles& derived_;
  std::atomic<std::uint64_t> bytes_{0};
  std::mutex mutex_;  // guards what follows, but for the threads
  std::condition_variable_any changed_;
  std::deque<std::pair<format::ManifestSegment, Position>> waiting_;
  std::size_t busy_count_ = 0;
  Status status_;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace tidelog
