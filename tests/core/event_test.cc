#include "core/event.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tests/core/damage.h"

using namespace std::string_view_literals;

namespace tidelog::testing {
namespace {

constexpr std::uint32_t u32_max = std::numeric_limits<std::uint32_t>::max();

std::string sample_attributes() {
  std::string out;
  put_attribute(out, Attribute::name, "prefix");
  put_attribute(out, Attribute::message_lsn, "\x01\x02");
  put_attribute(out, Attribute::truncate_cascade, "");
  return out;
}

EventBody sample_event() {
  static const std::string attributes = sample_attributes();
  EventBody event;
  event.type = EventType::update;
  event.stream = {300};
  event.schema = {2};
  event.ordinal = 5;
  event.moved = true;
  event.key = "key";
  event.before_kind = Before::row;
  event.before = "before";
  event.body = "body";
  event.attributes = attributes;
  return event;
}

// Every combination of what a record may leave out, and empty strings, which are not the same as
// none.
std::vector<EventBody> sample_events() {
  std::vector<EventBody> events;
  for (unsigned parts = 0; parts < 96; ++parts) {
    EventBody event = sample_event();
    event.type = static_cast<EventType>(1 + parts % event_type_max);
    event.key.reset();
    event.body.reset();
    event.attributes = {};
    if ((parts & 1) != 0) event.key = (parts & 2) != 0 ? "k" : "";
    if ((parts & 2) != 0) event.body = (parts & 1) != 0 ? "" : "b";
    if ((parts & 4) != 0) event.attributes = sample_event().attributes;
    event.moved = (parts & 8) != 0;
    event.before_kind = static_cast<Before>(parts / 32);
    if (event.before_kind == Before::none) event.before = {};
    if ((parts & 16) != 0) {
      event.stream = {u32_max};
      event.schema = {u32_max};
      event.ordinal = u32_max;
    }
    events.push_back(event);
  }
  return events;
}

Transaction sample_transaction() {
  Transaction transaction;
  transaction.id = "771";
  transaction.commit_time = {1'795'514'400'000'001};
  transaction.position = "position";
  transaction.origin = "origin";
  transaction.event_count = 3;
  transaction.event_index = 2;
  return transaction;
}

std::string record_of(const EventBody& event, std::uint64_t relative_revision) {
  std::string out;
  put_event_record(out, event, relative_revision);
  return out;
}

std::string record_of(const Transaction& transaction) {
  std::string out;
  put_transaction_record(out, transaction);
  return out;
}

bool same(const EventBody& a, const EventBody& b) {
  return a.type == b.type && a.stream == b.stream && a.schema == b.schema &&
         a.ordinal == b.ordinal && a.moved == b.moved && a.key == b.key &&
         a.before_kind == b.before_kind && a.before == b.before && a.body == b.body &&
         a.attributes == b.attributes;
}

bool same(const Transaction& a, const Transaction& b) {
  return a.id == b.id && a.commit_time == b.commit_time && a.position == b.position &&
         a.origin == b.origin && a.origin_position == b.origin_position &&
         a.global_id == b.global_id && a.event_count == b.event_count &&
         a.event_index == b.event_index;
}

Code code_of_record(std::string_view bytes) {
  ByteReader in(bytes);
  const auto record = read_record(in);
  REQUIRE_FALSE(record);
  return record.error().code;
}

TEST_CASE("event record: it is read as it was put") {
  for (const EventBody& event : sample_events()) {
    for (const std::uint64_t revision : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      const std::string bytes = record_of(event, revision);
      ByteReader in(bytes);
      const auto record = read_record(in);
      REQUIRE(record);
      CHECK_FALSE(record->is_transaction);
      CHECK(same(record->event, event));
      CHECK(record->relative_revision == revision);
      CHECK(in.remaining() == 0);
    }
  }
}

TEST_CASE("event record: the bytes are those of its grammar") {
  EventBody event;
  event.type = EventType::remove;
  event.stream = {300};
  event.schema = {2};
  event.ordinal = 5;
  event.key = "k";
  event.before_kind = Before::key;
  event.before = "";
  CHECK(record_of(event, 1) == "\x0a\x04\x03\xac\x02\x01\x02\x05\x01k\x00"sv);
}

TEST_CASE("event record: records follow each other") {
  std::string bytes;
  put_transaction_record(bytes, sample_transaction());
  put_event_record(bytes, sample_event(), 0);
  put_event_record(bytes, sample_event(), 1);
  ByteReader in(bytes);
  CHECK(read_record(in)->is_transaction);
  CHECK(read_record(in)->relative_revision == 0);
  CHECK(read_record(in)->relative_revision == 1);
  CHECK(in.remaining() == 0);
}

TEST_CASE("event record: every prefix is corrupt") {
  for (const EventBody& event : sample_events()) {
    for_each_prefix(record_of(event, 7), [](std::string_view prefix) {
      CHECK(code_of_record(prefix) == Code::corrupt);
    });
  }
}

TEST_CASE("event record: every prefix of its content under a length that fits is corrupt") {
  const std::string bytes = record_of(sample_event(), 7);
  for_each_prefix(std::string_view(bytes).substr(1), [](std::string_view prefix) {
    std::string record;
    put_sized(record, prefix);
    CHECK(code_of_record(record) == Code::corrupt);
  });
}

TEST_CASE("event record: what is read from bytes with a flipped bit can be put again") {
  for (const EventBody& event : sample_events()) {
    for_each_flipped_bit(record_of(event, 7), [](std::string_view flipped) {
      ByteReader in(flipped);
      const auto record = read_record(in);
      if (!record || record->is_transaction || record->removed_count != 0) return;
      const std::string bytes = record_of(record->event, record->relative_revision);
      ByteReader again(bytes);
      CHECK(same(read_record(again)->event, record->event));
    });
  }
}

TEST_CASE("removed record: it stands for a number of events, at least one") {
  for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{300}, UINT64_MAX}) {
    std::string bytes;
    put_removed_record(bytes, count);
    ByteReader in(bytes);
    const auto record = read_record(in);
    REQUIRE(record.has_value());
    CHECK(record->removed_count == count);
    CHECK(in.remaining() == 0);
  }
  CHECK(code_of_record(std::string("\x02\xff\x00", 3)) == Code::corrupt);
  CHECK(code_of_record(std::string("\x01\xff", 2)) == Code::corrupt);
}

TEST_CASE(
    "transaction record: what it was called while it was prepared, and where it came from, "
    "stand behind the rest or not at all") {
  const std::string plain = record_of(sample_transaction());
  for (const auto& [position, global_id] :
       {std::pair{"there", ""}, std::pair{"", "a name"}, std::pair{"there", "a name"}}) {
    Transaction transaction = sample_transaction();
    transaction.origin_position = position;
    transaction.global_id = global_id;
    const std::string bytes = record_of(transaction);
    CHECK(bytes.substr(1, plain.size() - 1) == plain.substr(1));
    ByteReader in(bytes);
    CHECK(same(read_record(in)->transaction, transaction));
    // Of what stands behind, only nothing is whole, too.
    for_each_prefix(std::string_view(bytes).substr(1), [&](std::string_view prefix) {
      std::string record;
      put_sized(record, prefix);
      if (prefix.size() != plain.size() - 1) CHECK(code_of_record(record) == Code::corrupt);
    });
  }
  std::string of_nothing;
  put_sized(of_nothing, plain.substr(1) + std::string(2, '\0'));
  CHECK(code_of_record(of_nothing) == Code::corrupt);
}

TEST_CASE("event record: an unknown type was written by a newer tidelog") {
  for (unsigned type = event_type_max + 1; type < 255; ++type) {
    std::string bytes = record_of(sample_event(), 0);
    bytes[1] = static_cast<char>(type);
    CHECK(code_of_record(bytes) == Code::unsupported);
  }
}

TEST_CASE("event record: an unknown flag or a fourth kind of before is corrupt") {
  for (const unsigned flags : {0x40U, 0x80U, 0x06U}) {
    std::string bytes = record_of(sample_event(), 0);
    bytes[2] = static_cast<char>(static_cast<std::uint8_t>(bytes[2]) | flags);
    CHECK(code_of_record(bytes) == Code::corrupt);
  }
}

TEST_CASE("event record: a stream beyond 32 bits is corrupt") {
  std::string content = "\x02";  // insert
  content += '\0';
  put_varint(content, std::uint64_t{1} << 32);
  content.append(3, '\0');
  std::string record;
  put_sized(record, content);
  CHECK(code_of_record(record) == Code::corrupt);
}

TEST_CASE("event record: attributes out of order, doubled or cut are corrupt") {
  for (const std::string_view bad :
       {"\x02\x00\x01\x00"sv, "\x01\x00\x01\x00"sv, "\x01"sv, "\x01\x05zz"sv, "\x00\x00"sv}) {
    EventBody event = sample_event();
    event.attributes = bad;
    CHECK(code_of_record(record_of(event, 0)) == Code::corrupt);
  }
}

TEST_CASE("transaction record: it is read as it was put") {
  Transaction extreme;
  extreme.event_count = u32_max;
  extreme.event_index = ~std::uint64_t{0};
  extreme.commit_time = {std::numeric_limits<std::int64_t>::min()};
  for (const Transaction& transaction : {sample_transaction(), extreme, Transaction{}}) {
    const std::string bytes = record_of(transaction);
    ByteReader in(bytes);
    const auto record = read_record(in);
    REQUIRE(record);
    CHECK(record->is_transaction);
    CHECK(same(record->transaction, transaction));
    CHECK(in.remaining() == 0);
  }
}

TEST_CASE("transaction record: its event count can be patched at the commit") {
  std::string bytes = "before";
  const std::size_t offset = put_transaction_record(bytes, sample_transaction());
  patch_le(bytes, offset, u32_max);
  ByteReader in(std::string_view(bytes).substr(6));
  Transaction expected = sample_transaction();
  expected.event_count = u32_max;
  const auto record = read_record(in);
  REQUIRE(record);
  CHECK(same(record->transaction, expected));
}

TEST_CASE("transaction record: every prefix is corrupt") {
  const std::string bytes = record_of(sample_transaction());
  for_each_prefix(bytes,
                  [](std::string_view prefix) { CHECK(code_of_record(prefix) == Code::corrupt); });
  for_each_prefix(std::string_view(bytes).substr(1), [](std::string_view prefix) {
    std::string record;
    put_sized(record, prefix);
    CHECK(code_of_record(record) == Code::corrupt);
  });
}

TEST_CASE("transaction record: no flipped bit is read beyond the bytes") {
  for_each_flipped_bit(record_of(sample_transaction()), [](std::string_view flipped) {
    ByteReader in(flipped);
    const auto record = read_record(in);
    if (!record) CHECK(record.error().code != Code::failed);
  });
}

TEST_CASE("attributes: each is found by its tag") {
  const std::string attributes = sample_attributes();
  CHECK(find_attribute(attributes, Attribute::name) == "prefix");
  CHECK(find_attribute(attributes, Attribute::message_lsn) == "\x01\x02");
  CHECK(find_attribute(attributes, Attribute::truncate_cascade) == "");
  CHECK(find_attribute(attributes, Attribute::truncate_restart) == std::nullopt);
  CHECK(find_attribute("", Attribute::name) == std::nullopt);
}

TEST_CASE("attributes: in every prefix only whole ones are found") {
  for_each_prefix(sample_attributes(), [](std::string_view prefix) {
    const auto name = find_attribute(prefix, Attribute::name);
    CHECK(name.has_value() == (prefix.size() >= 8));
  });
}

TEST_CASE("event type: each has a name of its own") {
  for (std::uint8_t number = 1; number <= event_type_max; ++number) {
    const auto type = static_cast<EventType>(number);
    CHECK(event_type_named(name_of(type)) == type);
  }
  CHECK(name_of(EventType::remove) == "delete");
  CHECK(event_type_named("remove") == std::nullopt);
  CHECK(event_type_named("") == std::nullopt);
}

}  // namespace
}  // namespace tidelog::testing
