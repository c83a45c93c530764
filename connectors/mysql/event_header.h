// The header that every binlog event begins with (MySQL Server documentation, "Common-Header").
// Used by the readers of binlog streams and files; what is handed on is a whole event whose
// checksum was verified.
#pragma once

#include <cstdint>
#include <string_view>

#include "connectors/mysql/event_type.h"
#include "core/result.h"

namespace tidelog::mysql {

inline constexpr std::size_t event_header_bytes = 19;
inline constexpr std::size_t event_checksum_bytes = 4;

// Bits of EventHeader::flags.
inline constexpr std::uint16_t event_in_use = 0x1;       // format description: the file is open
inline constexpr std::uint16_t event_artificial = 0x20;  // made by the server for the reader
inline constexpr std::uint16_t event_ignorable = 0x80;   // may be passed over by who knows it not

struct EventHeader {
  std::uint32_t timestamp = 0;  // seconds since 1970, when its statement began; 0: artificial
  EventType type = EventType::unknown;  // may be a number that EventType has no name for
  std::uint32_t server_id = 0;          // of the server where it happened first
  std::uint32_t event_bytes = 0;        // with this header and the checksum
  // Where the next event begins in the file, modulo 2^32. 0: artificial, or MariaDB 11.4 and later
  // within a transaction.
  std::uint32_t next_offset = 0;
  std::uint16_t flags = 0;

  bool is_artificial() const { return (flags & event_artificial) != 0; }
  bool is_ignorable() const { return (flags & event_ignorable) != 0; }
};

// The first event_header_bytes of an event. Corrupt: shorter, or an event smaller than its header.
Result<EventHeader> read_event_header(std::string_view bytes);

// One event, whole. Its bytes belong to who gave it.
struct Event {
  EventHeader header;
  std::string_view body;  // after the header, without the checksum
};

}  // namespace tidelog::mysql
