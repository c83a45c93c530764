#include "connectors/mysql/file_events.h"

#include "connectors/mysql/packed_integer.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

// name. At an offset beyond 32 bits, MariaDB leaves the header's at 0 and has u64 offset in front.
Result<Heartbeat> read_heartbeat_v1(const EventHeader& header, ByteReader in) {
  Heartbeat heartbeat;
  heartbeat.offset = header.next_offset;
  if (header.next_offset == 0) heartbeat.offset = in.le<std::uint64_t>();
  heartbeat.file = in.rest();
  if (heartbeat.file.empty()) in.fail();
  return in.finish(heartbeat, "Heartbeat");
}

// (u8 field | lenenc size | bytes)* | u8 0
Result<Heartbeat> read_heartbeat_v2(ByteReader in) {
  enum : std::uint8_t { end = 0, file = 1, offset = 2 };
  Heartbeat heartbeat;
  for (auto field = in.le<std::uint8_t>(); field != end; field = in.le<std::uint8_t>()) {
    ByteReader value(packed_bytes(in));
    if (field == file) heartbeat.file = value.rest();
    if (field == offset) heartbeat.offset = packed_integer(value);
    if (value.failed()) in.fail();
  }
  if (heartbeat.file.empty()) in.fail();
  return in.finish(heartbeat, "Heartbeat");
}

// Names end in a point and a number: not in the bytes of a checksum that does not fit.
bool is_name_of_binlog(std::string_view name) {
  const std::size_t last = name.find_last_not_of("0123456789");
  return last != name.npos && name[last] == '.' && last + 1 < name.size();
}

}  // namespace

// u64 offset | name
Result<Rotate> read_rotate(std::string_view body) {
  ByteReader in(body);
  Rotate rotate;
  rotate.offset = in.le<std::uint64_t>();
  rotate.file = in.rest();
  if (!in.failed() && !is_name_of_binlog(rotate.file))
    return fail(Code::corrupt, "Rotate: what it names is no binlog");
  return in.finish(rotate, "Rotate");
}

Result<Heartbeat> read_heartbeat(const Event& event) {
  const ByteReader in(event.body);
  return event.header.type == EventType::heartbeat_v2 ? read_heartbeat_v2(in)
                                                      : read_heartbeat_v1(event.header, in);
}

// u16 number | u8 size, message
Result<Incident> read_incident(std::string_view body) {
  ByteReader in(body);
  Incident incident;
  incident.number = in.le<std::uint16_t>();
  incident.message = in.bytes(in.le<std::uint8_t>());
  return in.finish(incident, "Incident");
}

}  // namespace tidelog::mysql
