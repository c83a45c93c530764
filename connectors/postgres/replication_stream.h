// The loop that reads the replication connection: frames in, changes to the handler, confirmations
// out. Used by the source's stream().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/transaction_assembly.h"
#include "connectors/postgres/wait.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog::postgres {

// Tells the server, on a thread of its own, that we are alive and what is durable, also while the
// handler is busy for longer than the server's patience (a slow disk, a large transaction). The
// mutex guards the connection: whoever reads or writes it holds it. Members are for any thread.
class StatusSender {
 public:
  StatusSender(Connection& connection, Clock& clock, std::chrono::milliseconds interval);
  ~StatusSender();

  std::mutex& connection_mutex() { return mutex_; }
  // What is on disk. Never goes back.
  void set_durable(Lsn durable);
  // Is a confirmation waiting to be told?
  bool has_news() const;
  // What the server was told to be durable.
  Lsn told() const { return Lsn{told_.load()}; }
  // With the mutex held.
  Status send_now();
  Status send_if_due();

 private:
  void keep_alive(const std::stop_token& stop);

  Connection& connection_;
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
  // something must be: TransactionAssembly::read_whole_until.
  Status run(const Settings& settings, std::stop_token stop);

 private:
  Status start(const Settings& settings);
  Status loop(const Settings& settings, const StopSignal& stop, StatusSender& sender);
  bool must_change(const Settings& settings) const;
  // The next frame that libpq holds already, or that can be read without waiting.
  enum class Input : std::uint8_t { frame, none };
  Result<Input> next_frame(StatusSender& sender);
  Status take_frame(StatusSender& sender);
  Status answer(Lsn sent, StatusSender& sender);
  Status rest(const StopSignal& stop, StatusSender& sender);
  Status update_durable(StatusSender& sender);
  Status end(StatusSender& sender);
  enum class Goodbye : std::uint8_t { awaited, done };
  Goodbye take_goodbye();

  Connection& connection_;
  TransactionAssembly& assembly_;
  ChangeHandler& handler_;
  Clock& clock_;
  Waker& waker_;
  Connection::CopyRow frame_;
  bool gathers_ = false;   // the connection is one where letting rows gather pays
  bool gathered_ = false;  // nothing came since we last let rows gather
  std::optional<std::chrono::steady_clock::time_point> asked_;  // when the server last did
};

}  // namespace tidelog::postgres
