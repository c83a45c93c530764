#include "connectors/mysql/event_stream.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "tests/core/damage.h"
#include "tests/mysql/fake_channel.h"
#include "tests/mysql/wire.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

constexpr auto every_event = EventCheck::Continuity::every_event;
constexpr auto some_events = EventCheck::Continuity::some_events;

std::string sent(const std::vector<std::string>& events) {
  std::string bytes;
  std::uint8_t number = 1;
  for (const std::string& event : events) put_packet(bytes, std::string(1, '\0') + event, number);
  return bytes;
}

struct Seen {
  std::vector<std::string> lines;
  std::vector<std::string> bodies;
  std::optional<Error> error;
};

// Until nothing comes any more.
Seen seen_of(const std::string& bytes, EventCheck::Continuity continuity = every_event,
             std::size_t chunk = 1 << 20) {
  FakeChannel channel(bytes, chunk);
  EventStream stream(channel, continuity, false);
  Seen seen;
  for (int tries = 0; tries < 2; ++tries) {
    const auto arrival = stream.next();
    if (!arrival) {
      seen.error = arrival.error();
      return seen;
    }
    if (*arrival != Arrival::event) {
      if (!channel.is_empty()) tries = -1;
      continue;
    }
    tries = -1;
    const PlacedEvent& event = stream.event();
    seen.lines.push_back(fmt::format("{} {} {} {}{}", event.file, event.offset,
                                     name_of(event.event.header.type), event.end_offset,
                                     event.is_whole ? "" : " in pieces"));
    seen.bodies.emplace_back(event.event.body);
    while (!event.is_whole && !stream.is_over()) {
      const auto piece = stream.next_piece();
      if (!piece) {
        seen.error = piece.error();
        return seen;
      }
      if (*piece) seen.bodies.back() += **piece;
    }
  }
  return seen;
}

std::string query_at(std::uint32_t next_offset) {
  return event_bytes({EventType::query, "abc", next_offset});
}

constexpr std::uint32_t format_bytes = 19 + 57 + 40 + 1 + 4;
constexpr std::uint32_t query_bytes = 19 + 3 + 4;

TEST_CASE("event stream: events have their place, over files and beyond 4 GB") {
  const std::uint32_t at = 4 + format_bytes;
  const Seen seen = seen_of(
      sent({artificial_rotate("bin.1", 4), format_event(true, at), query_at(at + query_bytes),
            event_bytes({EventType::query, "no place", 0}),
            rotate_event("bin.2", 4, {.next_offset = at + query_bytes + 31 + 36}),
            artificial_rotate("bin.2", 4), format_event(true, at), query_at(at + query_bytes)}));
  CHECK_FALSE(seen.error);
  CHECK(seen.lines == std::vector<std::string>{" 0 Rotate 0", "bin.1 4 Format_desc 125",
                                               "bin.1 125 Query 151", "bin.1 151 Query 182",
                                               "bin.1 182 Rotate 218", "bin.2 4 Rotate 4",
                                               "bin.2 4 Format_desc 125", "bin.2 125 Query 151"});
  const Seen far = seen_of(sent({artificial_rotate("bin.1", (std::uint64_t{1} << 32) - 10),
                                 format_event(true, 0), query_at(query_bytes - 10)}));
  CHECK(far.lines.back() == "bin.1 4294967286 Query 4294967312");
}

TEST_CASE("event stream: a place that leaves out events is corrupt unless they may be left out") {
  const std::string bytes = sent(
      {artificial_rotate("bin.1", 200), format_event(true, 0), query_at(200 + query_bytes + 7)});
  const Seen seen = seen_of(bytes);
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::corrupt);
  CHECK(seen.error->what.find("bin.1 at 200") != std::string::npos);
  CHECK(seen_of(bytes, some_events).lines.back() == "bin.1 207 Query 233");
}

TEST_CASE("event stream: heartbeats say where the server is, also when nothing is sent") {
  const std::uint32_t at = 4 + format_bytes;
  std::string position(1, '\1');
  position += std::string("\5bin.1") + std::string("\2\3\xFC\xE8\x03", 5) + '\0';
  const std::string bytes =
      sent({artificial_rotate("bin.1", 4), format_event(true, at),
            event_bytes({EventType::heartbeat, "bin.1", 700}),
            event_bytes({EventType::heartbeat_v2, position, 0}), query_at(1'000 + query_bytes)});
  const Seen seen = seen_of(bytes, some_events);
  CHECK_FALSE(seen.error);
  CHECK(seen.lines.back() == "bin.1 1000 Query 1026");
  // Where nothing is left out they would hide what is missing.
  REQUIRE(seen_of(bytes).error);
  CHECK(seen_of(bytes).error->what.find("says that the server has come to 700") !=
        std::string::npos);
}

TEST_CASE("event stream: heartbeats beyond 4 GB, and those that no server would send") {
  const auto after = [](std::uint64_t offset, const EventBytes& heartbeat,
                        EventCheck::Continuity continuity) {
    return seen_of(
        sent({artificial_rotate("bin.1", offset), format_event(true, 0), event_bytes(heartbeat)}),
        continuity);
  };
  constexpr std::uint64_t far = (std::uint64_t{1} << 32) - 100;
  const EventBytes wrapped{EventType::heartbeat, "bin.1", 50};
  CHECK_FALSE(after(far, wrapped, some_events).error);
  CHECK_FALSE(after(far + 150, wrapped, every_event).error);
  for (const auto continuity : {every_event, some_events}) {
    CHECK(after(200, {EventType::heartbeat, "bin.1", 199}, continuity).error);
    CHECK(after(200, {EventType::heartbeat, "bin.2", 200}, continuity).error);
    std::string lower("\1\5bin.1\2\1\7", 10);
    lower += '\0';
    CHECK(after(200, {EventType::heartbeat_v2, lower, 0}, continuity).error);
  }
}

TEST_CASE("event stream: what a packet brings in place of an event is told with its place") {
  std::uint8_t number = 3;
  std::string bytes = sent({artificial_rotate("bin.1", 4), format_event(true, 0)});
  put_packet(bytes, std::string("\xFF\x10\x04too many"), number);
  const Seen seen = seen_of(bytes);
  REQUIRE(seen.error);
  CHECK(seen.error->what == "binlog bin.1 at 4: too many (error 1040)");
}

TEST_CASE("event stream: an event beyond the buffer comes after its file's format only") {
  const std::string large =
      event_bytes({EventType::transaction_payload, std::string(3'000'000, 'p'), 0});
  const Seen seen = seen_of(sent({artificial_rotate("bin.1", 4), large}));
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::corrupt);
  CHECK(seen.bodies.size() == 1);
}

TEST_CASE("event stream: without checksums nothing is cut off, and the first event shows which") {
  for (const bool checksums : {true, false}) {
    CAPTURE(checksums);
    const std::uint32_t at = 4 + format_bytes;
    const std::string query =
        event_bytes({.body = "text", .next_offset = 0, .has_checksum = checksums});
    const std::string rotate =
        rotate_event("bin.1", 4, {.flags = event_artificial, .has_checksum = checksums});
    const Seen seen = seen_of(sent({rotate, format_event(checksums, at), query}));
    CHECK_FALSE(seen.error);
    CHECK(seen.bodies.back() == "text");
    CHECK(seen.lines.back().starts_with("bin.1 125 Query"));
  }
}

TEST_CASE("event stream: a first event whose checksum does not fit is none without a checksum") {
  std::string rotate = artificial_rotate("bin.1", 4);
  rotate.back() ^= 1;
  const Seen seen = seen_of(sent({rotate, format_event(true, 0)}));
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::corrupt);
  CHECK(seen.lines.empty());
}

TEST_CASE("event stream: an event larger than the buffer comes whole, a payload in pieces") {
  std::string body(17'000'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 / 3);
  for (const EventType type : {EventType::write_rows, EventType::transaction_payload}) {
    for (const std::size_t chunk : {1'000'000'000U, 100'001U}) {
      CAPTURE(chunk);
      const Seen seen = seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0),
                                      event_bytes({type, body, 0}), query_at(0)}),
                                every_event, chunk);
      CHECK_FALSE(seen.error);
      REQUIRE(seen.bodies.size() == 4);
      CHECK(seen.bodies[2] == body);
      CHECK(seen.lines[2] == fmt::format("bin.1 4 {} 17000027{}", name_of(type),
                                         type == EventType::write_rows ? "" : " in pieces"));
      CHECK(seen.lines[3] == "bin.1 17000027 Query 17000053");
    }
  }
}

TEST_CASE("event stream: pieces that nobody takes are verified all the same") {
  std::string large = event_bytes({EventType::transaction_payload, std::string(3'000'000, 'p'), 0});
  for (const bool damaged : {false, true}) {
    if (damaged) large[2'000'000] = 'q';
    FakeChannel channel(
        sent({artificial_rotate("bin.1", 4), format_event(true, 0), large, query_at(0)}), 1 << 20);
    EventStream stream(channel, every_event, false);
    std::vector<EventType> types;
    Result<Arrival> arrival = Arrival::nothing;
    for (int i = 0; i < 100 && arrival; ++i) {
      arrival = stream.next();
      if (arrival && *arrival == Arrival::event) types.push_back(stream.event().event.header.type);
    }
    CHECK(types.size() == (damaged ? 3 : 4));
    CHECK(arrival.has_value() != damaged);
    if (!arrival)
      CHECK(arrival.error().what.find("does not fit its checksum") != std::string::npos);
  }
}

TEST_CASE("event stream: a payload's last piece is not given when its checksum does not fit") {
  std::string large = event_bytes({EventType::transaction_payload, std::string(3'000'000, 'p'), 0});
  large[40] ^= 1;
  const Seen seen = seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0), large}));
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::corrupt);
  CHECK(seen.bodies.back().size() < 3'000'000);
}

TEST_CASE("event stream: a large event of another size than its packet is corrupt") {
  for (const EventType type : {EventType::write_rows, EventType::transaction_payload}) {
    for (const int more : {-1, 1}) {
      std::string large = event_bytes({type, std::string(3'000'000, 'p'), 0});
      patch_le(large, 9, static_cast<std::uint32_t>(static_cast<int>(large.size()) + more));
      const Seen seen =
          seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0), large}));
      REQUIRE(seen.error);
      CHECK(seen.error->code == Code::corrupt);
    }
  }
}

TEST_CASE("event stream: an unknown event stops it with its place, unless it may be passed over") {
  const auto unknown = static_cast<EventType>(99);
  const Seen seen = seen_of(
      sent({artificial_rotate("bin.1", 77), format_event(true, 0),
            event_bytes({unknown, "x", 0, event_ignorable}), event_bytes({unknown, "x", 0})}));
  CHECK(seen.lines.size() == 3);
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::unsupported);
  CHECK(seen.error->what.find("bin.1 at 101: the event of type 99") != std::string::npos);
}

TEST_CASE("event stream: types that are known and not read are refused by name") {
  const Seen seen = seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0),
                                  event_bytes({EventType::start_encryption, "x", 0})}));
  REQUIRE(seen.error);
  CHECK(seen.error->what.find("Start_encryption") != std::string::npos);
}

TEST_CASE("event stream: the server's error and its end are told") {
  std::string bytes;
  std::uint8_t number = 1;
  put_packet(bytes, std::string("\xFF\xD4\x04#HY000") + "Cannot replicate: purged binary logs",
             number);
  const Seen seen = seen_of(bytes);
  REQUIRE(seen.error);
  CHECK(seen.error->code == Code::history_lost);
  CHECK(seen.error->what == "Cannot replicate: purged binary logs (error 1236)");

  bytes.clear();
  number = 1;
  put_packet(bytes, std::string("\xFE\0\0\2\0", 5), number);
  CHECK(seen_of(bytes).error->code == Code::unavailable);
  FakeChannel channel(bytes, 100);
  EventStream stream(channel, every_event, true);
  CHECK(*stream.next() == Arrival::nothing);
  CHECK(*stream.next() == Arrival::end);
}

TEST_CASE("event stream: every bit of an event flipped is corrupt, or another kind of wrong") {
  for_each_flipped_bit(query_at(0), [](std::string_view damaged) {
    const Seen seen =
        seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0), std::string(damaged)}));
    CHECK(seen.error);
  });
}

TEST_CASE("event stream: every bit of the format flipped is corrupt, but for the one in use") {
  std::string in_use = format_event(true, 125);
  in_use[17] ^= 1;
  CHECK_FALSE(seen_of(sent({artificial_rotate("bin.1", 4), in_use})).error);
  for_each_flipped_bit(format_event(true, 125), [&](std::string_view damaged) {
    if (damaged == in_use) return;
    CHECK(seen_of(sent({artificial_rotate("bin.1", 4), std::string(damaged), query_at(0)})).error);
  });
}

TEST_CASE("event stream: every prefix of an event is corrupt") {
  for_each_prefix(query_at(0), [](std::string_view prefix) {
    CHECK(seen_of(sent({artificial_rotate("bin.1", 4), format_event(true, 0), std::string(prefix)}))
              .error);
  });
}

}  // namespace
}  // namespace tidelog::testing
