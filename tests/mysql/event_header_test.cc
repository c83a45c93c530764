#include "connectors/mysql/event_header.h"

#include <doctest/doctest.h>

#include "core/bytes.h"
#include "tests/core/damage.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

std::string header_bytes(std::uint8_t type, std::uint32_t event_bytes) {
  std::string out;
  put_le<std::uint32_t>(out, 1'700'000'000);
  put_le<std::uint8_t>(out, type);
  put_le<std::uint32_t>(out, 7);
  put_le<std::uint32_t>(out, event_bytes);
  put_le<std::uint32_t>(out, 4'000'000'001);
  put_le<std::uint16_t>(out, 0xA0);
  return out;
}

TEST_CASE("event header: each field is where the manual says") {
  const auto header = read_event_header(header_bytes(16, 31) + "more bytes");
  REQUIRE(header);
  CHECK(header->timestamp == 1'700'000'000);
  CHECK(header->type == EventType::xid);
  CHECK(header->server_id == 7);
  CHECK(header->event_bytes == 31);
  CHECK(header->next_offset == 4'000'000'001);
  CHECK(header->is_artificial());
  CHECK(header->is_ignorable());
}

TEST_CASE("event header: every prefix is corrupt, and so is an event that is shorter than it") {
  for_each_prefix(header_bytes(2, 40), [](std::string_view prefix) {
    CHECK(read_event_header(prefix).error().code == Code::corrupt);
  });
  CHECK(read_event_header(header_bytes(2, 18)).error().code == Code::corrupt);
  CHECK(read_event_header(header_bytes(2, 19)));
}

TEST_CASE("event types: a number without a name is kept and has none") {
  const auto header = read_event_header(header_bytes(99, 19));
  REQUIRE(header);
  CHECK(static_cast<int>(header->type) == 99);
  CHECK(name_of(header->type).empty());
  CHECK(name_of(EventType::gtid_tagged) == "Gtid_tagged_log_event");
}

}  // namespace
}  // namespace tidelog::testing
