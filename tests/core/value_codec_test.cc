#include "core/value_codec.h"

#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <set>

#include "tests/core/damage.h"
#include "tests/core/sample_values.h"

using namespace std::string_view_literals;

namespace tidelog::testing {
namespace {

std::string tagged(ValueKind kind, std::string_view payload) {
  return std::string(1, static_cast<char>(kind)) + std::string(payload);
}

bool is_read(std::string_view bytes) {
  ByteReader in(bytes);
  read_value(in);
  return !in.failed() && in.remaining() == 0;
}

bool is_read(ValueKind kind, std::string_view payload) { return is_read(tagged(kind, payload)); }

std::string varint(std::uint64_t value) {
  std::string out;
  put_varint(out, value);
  return out;
}

std::string nested_arrays(unsigned depth) {
  std::string out;
  for (unsigned i = 0; i < depth; ++i) {
    out += tagged(ValueKind::array, "\x01\x01\x02"sv);  // one dimension of one element from 1
  }
  return out + stored(true);
}

std::string sample_row() {
  return stored(std::int64_t{7}) + stored(Text{"seven"}) + stored(Null{});
}

TEST_CASE("values: the samples have every kind") {
  std::set<ValueKind> kinds;
  for (const Value& value : sample_values()) kinds.insert(value.kind());
  CHECK(kinds.size() == value_kind_count);
}

TEST_CASE("values: each is read as it was stored") {
  for (const Value& value : sample_values()) {
    const std::string bytes = stored(value);
    CAPTURE(value.index());
    ByteReader in(bytes);
    const Value again = read_value(in);
    CHECK_FALSE(in.failed());
    CHECK(in.remaining() == 0);
    CHECK(stored(again) == bytes);
    const bool is_itself = value.variant() == value.variant();  // not so for NaN
    CHECK((again.variant() == value.variant()) == is_itself);
  }
}

TEST_CASE("values: two are equal exactly when their bytes are") {
  const auto& values = sample_values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(stored(values[i]) != stored(values[j]));
    }
  }
}

TEST_CASE("values: every prefix of a stored value is no value") {
  for (const Value& value : sample_values()) {
    CAPTURE(value.index());
    if (stored(value).size() > 1000) continue;
    for_each_prefix(stored(value), [](std::string_view prefix) {
      ByteReader reading(prefix);
      read_value(reading);
      CHECK(reading.failed());
      ByteReader skipping(prefix);
      CHECK(skip_value(skipping).empty());
      CHECK(skipping.failed());
    });
  }
}

TEST_CASE("values: what is read from bytes with a flipped bit has a stored form") {
  for (const Value& value : sample_values()) {
    CAPTURE(value.index());
    if (stored(value).size() > 1000) continue;
    for_each_flipped_bit(stored(value), [](std::string_view flipped) {
      ByteReader skipping(flipped);
      skip_value(skipping);
      ByteReader in(flipped);
      const Value read = read_value(in);
      if (in.failed()) return;
      const std::string again = stored(read);
      CHECK(is_read(again));
      CHECK(skipping.remaining() == in.remaining());
    });
  }
}

TEST_CASE("values: skip_value takes exactly one value, tag included") {
  for (const Value& value : sample_values()) {
    CAPTURE(value.index());
    const std::string bytes = stored(value);
    const std::string with_more = bytes + "more";
    ByteReader in(with_more);
    CHECK(skip_value(in) == bytes);
    CHECK(in.rest() == "more");
  }
}

TEST_CASE("values: all NaNs are stored alike") {
  const auto odd_nan = std::bit_cast<double>(0xFFF8'0000'0000'0001ULL);
  CHECK(stored(odd_nan) == stored(std::numeric_limits<double>::quiet_NaN()));
  const auto odd_nan32 = std::bit_cast<float>(0xFFC0'0001U);
  CHECK(stored(odd_nan32) == stored(std::numeric_limits<float>::quiet_NaN()));
}

TEST_CASE("values: a NaN that put_value did not write is refused") {
  CHECK_FALSE(is_read(ValueKind::float64, "\x01\0\0\0\0\0\xf8\xff"sv));
  CHECK_FALSE(is_read(ValueKind::float32, "\x01\0\xc0\xff"sv));
}

TEST_CASE("values: an unknown kind is refused") {
  for (unsigned kind = value_kind_count; kind < 256; ++kind) {
    CAPTURE(kind);
    const std::string bytes(16, static_cast<char>(kind));
    ByteReader in(bytes);
    read_value(in);
    CHECK(in.failed());
    ByteReader skipping(bytes);
    skip_value(skipping);
    CHECK(skipping.failed());
  }
}

TEST_CASE("values: a boolean is 0 or 1") { CHECK_FALSE(is_read(ValueKind::boolean, "\x02")); }

TEST_CASE("values: a decimal is digits, or one of three names") {
  for (const char* text :
       {"", "-", ".", ".5", "1.", "1.5.", "+1", "1e5", " 1", "nan", "-NaN", "1a"}) {
    CAPTURE(text);
    CHECK_FALSE(is_read(ValueKind::decimal, varint(std::string_view(text).size()) + text));
  }
}

TEST_CASE("values: a date has a month and a day that exist") {
  CHECK(is_read(ValueKind::date, "\x02\x0c\x1f"sv));
  CHECK_FALSE(is_read(ValueKind::date, "\x02\x0d\x01"sv));
  CHECK_FALSE(is_read(ValueKind::date, "\x02\xc8\x01"sv));
  CHECK_FALSE(is_read(ValueKind::date, "\x02\x01\x20"sv));
}

TEST_CASE("values: a date's year is 32 bits") {
  CHECK_FALSE(is_read(ValueKind::date, varint(zigzag(2'147'483'648)) + "\x01\x01"));
}

TEST_CASE("values: a zero month needs a year that MySQL knows") {
  CHECK(is_read(ValueKind::date, varint(zigzag(9999)) + std::string("\0\0", 2)));
  CHECK_FALSE(is_read(ValueKind::date, varint(zigzag(10'000)) + std::string("\0\0", 2)));
  CHECK_FALSE(is_read(ValueKind::date, varint(zigzag(-1)) + std::string("\x01\0", 2)));
}

TEST_CASE("values: an infinite date has neither year nor day") {
  CHECK(is_read(ValueKind::date, "\0\xff\0"sv));
  CHECK(is_read(ValueKind::date, "\0\xfe\0"sv));
  CHECK_FALSE(is_read(ValueKind::date, "\x02\xff\0"sv));
  CHECK_FALSE(is_read(ValueKind::date, "\0\xfe\x01"sv));
}

TEST_CASE("values: an infinite date is stored alike whatever stands beside the infinity") {
  CHECK(stored(Date{2026, 1, 1, Infinity::positive}) ==
        stored(Date{.infinity = Infinity::positive}));
  CHECK(stored(Timestamp{{2026, 1, 1, Infinity::positive}, 5}) ==
        stored(Timestamp{{.infinity = Infinity::positive}, 0}));
  CHECK(stored(Interval{1, 1, 1, Infinity::negative}) ==
        stored(Interval{.infinity = Infinity::negative}));
}

TEST_CASE("values: a timestamp's time is within its day") {
  const std::string date = "\x02\x01\x01";
  CHECK(is_read(ValueKind::timestamp, date + varint(zigzag(86'399'999'999))));
  CHECK_FALSE(is_read(ValueKind::timestamp, date + varint(zigzag(86'400'000'000))));
  CHECK_FALSE(is_read(ValueKind::timestamp_tz, date + varint(zigzag(-1))));
}

TEST_CASE("values: an interval has no third infinity") {
  CHECK(is_read(ValueKind::interval, "\x02"));
  CHECK_FALSE(is_read(ValueKind::interval, "\x03"));
}

TEST_CASE("values: nothing hides behind the last bit") {
  CHECK(is_read(ValueKind::bits, "\x03\xe0"));
  CHECK_FALSE(is_read(ValueKind::bits, "\x03\xf0"));
}

TEST_CASE("values: a vector is whole floats") {
  CHECK_FALSE(is_read(ValueKind::vector, "\x03\x01\x02\x03"));
}

TEST_CASE("values: an array has no empty dimension") {
  CHECK(is_read(ValueKind::array, "\0"sv));
  CHECK_FALSE(is_read(ValueKind::array, "\x01\0\x02"sv));
}

TEST_CASE("values: an array has at most six dimensions") {
  std::string six = "\x06";
  for (int i = 0; i < 6; ++i) six += "\x01\x02";
  CHECK(is_read(ValueKind::array, six + stored(Null{})));
  std::string seven = "\x07";
  for (int i = 0; i < 7; ++i) seven += "\x01\x02";
  CHECK_FALSE(is_read(ValueKind::array, seven + stored(Null{})));
}

TEST_CASE("values: an array claims no more elements than there are bytes") {
  const std::string huge = varint(0xFFFF'FFFF) + "\x02";
  CHECK_FALSE(is_read(ValueKind::array, "\x01" + huge + "\x01"));
  CHECK_FALSE(is_read(ValueKind::array, "\x03" + huge + huge + huge + "\x01"));
  const std::string many = varint(40) + "\x02";  // 40 * 40 in 80 bytes
  CHECK_FALSE(is_read(ValueKind::array, "\x02" + many + many + std::string(80, '\x01')));
}

TEST_CASE("values: an array's last index is 32 bits") {
  const std::string last = varint(zigzag(2'147'483'647));
  CHECK(is_read(ValueKind::array, "\x01\x01" + last + stored(true)));
  CHECK_FALSE(is_read(ValueKind::array, "\x01\x02" + last + stored(true) + stored(true)));
}

TEST_CASE("values: arrays are nested eight deep at most") {
  CHECK(is_read(nested_arrays(8)));
  CHECK_FALSE(is_read(nested_arrays(9)));
  const std::string nine = nested_arrays(9);
  ByteReader in(nine);
  skip_value(in);
  CHECK(in.failed());
}

TEST_CASE("rows: a row is exactly its columns' values") {
  const std::string row = sample_row();
  const auto values = read_row(row, 3);
  REQUIRE(values);
  CHECK(values->at(0).variant() == ValueVariant(std::int64_t{7}));
  CHECK(values->at(1).variant() == ValueVariant(Text{"seven"}));
  CHECK(values->at(2).variant() == ValueVariant(Null{}));
}

TEST_CASE("rows: one value too many or too few is corrupt") {
  const std::string row = sample_row();
  for (const std::size_t count : {std::size_t{2}, std::size_t{4}, ~std::size_t{0}}) {
    CAPTURE(count);
    const auto values = read_row(row, count);
    REQUIRE_FALSE(values);
    CHECK(values.error().code == Code::corrupt);
    const auto split = split_row(row, count);
    REQUIRE_FALSE(split);
    CHECK(split.error().code == Code::corrupt);
  }
}

TEST_CASE("rows: every prefix of a row is corrupt") {
  for_each_prefix(sample_row(), [](std::string_view prefix) {
    const auto values = read_row(prefix, 3);
    REQUIRE_FALSE(values);
    CHECK(values.error().code == Code::corrupt);
    const auto split = split_row(prefix, 3);
    REQUIRE_FALSE(split);
    CHECK(split.error().code == Code::corrupt);
  });
}

TEST_CASE("rows: split_row gives each value's bytes") {
  const std::string row = sample_row();
  const auto split = split_row(row, 3);
  REQUIRE(split);
  CHECK(split->at(0) == stored(std::int64_t{7}));
  CHECK(split->at(1) == stored(Text{"seven"}));
  CHECK(split->at(2) == stored(Null{}));
}

TEST_CASE("rows: a row of no columns is empty") {
  CHECK(read_row("", 0));
  CHECK_FALSE(read_row(stored(Null{}), 0));
}

}  // namespace
}  // namespace tidelog::testing
