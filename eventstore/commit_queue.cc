#include "eventstore/commit_queue.h"

#include <utility>

#include "core/invariant.h"

namespace tidelog {

void CommitQueue::close() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void CommitQueue::run(const std::shared_ptr<Entry>& entry) {
  entry->has_waiter_ = true;
  bool leads = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(entry);
    queued_.store(queue_.size(), std::memory_order_release);
    leads = !leading_;
    leading_ = true;
  }
  if (!leads) {
    entry->state_.wait(Entry::waiting, std::memory_order_acquire);
    if (entry->state_.load(std::memory_order_acquire) == Entry::finished) return;
  }
  lead_();
  pass_on();
  INVARIANT(entry->state_.load(std::memory_order_acquire) == Entry::finished,
            "a leader answers every request that it takes");
}

void CommitQueue::add(std::shared_ptr<Entry> entry) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { lead_for_others(stop); });
  queue_.push_back(std::move(entry));
  queued_.store(queue_.size(), std::memory_order_release);
  if (leading_) return;
  leading_ = true;
  is_threads_turn_ = true;
  turn_.notify_one();
}

void CommitQueue::exclusively(const std::function<void()>& work) {
  const auto entry = std::make_shared<Entry>();
  bool leads = false;
  {
    const std::lock_guard lock(mutex_);
    leads = !leading_;
    leading_ = true;
    if (!leads) exclusive_.push_back(entry);
  }
  if (!leads) entry->state_.wait(Entry::waiting, std::memory_order_acquire);
  work();
  pass_on();
}

bool CommitQueue::try_lead(const std::function<void()>& work) {
  {
    const std::lock_guard lock(mutex_);
    if (leading_) return false;
    leading_ = true;
  }
  work();
  pass_on();
  return true;
}

std::vector<std::shared_ptr<CommitQueue::Entry>> CommitQueue::take() {
  const std::lock_guard lock(mutex_);
  queued_.store(0, std::memory_order_release);
  return std::exchange(queue_, {});
}

void CommitQueue::finish(Entry& entry) {
  if (!entry.has_waiter_) {
    entry.state_.store(Entry::finished, std::memory_order_release);
    entry.done();
    return;
  }
  entry.state_.store(Entry::finished, std::memory_order_release);
  entry.state_.notify_one();
}

void CommitQueue::pass_on() {
  std::unique_lock lock(mutex_);
  pass_on(lock);
}

// The next leader is one who waits, as the present one has its answer. The queue's own thread leads
// when there is one: it need not be woken for each group. Releases the mutex.
void CommitQueue::pass_on(std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<Entry> next;
  if (!exclusive_.empty()) {
    next = std::move(exclusive_.front());
    exclusive_.pop_front();
  } else if (queue_.empty()) {
    leading_ = false;
  } else if (thread_.joinable()) {
    is_threads_turn_ = true;
    turn_.notify_one();
  } else {
    next = queue_.front();
  }
  lock.unlock();
  if (next == nullptr) return;
  next->state_.store(Entry::leads, std::memory_order_release);
  next->state_.notify_one();
}

void CommitQueue::lead_for_others(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    turn_.wait(lock, stop, [this] { return is_threads_turn_; });
    if (!is_threads_turn_) return;  // asked to stop, and nothing waits
    is_threads_turn_ = false;
    lock.unlock();
    lead_();
    lock.lock();
    pass_on(lock);
    lock.lock();
  }
}

}  // namespace tidelog
