// The events about the binlog's files and the connection, not about transactions (MySQL Server
// documentation, "Binary Log Events"). Each takes the body without checksum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "core/result.h"

namespace tidelog::mysql {

// The binlog goes on in another file. Artificial: that is where the server begins to send.
struct Rotate {
  std::string_view file;
  std::uint64_t offset = 0;
};
Result<Rotate> read_rotate(std::string_view body);

// Nothing has happened, or nothing that is sent, up to this place.
struct Heartbeat {
  std::string_view file;
  std::uint64_t offset = 0;  // of version 1 from MySQL: modulo 2^32
};
// Of both versions.
Result<Heartbeat> read_heartbeat(const Event& event);

// Something happened on the server that its binlog does not have: events may be missing.
struct Incident {
  std::uint16_t number = 0;  // 1: lost events
  std::string_view message;
};
Result<Incident> read_incident(std::string_view body);

}  // namespace tidelog::mysql
