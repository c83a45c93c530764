// ServerWatch: looks at the server from beside the stream, on a connection of its own: how far its
// log is ahead of us. `run` looks every few seconds. A server that hangs keeps nobody: every answer
// has its time, and a stop ends the wait for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/options.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

namespace tidelog::mysql {

// One thread.
class ServerWatch {
 public:
  explicit ServerWatch(MysqlOptions options) : options_(std::move(options)), stop_(options_.stop) {}

  // By place in bytes, by GTIDs in transactions.
  struct Seen {
    std::uint64_t end = 0;
    std::uint64_t missing = 0;  // of that, not stored
    bool in_bytes = false;
  };
  // `stored` is the source's position in the store. Not found: it has none yet.
  Result<Seen> look(std::string_view stored);

 private:
  Result<Seen> ask(std::string_view stored);

  const MysqlOptions options_;
  const StopSignal stop_;
  std::optional<Connection> connection_;  // kept until something goes wrong with it
};

}  // namespace tidelog::mysql
