// ByteChannel: where the bytes of a server's packets come from. Implemented by the dump's
// connection (binlog_dump.h), and by tests.
#pragma once

#include <cstddef>

#include "core/result.h"

namespace tidelog::mysql {

// One thread.
class ByteChannel {
 public:
  virtual ~ByteChannel() = default;
  // What is here now, at most `room` bytes; 0: nothing, and `socket` tells when there is more.
  // Never waits. Unavailable: the connection is gone.
  virtual Result<std::size_t> receive(char* to, std::size_t room) = 0;
  virtual int socket() const = 0;
};

}  // namespace tidelog::mysql
