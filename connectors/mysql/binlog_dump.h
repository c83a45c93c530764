// BinlogDump: a connection on which the server sends its binlog. The client library connects,
// authenticates and speaks TLS; then the command goes out through its table of methods, and what
// the server sends is read from its socket, or from its TLS session, by us. This is the only file
// that knows the inside of the library; docs/adr/binlog-transport.md has the reasons.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/mysql/byte_channel.h"
#include "connectors/mysql/connection.h"

namespace tidelog::mysql {

// The commands' numbers (MySQL's client/server protocol).
enum class DumpCommand : std::uint8_t { by_place = 0x12, by_gtids = 0x1E };

// One thread.
class BinlogDump final : public ByteChannel {
 public:
  // A connection whose socket is ours from now on. It has been asked nothing that was not answered.
  static Result<BinlogDump> open(Connection connection);
  // Tells the server who we are: a row of SHOW REPLICAS, with `name` as its host (60 bytes at
  // most). Gives up when it is asked to stop: Code::cancelled.
  Status register_as_replica(std::uint32_t server_id, std::string_view name,
                             const StopSignal& stop);
  // Sends the command; the answer is what receive() has.
  Status begin(DumpCommand command, std::string_view argument);

  Result<std::size_t> receive(char* to, std::size_t room) override;
  int socket() const override { return socket_; }
  const Connection& connection() const { return connection_; }

 private:
  BinlogDump(Connection connection, void* tls, int socket);
  Status send(unsigned command, std::string_view argument);
  Result<std::size_t> receive_plain(char* to, std::size_t room) const;
  Result<std::size_t> receive_encrypted(char* to, std::size_t room);

  Connection connection_;
  void* tls_;  // OpenSSL's session, the library's own; null: not encrypted
  int socket_;
};

}  // namespace tidelog::mysql
