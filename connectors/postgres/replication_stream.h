// The loop that reads the replication connection: frames in, changes to the handler, confirmations
// out. Used by the source's stream().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/copy_both.h"
#include "connectors/postgres/gathering.h"
#include "connectors/postgres/transaction_assembly.h"
#include "connectors/socket/wait.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog::postgres {

// Tells the server, on a thread of its own, that we are alive and what is durable, also while the
// handler is busy for longer than the server's patience (a slow disk, a large transaction). Members
// are for any thread.
class StatusSender {
 public:
  StatusSender(CopyBoth& copy, Clock& clock, std::chrono::milliseconds interval);
  ~StatusSender();

  // What is on disk. Never goes back.
  void set_durable(Lsn durable);
  // Is a confirmation waiting to be told?
  bool has_news() const;
  // What the server was told to be durable.
  Lsn told() const { return Lsn{told_.load()}; }
  Status send_now();
  Status send_if_due();

 private:
  void keep_alive(const std::stop_token& stop);
  bool is_due() const;
  Status send();

  CopyBoth& copy_;
  Clock& clock_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> told_{0};
  std::chrono::steady_clock::time_point last_sent_;  // guarded by mutex_
  std::string buffer_;                               // guarded by mutex_
  std::jthread thread_;
};

// One thread, which calls the handler.
class ReplicationStream {
 public:
  struct Settings {
    std::string slot;
    std::string publication;
    Lsn start;
    std::chrono::milliseconds status_interval;
    // Transactions are sent as a whole up to there; nothing: in pieces, and for ever.
    std::optional<Lsn> whole_until = std::nullopt;
    bool two_phase = false;       // prepared transactions are wanted: changes the slot for good
    bool without_origin = false;  // only what was not replicated to the server from elsewhere
    bool binary = false;          // values of types that have a binary form are sent in it
    bool publishes = false;  // a table that was made is to be published, before the next stream
  };
  // All must outlive the stream.
  ReplicationStream(Connection& connection, TransactionAssembly& assembly, ChangeHandler& handler,
                    Clock& clock, Waker& waker)
      : connection_(connection),
        assembly_(assembly),
        handler_(handler),
        clock_(clock),
        waker_(waker) {}

  // Until stop (returns ok), an error, or (ok as well) until what was to be sent as a whole was, or
  // something must be (TransactionAssembly::read_whole_until), or a table is to be published.
  Status run(const Settings& settings, std::stop_token stop);
  // The error that ended it is the server's; otherwise it is ours, about what the server sent.
  bool server_failed() const { return server_failed_; }

 private:
  Status loop(const Settings& settings, const StopSignal& stop, StatusSender& sender);
  bool must_change(const Settings& settings) const;
  Status take_frame(std::string_view bytes, StatusSender& sender);
  Status answer(Lsn sent, StatusSender& sender);
  bool gather(const StopSignal& stop);
  Status rest(const StopSignal& stop, StatusSender& sender);
  Status update_durable(StatusSender& sender);
  Status end(StatusSender& sender);

  Connection& connection_;
  TransactionAssembly& assembly_;
  ChangeHandler& handler_;
  Clock& clock_;
  Waker& waker_;
  std::unique_ptr<CopyBoth> copy_;
  std::optional<Gathering> gathering_;
  bool server_failed_ = false;
  int frames_ = 0;                 // since we last let rows gather, or waited
  bool gathered_ = false;          // nothing came since we last let rows gather
  bool gathered_between_ = false;  // we did so since it was last made durable
  std::optional<std::chrono::steady_clock::time_point> asked_;  // when the server last did
};

}  // namespace tidelog::postgres
