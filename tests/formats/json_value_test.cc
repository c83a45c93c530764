#include "formats/json_value.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/bytes.h"

namespace tidelog {
namespace {

std::string json(const Value& value) {
  std::string out;
  put_json_value(out, value);
  return out;
}

constexpr std::int64_t exact_max = std::int64_t{1} << 53;

}  // namespace

TEST_CASE("json value: null and booleans") {
  CHECK(json(Null{}) == "null");
  CHECK(json(true) == "true");
  CHECK(json(false) == "false");
}

TEST_CASE("json value: integers that a double does not hold are strings") {
  CHECK(json(exact_max) == "9007199254740992");
  CHECK(json(-exact_max) == "-9007199254740992");
  CHECK(json(exact_max + 1) == "\"9007199254740993\"");
  CHECK(json(std::numeric_limits<std::int64_t>::min()) == "\"-9223372036854775808\"");
  CHECK(json(std::numeric_limits<std::uint64_t>::max()) == "\"18446744073709551615\"");
  CHECK(json(std::uint64_t{7}) == "7");
}

TEST_CASE("json value: floats print shortest, and what JSON does not know is a string") {
  CHECK(json(0.1) == "0.1");
  CHECK(json(0.1F) == "0.1");
  CHECK(json(-0.0) == "-0");
  CHECK(json(1e300) == "1e+300");
  CHECK(json(std::nan("")) == "\"NaN\"");
  CHECK(json(-std::numeric_limits<float>::infinity()) == "\"-Infinity\"");
}

TEST_CASE("json value: decimals of up to 15 significant digits are numbers, digits kept") {
  CHECK(json(Decimal{"19.90"}) == "19.90");
  CHECK(json(Decimal{"-0.0001"}) == "-0.0001");
  CHECK(json(Decimal{"123456789012345"}) == "123456789012345");
  CHECK(json(Decimal{"1234567890123456"}) == "\"1234567890123456\"");
  CHECK(json(Decimal{"0.000000000012345"}) == "0.000000000012345");
  CHECK(json(Decimal{"NaN"}) == "\"NaN\"");
  CHECK(json(Decimal{"-Infinity"}) == "\"-Infinity\"");
  CHECK(json(Decimal{"007"}) == "\"007\"");
  CHECK(json(Decimal{std::string(400, '0')}) == "\"" + std::string(400, '0') + "\"");
}

TEST_CASE("json value: bytes are base64, text is text") {
  CHECK(json(Bytes{"foo"}) == "\"Zm9v\"");
  CHECK(json(Text{"a\"b"}) == "\"a\\\"b\"");
  CHECK(json(Enumeration{"new"}) == "\"new\"");
  CHECK(json(Set{"a,b"}) == "\"a,b\"");
  CHECK(json(Other{"(1,2)"}) == "\"(1,2)\"");
}

TEST_CASE("json value: moments are ISO 8601, BC and infinity as the server prints them") {
  const Date date{2026, 11, 24, Infinity::none};
  CHECK(json(date) == "\"2026-11-24\"");
  CHECK(json(Timestamp{date, 36'000'500'000}) == "\"2026-11-24T10:00:00.5\"");
  CHECK(json(TimestampTz{date, 36'000'000'000}) == "\"2026-11-24T10:00:00Z\"");
  CHECK(json(TimestampTz{Date{0, 0, 0, Infinity::positive}, 0}) == "\"infinity\"");
  CHECK(json(Timestamp{Date{-43, 3, 15, Infinity::none}, 0}) == "\"0044-03-15 00:00:00 BC\"");
}

TEST_CASE("json value: json is embedded, and kept in base64 when it is not JSON") {
  CHECK(json(Json{"{ \"a\": 1 }"}) == "{\"a\":1}");
  CHECK(json(Json{"foo"}) == "{\"base64\":\"Zm9v\"}");
}

TEST_CASE("json value: arrays are nested lists") {
  Array array;
  CHECK(json(array) == "[]");
  array.dimensions = {{2, 1}, {2, 1}};
  array.elements = {std::int64_t{1}, Null{}, std::int64_t{3}, std::int64_t{4}};
  CHECK(json(array) == "[[1,null],[3,4]]");
}

TEST_CASE("json value: an array with another lower bound shows its bounds") {
  Array array;
  array.dimensions = {{2, 0}};
  array.elements = {std::int64_t{1}, std::int64_t{2}};
  CHECK(json(array) == R"({"dimensions":[{"count":2,"lower_bound":0}],"elements":[1,2]})");
}

TEST_CASE("json value: bits, geometry and vector") {
  CHECK(json(Bits{3, "\xa0"}) == "\"101\"");
  CHECK(json(Geometry{4326, "foo"}) == R"({"srid":4326,"wkb":"Zm9v"})");
  std::string floats;
  put_le(floats, 1.5F);
  put_le(floats, -2.0F);
  CHECK(json(Vector{floats}) == "[1.5,-2]");
}

}  // namespace tidelog
