#include "eventstore/index_checks.h"

namespace tidelog {

void IndexChecks::add(const format::ManifestSegment& segment, Position end) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace_back(segment, end);
  changed_.notify_all();
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Status IndexChecks::finish(const std::function<void()>& on_done) {
  std::unique_lock lock(mutex_);
  while (status_ && (is_busy_ || !waiting_.empty())) {
    changed_.wait(lock);
    lock.unlock();
    on_done();
    lock.lock();
  }
  return status_;
}

void IndexChecks::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (status_ && changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) &&
         !stop.stop_requested()) {
    const auto [segment, end] = waiting_.front();
    waiting_.pop_front();
    is_busy_ = true;
    lock.unlock();
    Status checked = derived_.check_index(segment, end, [this](std::uint64_t bytes) {
      bytes_.fetch_add(bytes, std::memory_order_relaxed);
    });
    lock.lock();
    is_busy_ = false;
    status_ = std::move(checked);
    changed_.notify_all();
  }
}

}  // namespace tidelog
