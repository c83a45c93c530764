// A copy in both directions: what a replication connection does once START_REPLICATION was answered
// (Postgres manual, "Streaming Replication Protocol"). Frames come in, confirmations go out. Where
// nothing stands between us and the socket, that is read in large blocks and frames are used where
// they lie; libpq, which copies each into memory of its own and never gives back what the largest
// took, is for encrypted connections. Used by the stream loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/postgres/connection.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

namespace tidelog::postgres {

// One thread, unless a method says otherwise.
class CopyBoth {
 public:
  virtual ~CopyBoth() = default;

  // Sends the command, and returns once the server has begun the copy. `connection` must outlive
  // it, and is good for nothing else from then on.
  static Result<std::unique_ptr<CopyBoth>> start(Connection& connection, const std::string& command,
                                                 const StopSignal& stop);

  // The next frame that is here, or that can be read without waiting; borrowed until the next call.
  // Nothing: wait for the socket. An error is the server's, or that of the connection.
  virtual Result<std::optional<std::string_view>> next() = 0;

  enum class Sent : std::uint8_t { all, none };
  // none: the socket has no room, and nothing of it was sent. Any thread.
  virtual Result<Sent> send(std::string_view frame) = 0;

  // We have had enough. What is still sent up to the server's answer is dropped by take_goodbye().
  virtual Status send_end() = 0;
  enum class Goodbye : std::uint8_t { awaited, done };
  virtual Goodbye take_goodbye() = 0;

  virtual int socket() const = 0;
};

}  // namespace tidelog::postgres
