#include "formats/key_text.h"

#include <doctest/doctest.h>

#include "core/value_codec.h"

namespace tidelog {
namespace {

Schema table(std::initializer_list<Column> columns) {
  return {"public", "lines", ReplicaIdentity::primary_key, columns};
}

const Schema by_id = table({{"id", "integer", ValueKind::int64, true, 23, -1},
                            {"x", "text", ValueKind::text, false, 25, -1}});
const Schema by_order_and_line = table({{"order_id", "bigint", ValueKind::int64, true, 20, -1},
                                        {"x", "text", ValueKind::text, false, 25, -1},
                                        {"line", "text", ValueKind::text, true, 25, -1}});

std::string key_of(std::initializer_list<Value> values) {
  std::string key;
  for (const Value& value : values) put_value(key, value);
  return key;
}

std::string why(const Result<std::string>& parsed) {
  return parsed ? "parsed" : parsed.error().what;
}

}  // namespace

TEST_CASE("key text: a key of one column is plain text") {
  CHECK(parse_key("7", by_id).value() == key_of({std::int64_t{7}}));
  const Schema by_name = table({{"name", "text", ValueKind::text, true, 25, -1}});
  CHECK(parse_key("O'Brien", by_name).value() == key_of({Text{"O'Brien"}}));
  CHECK(parse_key("", by_name).value() == key_of({Text{""}}));
}

TEST_CASE("key text: a composite key is a JSON array") {
  const std::string key = key_of({std::int64_t{9'223'372'036'854'775'807}, Text{"a\"b"}});
  CHECK(parse_key(R"([9223372036854775807, "a\"b"])", by_order_and_line).value() == key);
  CHECK(parse_key(R"(["9223372036854775807","a\"b"])", by_order_and_line).value() == key);
}

TEST_CASE("key text: numbers keep their digits") {
  const Schema schema = table({{"d", "numeric", ValueKind::decimal, true, 1700, -1},
                               {"b", "boolean", ValueKind::boolean, true, 16, -1}});
  CHECK(parse_key("[0.10000000000000000000001, true]", schema).value() ==
        key_of({Decimal{"0.10000000000000000000001"}, true}));
}

TEST_CASE("key text: the flat form of a moment is a key, too") {
  const Schema schema = table({{"at", "timestamptz", ValueKind::timestamp_tz, true, 1184, -1}});
  const std::string key = key_of({TimestampTz{Date{2026, 11, 24, Infinity::none}, 36'000'000'000}});
  CHECK(parse_key("2026-11-24T10:00:00Z", schema).value() == key);
  CHECK(parse_key("2026-11-24 10:00:00+00", schema).value() == key);
}

TEST_CASE("key text: an error names the key columns and their types") {
  CHECK(why(parse_key("seven", by_id)).find("the key of public.lines is id (integer): id: ") == 0);
  const std::string zero_byte("[7,\"a\"]\0 x", 10);
  for (const std::string& bad : {zero_byte, std::string("\xEF\xBB\xBF[7,\"a\"]")})
    CHECK_FALSE(parse_key(bad, by_order_and_line));
  for (const char* bad : {"7", "[7]", "[7,\"a\",1]", "{\"order_id\":7}", "[[7],\"a\"]", "[7,null]",
                          "[7,\"a\"", "[7,\"a\"] x", ""}) {
    CAPTURE(bad);
    const auto parsed = parse_key(bad, by_order_and_line);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == Code::misconfigured);
    CHECK(parsed.error().what.find("a JSON array [order_id (bigint), line (text)]") !=
          std::string::npos);
  }
}

TEST_CASE("key text: a table without a key has none") {
  const auto parsed = parse_key("7", table({{"x", "text", ValueKind::text, false, 25, -1}}));
  REQUIRE(!parsed);
  CHECK(parsed.error().code == Code::misconfigured);
}

}  // namespace tidelog
