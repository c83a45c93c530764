#include "connectors/mysql/event_header.h"

#include <fmt/format.h>

#include "core/bytes.h"

namespace tidelog::mysql {

// u32 timestamp | u8 type | u32 server id | u32 bytes of the event | u32 next offset | u16 flags
Result<EventHeader> read_event_header(std::string_view bytes) {
  ByteReader in(bytes.substr(0, event_header_bytes));
  EventHeader header;
  header.timestamp = in.le<std::uint32_t>();
  header.type = static_cast<EventType>(in.le<std::uint8_t>());
  header.server_id = in.le<std::uint32_t>();
  header.event_bytes = in.le<std::uint32_t>();
  header.next_offset = in.le<std::uint32_t>();
  header.flags = in.le<std::uint16_t>();
  if (!in.failed() && header.event_bytes < event_header_bytes) {
    return fail(Code::corrupt,
                fmt::format("a binlog event says that it has {} bytes, which is less "
                            "than its header",
                            header.event_bytes));
  }
  return in.finish(header, "binlog event header");
}

}  // namespace tidelog::mysql
