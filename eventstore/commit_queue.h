// CommitQueue: who writes to the log's end, and who waits for it. The first to come leads: it
// writes and syncs for everyone who is waiting by then. Those who come during its sync wait, and
// one of them leads next, or the queue's own thread, for requests that nobody waits for. Each
// waiter is woken alone, and only when it is its turn or its request is done.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace tidelog {

// Any thread; the methods under "the leader's" only within a call of `lead`.
class CommitQueue {
 public:
  class Entry {
   public:
    virtual ~Entry() = default;

   protected:
    // On the leader's thread: the request is done. Only for entries that nobody waits for.
    virtual void done() {}

   private:
    friend class CommitQueue;
    enum State : std::uint32_t { waiting, leads, finished };
    std::atomic<std::uint32_t> state_ = waiting;
    bool has_waiter_ = false;
  };

  // `lead` takes entries until there are none, and finishes each.
  explicit CommitQueue(std::function<void()> lead) : lead_(std::move(lead)) {}
  ~CommitQueue() { close(); }
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Returns once the entry is finished.
  void run(const std::shared_ptr<Entry>& entry);
  // Returns at once; done() is called later.
  void add(std::shared_ptr<Entry> entry);
  // Ends the queue's own thread, once nothing waits. Nothing is added any more.
  void close();
  // Does `work` in the leader's place, once the present one is done.
  void exclusively(const std::function<void()>& work);
  // The same, unless somebody leads.
  bool try_lead(const std::function<void()>& work);

  // -- the leader's --
  std::vector<std::shared_ptr<Entry>> take();
  bool empty() const { return queued_.load(std::memory_order_acquire) == 0; }
  static void finish(Entry& entry);

 private:
  void pass_on();
  void pass_on(std::unique_lock<std::mutex>& lock);
  void lead_for_others(const std::stop_token& stop);

  const std::function<void()> lead_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any turn_;
  std::vector<std::shared_ptr<Entry>> queue_;
  std::deque<std::shared_ptr<Entry>> exclusive_;  // of exclusively(): they lead before the others
  std::atomic<std::size_t> queued_ = 0;           // the queue's size, to look at without the mutex
  bool leading_ = false;
  bool is_threads_turn_ = false;
  std::jthread thread_;  // begun by the first add(); last: it ends first
};

}  // namespace tidelog
