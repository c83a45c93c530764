#include "connectors/mysql/gtid_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/mysql/packed_integer.h"
#include "connectors/mysql/serialized_fields.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::uint8_t may_have_statements = 0x1;
constexpr std::uint8_t logical_timestamps = 2;
constexpr std::size_t logical_timestamp_bytes = 16;
constexpr unsigned commit_time_bytes = 7;
constexpr std::uint64_t has_original_time = std::uint64_t{1} << 55;
constexpr std::uint32_t has_original_version = std::uint32_t{1} << 31;

UnixMicros micros(std::uint64_t value) { return {static_cast<std::int64_t>(value)}; }

std::uint64_t seven_bytes(ByteReader& in) {
  std::uint64_t number = 0;
  int shift = 0;
  for (const char c : in.bytes(commit_time_bytes)) {
    number |= std::uint64_t{static_cast<std::uint8_t>(c)} << shift;
    shift += 8;
  }
  return number;
}

// What servers before 8.0 do not have: u56 commit time, with a bit that says that u56 original time
// follows | packed transaction's bytes | u32 server's version, with a bit that says that u32
// original version follows | what later servers add
void read_since_8_0(ByteReader& in, GtidEvent& event) {
  if (in.remaining() < commit_time_bytes) return;
  const std::uint64_t commit = seven_bytes(in);
  event.commit = micros(commit & ~has_original_time);
  event.original_commit =
      (commit & has_original_time) != 0 ? micros(seven_bytes(in)) : *event.commit;
  if (in.remaining() == 0) return;
  event.transaction_bytes = packed_integer(in);
  if (in.remaining() == 0) return;
  if ((in.le<std::uint32_t>() & has_original_version) != 0) in.le<std::uint32_t>();
  in.rest();
}

// u8 flags | uuid[16] | u64 number | u8 2 | u64 last committed | u64 sequence number | …
Result<GtidEvent> read_untagged(const Event& bytes, bool is_anonymous) {
  ByteReader in(bytes.body);
  GtidEvent event;
  event.may_have_statements = (in.le<std::uint8_t>() & may_have_statements) != 0;
  Gtid gtid;
  const std::string_view uuid = in.bytes(uuid_bytes);
  std::copy(uuid.begin(), uuid.end(), gtid.source.uuid.begin());
  gtid.number = in.le<std::uint64_t>();
  if (!is_anonymous) {
    if (gtid.number < 1 || gtid.number > GtidSet::number_max) in.fail();
    event.gtid = gtid;
  }
  if (in.remaining() != 0 && in.le<std::uint8_t>() == logical_timestamps) {
    in.bytes(logical_timestamp_bytes);
    read_since_8_0(in, event);
  } else {
    in.rest();
  }
  return in.finish(std::move(event), name_of(bytes.header.type));
}

// -- with tags --

enum Field : std::uint8_t {
  flags = 0,
  uuid = 1,
  number = 2,
  tag = 3,
  last_committed = 4,
  sequence_number = 5,
  commit_time = 6,
  original_commit_time = 7,
  transaction_bytes = 8,
  server_version = 9,
  original_server_version = 10,
  commit_group_ticket = 11,
};
constexpr std::uint64_t last_field_known = commit_group_ticket;

void read_uuid(ByteReader& in, Uuid& value) {
  for (std::uint8_t& byte : value) byte = static_cast<std::uint8_t>(serialized_integer(in));
}

void read_tag(ByteReader& in, std::string& tag) {
  const std::string_view text = in.bytes(serialized_integer(in));
  tag.clear();
  if (!text.empty() && !read_gtid_tag(text, tag)) in.fail();
}

void read_field(ByteReader& in, std::uint64_t field, GtidEvent& event) {
  switch (static_cast<Field>(field)) {
    case flags:
      event.may_have_statements = (serialized_integer(in) & may_have_statements) != 0;
      return;
    case uuid:
      return read_uuid(in, event.gtid->source.uuid);
    case number:
      event.gtid->number = static_cast<std::uint64_t>(serialized_signed(in));
      return;
    case tag:
      return read_tag(in, event.gtid->source.tag);
    case commit_time:
      event.commit = micros(serialized_integer(in));
      return;
    case original_commit_time:
      event.original_commit = micros(serialized_integer(in));
      return;
    case transaction_bytes:
      event.transaction_bytes = serialized_integer(in);
      return;
    case last_committed:
    case sequence_number:
    case server_version:
    case original_server_version:
    case commit_group_ticket:
      serialized_integer(in);
      return;
  }
}

// serialized version | bytes of all of it | last field that must be known | (field | value)*. The
// fields come in order; what is not known comes last, and may be passed over.
Result<GtidEvent> read_tagged(const Event& bytes) {
  ByteReader in(bytes.body);
  GtidEvent event;
  event.gtid = Gtid{};
  serialized_integer(in);
  const std::uint64_t size = serialized_integer(in);
  const std::uint64_t last_needed = serialized_integer(in);
  if (!in.failed() && last_needed > last_field_known) {
    return fail(Code::unsupported,
                fmt::format("Gtid_tagged: its field {} is not known", last_needed));
  }
  if (size != bytes.body.size()) in.fail();
  bool has_uuid = false;
  while (in.remaining() != 0) {
    const std::uint64_t field = serialized_integer(in);
    if (field > last_field_known) {
      in.rest();
      break;
    }
    has_uuid = has_uuid || field == uuid;
    read_field(in, field, event);
  }
  if (!event.original_commit) event.original_commit = event.commit;
  const Gtid& gtid = *event.gtid;
  if (!has_uuid || gtid.number < 1 || gtid.number > GtidSet::number_max) in.fail();
  return in.finish(std::move(event), "Gtid_tagged");
}

}  // namespace

Result<GtidEvent> read_gtid_event(const Event& event) {
  if (event.header.type == EventType::gtid_tagged) return read_tagged(event);
  return read_untagged(event, event.header.type == EventType::anonymous_gtid);
}

}  // namespace tidelog::mysql
