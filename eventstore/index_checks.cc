#include "eventstore/index_checks.h"

#include <algorithm>

namespace tidelog {

void IndexChecks::add(const format::ManifestSegment& segment, Position end) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace_back(segment, end);
  changed_.notify_all();
  // One core is left to who reads the log.
  const std::size_t wanted = std::max(std::thread::hardware_concurrency(), 2U) - 1;
  if (threads_.size() < wanted)
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

Status IndexChecks::finish(const std::function<void()>& on_done) {
  Lock lock(mutex_);
  while (status_ && (busy_count_ != 0 || !waiting_.empty())) {
    if (waiting_.empty()) {
      changed_.wait(lock);
    } else {
      check_next(lock);
    }
    lock.unlock();
    on_done();
    lock.lock();
  }
  return status_;
}

void IndexChecks::run(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (status_ && changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) &&
         !stop.stop_requested())
    check_next(lock);
}

void IndexChecks::check_next(Lock& lock) {
  const auto [segment, end] = waiting_.front();
  waiting_.pop_front();
  ++busy_count_;
  lock.unlock();
  Status checked = derived_.check_index(segment, end, [this](std::uint64_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  });
  lock.lock();
  --busy_count_;
  if (status_) status_ = std::move(checked);
  changed_.notify_all();
}

}  // namespace tidelog
