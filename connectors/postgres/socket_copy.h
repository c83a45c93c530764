// SocketCopy: a copy in both directions over a socket of our own (copy_both.h).
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/postgres/copy_both.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

namespace tidelog::postgres {

class SocketCopy final : public CopyBoth {
 public:
  // Does not own the socket.
  explicit SocketCopy(int socket);

  // After the command was sent: until the server has begun the copy.
  Status wait_for_begin(const StopSignal& stop);

  Result<std::optional<std::string_view>> next() override;
  Result<Sent> send(std::string_view frame) override;
  Status send_end() override;
  Goodbye take_goodbye() override;
  int socket() const override { return socket_; }

 private:
  struct Message {
    char type = '\0';
    std::string_view content;
  };
  Result<std::optional<Message>> next_message();
  Result<std::size_t> next_message_bytes() const;
  void make_room(std::size_t message_bytes);
  void take_buffer(std::size_t bytes);
  Result<bool> receive();
  Result<Sent> send_message(char type, std::string_view content);
  Result<Sent> send_pending();

  const int socket_;
  // Received and not yet used: [begin_, end_). Usually of one size; as long as a message needs
  // more, of just the size of that message.
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;

  std::mutex mutex_;
  std::string pending_;  // guarded by mutex_: the rest of a message that went out in part
};

}  // namespace tidelog::postgres
