// SegmentChecks: the segments of a store, checked on a few threads at once, whose findings come in
// the segments' order: all of it is processor time, and one thread is slower than most disks.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/segment_check.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread calls. Destroying it waits for the segments that are being checked.
class SegmentChecks {
 public:
  // `disk`, `paths` and `progress` must outlive it.
  SegmentChecks(Disk& disk, const StorePaths& paths, std::vector<SegmentSubject> subjects,
                CheckProgress& progress);

  // Of the next segment. `on_advance` is called on this thread alone, which takes part.
  Result<SegmentFindings> next(const std::function<void()>& on_advance);

 private:
  using Lock = std::unique_lock<std::mutex>;
  void run(const std::stop_token& stop);
  bool is_any_open() const;
  void check_one(Lock& lock, const std::function<void()>& on_advance);

  Disk& disk_;
  const StorePaths& paths_;
  const std::vector<SegmentSubject> subjects_;
  CheckProgress& progress_;
  std::mutex mutex_;  // guards what follows, but for the threads
  std::condition_variable_any changed_;
  std::map<std::size_t, Result<SegmentFindings>> done_;
  std::size_t begun_ = 0;  // of the subjects
  std::size_t given_ = 0;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace tidelog
