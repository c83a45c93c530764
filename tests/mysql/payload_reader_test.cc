#include "connectors/mysql/payload_reader.h"

#include <doctest/doctest.h>
#include <zstd.h>

#include <memory>
#include <vector>

#include "tests/core/damage.h"
#include "tests/mysql/wire.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

void put_field(std::string& out, char field, std::uint64_t value) {
  out += field;
  out += '\x09';
  out += '\xFE';
  put_le(out, value);
}

std::string payload_of(std::string_view events, bool compressed) {
  std::string packed(events);
  if (compressed) {
    packed.resize(ZSTD_compressBound(events.size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), events.data(), events.size(), 3));
  }
  std::string out;
  put_field(out, '\2', compressed ? 0 : 255);
  if (compressed) put_field(out, '\3', events.size());
  put_field(out, '\1', packed.size());
  return out + '\0' + packed;
}

std::string inner(EventType type, std::string body) {
  return event_bytes({.type = type, .body = std::move(body), .has_checksum = false});
}

struct Unpacked {
  std::vector<std::string> bodies;
  std::optional<Error> error;
};

Unpacked unpack(std::string_view payload, std::size_t piece_bytes) {
  Unpacked result;
  PayloadReader reader;
  Status status = reader.begin(payload.substr(0, piece_bytes));
  payload.remove_prefix(std::min(piece_bytes, payload.size()));
  while (status) {
    const auto event = reader.next();
    if (!event) {
      status = error_of(event);
    } else if (*event) {
      result.bodies.emplace_back((*event)->body);
    } else if (payload.empty()) {
      status = reader.end();
      break;
    } else {
      reader.add(payload.substr(0, piece_bytes));
      payload.remove_prefix(std::min(piece_bytes, payload.size()));
    }
  }
  if (!status) result.error = status.error();
  return result;
}

TEST_CASE("payloads: events come out as they went in, whatever the pieces") {
  std::vector<std::string> bodies = {"a", "", std::string(3'000'000, 'r'), "b"};
  for (int i = 0; i < 50'000; ++i) bodies.push_back(std::to_string(i));
  bodies.push_back(std::string(600'000, 'q'));
  std::string events;
  for (const std::string& body : bodies) events += inner(EventType::write_rows, body);
  for (const bool compressed : {true, false}) {
    const std::string payload = payload_of(events, compressed);
    for (const std::size_t piece : {payload.size(), std::size_t{262'144}, std::size_t{1'000}}) {
      CAPTURE(piece);
      const Unpacked unpacked = unpack(payload, piece);
      if (unpacked.error) FAIL_CHECK(unpacked.error->what);
      CHECK(unpacked.bodies == bodies);
    }
  }
}

TEST_CASE("payloads: a shorter one is corrupt, and damage never crashes the reader") {
  const std::string events = inner(EventType::query, "BEGIN") +
                             inner(EventType::write_rows, std::string(300, 'x')) +
                             inner(EventType::xid, std::string(8, '\1'));
  for (const bool compressed : {true, false}) {
    const std::string payload = payload_of(events, compressed);
    CHECK_FALSE(unpack(payload, payload.size()).error);
    for_each_prefix(payload,
                    [](std::string_view prefix) { CHECK(unpack(prefix, prefix.size()).error); });
    for_each_flipped_bit(payload, [](std::string_view damaged) {
      static_cast<void>(unpack(damaged, damaged.size()));
      static_cast<void>(unpack(damaged, 64));
    });
  }
}

TEST_CASE("payloads: sizes that are not kept are corrupt, before memory is taken for them") {
  std::string huge = inner(EventType::write_rows, "x");
  patch_le<std::uint32_t>(huge, 9, 0xFFFFFFFF);
  CHECK(unpack(payload_of(huge, true), 1'000).error->code == Code::corrupt);
  std::string longer = payload_of(inner(EventType::write_rows, "abc"), true);
  patch_le<std::uint64_t>(longer, 11 + 3, 5);
  CHECK(unpack(longer, 1'000).error->code == Code::corrupt);
}

TEST_CASE("payloads: what is not known in one is refused, and so is a payload") {
  for (const EventType type : {static_cast<EventType>(99), EventType::transaction_payload}) {
    const Unpacked unpacked = unpack(payload_of(inner(type, "x"), true), 1'000);
    REQUIRE(unpacked.error);
    CHECK(unpacked.error->code == Code::unsupported);
  }
  std::string other = payload_of(inner(EventType::xid, "12345678"), true);
  other[3] = '\7';
  CHECK(unpack(other, 1'000).error->code == Code::unsupported);
}

}  // namespace
}  // namespace tidelog::testing
