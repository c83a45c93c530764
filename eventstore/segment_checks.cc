#include "eventstore/segment_checks.h"

#include <algorithm>
#include <utility>

namespace tidelog {
namespace {

constexpr std::size_t threads_max = 4;
// So far ahead of the findings that were asked for: each holds the names of all streams.
constexpr std::size_t ahead_max = threads_max + 1;

}  // namespace

SegmentChecks::SegmentChecks(Disk& disk, const StorePaths& paths,
                             std::vector<SegmentSubject> subjects, CheckProgress& progress)
    : disk_(disk), paths_(paths), subjects_(std::move(subjects)), progress_(progress) {
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
  const std::size_t wanted = std::min({cores, threads_max, subjects_.size()});
  for (std::size_t i = 1; i < wanted; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

Result<SegmentFindings> SegmentChecks::next(const std::function<void()>& on_advance) {
  Lock lock(mutex_);
  while (!done_.contains(given_)) {
    if (is_any_open()) {
      check_one(lock, on_advance);
    } else {
      changed_.wait(lock);
    }
    lock.unlock();
    on_advance();
    lock.lock();
  }
  auto found = std::move(done_.extract(given_++).mapped());
  changed_.notify_all();
  return found;
}

void SegmentChecks::run(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return is_any_open(); }) && !stop.stop_requested())
    check_one(lock, [] {});
}

bool SegmentChecks::is_any_open() const {
  return begun_ < std::min(subjects_.size(), given_ + ahead_max);
}

void SegmentChecks::check_one(Lock& lock, const std::function<void()>& on_advance) {
  const std::size_t index = begun_++;
  lock.unlock();
  auto found = check_segment(disk_, paths_, subjects_[index], progress_, on_advance);
  lock.lock();
  done_.emplace(index, std::move(found));
  changed_.notify_all();
}

}  // namespace tidelog
