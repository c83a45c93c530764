// Packets and events as a server sends them, made by tests.
#pragma once

#include <string>
#include <string_view>

#include "connectors/mysql/event_checksum.h"
#include "connectors/mysql/event_header.h"
#include "core/bytes.h"

namespace tidelog::testing {

inline constexpr std::size_t full_part_bytes = 0xFFFFFF;

// In as many parts as it needs; `number` is that of the next part.
inline void put_packet(std::string& out, std::string_view content, std::uint8_t& number) {
  for (;;) {
    const std::string_view part = content.substr(0, full_part_bytes);
    put_le(out, static_cast<std::uint32_t>(part.size()) | std::uint32_t{number++} << 24);
    out += part;
    if (part.size() < full_part_bytes) return;
    content.remove_prefix(part.size());
  }
}

struct EventBytes {
  mysql::EventType type = mysql::EventType::query;
  std::string body = {};
  std::uint32_t next_offset = 0;
  std::uint16_t flags = 0;
  bool has_checksum = true;
};

inline std::string event_bytes(const EventBytes& event) {
  const std::size_t size = mysql::event_header_bytes + event.body.size() +
                           (event.has_checksum ? mysql::event_checksum_bytes : 0);
  std::string out;
  put_le<std::uint32_t>(out, 1'700'000'000);
  put_le(out, static_cast<std::uint8_t>(event.type));
  put_le<std::uint32_t>(out, 1);
  put_le(out, static_cast<std::uint32_t>(size));
  put_le(out, event.next_offset);
  put_le(out, event.flags);
  out += event.body;
  if (event.has_checksum) put_le(out, mysql::event_crc32(0, out));
  return out;
}

// Of a server whose events have checksums, or have none.
inline std::string format_event(bool checksums, std::uint32_t next_offset) {
  std::string body;
  put_le<std::uint16_t>(body, 4);
  body += std::string("8.0.31").append(44, '\0');
  put_le<std::uint32_t>(body, 0);
  body.push_back(19);
  body.append(40, '\x0d');
  body.push_back(checksums ? '\1' : '\0');
  return event_bytes({mysql::EventType::format_description, body, next_offset});
}

inline std::string rotate_event(std::string_view file, std::uint64_t offset, EventBytes event) {
  put_le(event.body, offset);
  event.body += file;
  event.type = mysql::EventType::rotate;
  return event_bytes(event);
}

inline std::string artificial_rotate(std::string_view file, std::uint64_t offset) {
  return rotate_event(file, offset, {.flags = mysql::event_artificial});
}

}  // namespace tidelog::testing
