// The frames inside of the replication connection's copy-both mode (Postgres manual, "Streaming
// Replication Protocol"): what the server wraps each pgoutput message in, its keepalives, and our
// answer. Used by the stream loop.
#pragma once

#include <string>
#include <string_view>

#include "core/ids.h"
#include "core/result.h"

namespace tidelog::postgres {

struct Frame {
  enum class Kind : std::uint8_t { data, keepalive };
  Kind kind = Kind::data;
  Lsn start;                  // data: where in the log its payload came from
  Lsn end;                    // keepalive: everything before it was sent
  UnixMicros server_time;     // when it was sent
  bool reply_wanted = false;  // keepalive: at once, or the server ends the connection
  std::string_view payload;   // data: one pgoutput message
};

Result<Frame> read_frame(std::string_view bytes);

// Standby status update. The server forgets the log before `flushed`, so only what is on disk is
// ever said.
void put_status_update(std::string& out, Lsn flushed, UnixMicros now);

}  // namespace tidelog::postgres
