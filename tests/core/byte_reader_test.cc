#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "tests/core/damage.h"

using namespace std::string_view_literals;

namespace tidelog::testing {
namespace {

TEST_CASE("byte reader: both byte orders") {
  ByteReader in("\x01\x02\x01\x02\x00\x00\x00\x05"sv);
  CHECK(in.le<std::uint16_t>() == 0x0201);
  CHECK(in.be<std::uint16_t>() == 0x0102);
  CHECK(in.be<std::uint32_t>() == 5);
  CHECK(in.remaining() == 0);
}

TEST_CASE("byte reader: after the first short read every read gives zero") {
  ByteReader in("\x01\x02\x03"sv);
  CHECK(in.le<std::uint32_t>() == 0);
  CHECK(in.failed());
  CHECK(in.le<std::uint8_t>() == 0);
  CHECK(in.varint() == 0);
  CHECK(in.bytes(1).empty());
  CHECK(in.cstr().empty());
  CHECK(in.rest().empty());
  CHECK(in.varint_count(1) == 0);
}

TEST_CASE("byte reader: finish gives the value when all bytes were read") {
  ByteReader in("\x07"sv);
  const auto number = in.le<std::uint8_t>();
  const auto result = in.finish(number, "number");
  REQUIRE(result);
  CHECK(*result == 7);
}

TEST_CASE("byte reader: finish after a short read is corrupt and names the thing") {
  ByteReader in(""sv);
  const auto number = in.le<std::uint8_t>();
  const auto result = in.finish(number, "number");
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::corrupt);
  CHECK(result.error().what == "number: shorter than its content says");
}

TEST_CASE("byte reader: finish with bytes left over is corrupt and counts them") {
  ByteReader in("\x07\x08\x09"sv);
  const auto number = in.le<std::uint8_t>();
  const auto result = in.finish(number, "number");
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::corrupt);
  CHECK(result.error().what == "number: 2 bytes too many");
}

TEST_CASE("byte reader: varints of every size come back") {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~std::uint64_t{0} >> bit}) {
      CAPTURE(value);
      std::string bytes;
      put_varint(bytes, value);
      ByteReader in(bytes);
      CHECK(in.varint() == value);
      CHECK_FALSE(in.failed());
      CHECK(in.remaining() == 0);
    }
  }
}

TEST_CASE("byte reader: every prefix of a varint fails") {
  std::string bytes;
  put_varint(bytes, ~std::uint64_t{0});
  CHECK(bytes.size() == varint_bytes_max);
  for_each_prefix(bytes, [](std::string_view prefix) {
    ByteReader in(prefix);
    CHECK(in.varint() == 0);
    CHECK(in.failed());
  });
}

TEST_CASE("byte reader: a varint beyond 64 bits fails") {
  const std::string nine(9, '\xff');
  for (const std::string& bytes : {nine + "\x02", nine + "\x7f", nine + "\xff\x01"}) {
    ByteReader in(bytes);
    CHECK(in.varint() == 0);
    CHECK(in.failed());
  }
}

TEST_CASE("byte reader: a varint longer than its value needs fails") {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\x80\0"s, "\x81\0"s, "\xff\0"s, "\x80\x80\0"s, "\xff\xff\xff\0"s,
        std::string(9, '\x80') + "\0"s, std::string(9, '\xff') + "\0"s}) {
    CAPTURE(bytes.size());
    ByteReader in(bytes);
    CHECK(in.varint() == 0);
    CHECK(in.failed());
  }
}

TEST_CASE("byte reader: a varint that is read has the bytes that are written for it") {
  for (unsigned first = 0; first < 0x10000; ++first) {
    std::string bytes;
    put_le(bytes, static_cast<std::uint16_t>(first));
    ByteReader in(bytes);
    const std::uint64_t value = in.varint();
    if (in.failed()) continue;
    std::string written;
    put_varint(written, value);
    REQUIRE(bytes.substr(0, bytes.size() - in.remaining()) == written);
  }
}

TEST_CASE("byte reader: zigzag keeps small numbers small and extremes whole") {
  CHECK(zigzag(0) == 0);
  CHECK(zigzag(-1) == 1);
  CHECK(zigzag(1) == 2);
  for (const std::int64_t value :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    CHECK(unzigzag(zigzag(value)) == value);
  }
}

TEST_CASE("byte reader: a count is bounded by the bytes that are left") {
  ByteReader fits("\x00\x02\x01\x02\x03\x04"sv);
  CHECK(fits.count<std::uint16_t>(2) == 2);
  ByteReader too_many("\x00\x03\x01\x02\x03\x04"sv);
  CHECK(too_many.count<std::uint16_t>(2) == 0);
  CHECK(too_many.failed());
  ByteReader huge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv);
  CHECK(huge.varint_count(1) == 0);
  CHECK(huge.failed());
}

TEST_CASE("byte reader: a sized string longer than the bytes that are left fails") {
  ByteReader in(
      "\x05"
      "abcd"sv);
  CHECK(in.sized().empty());
  CHECK(in.failed());
}

TEST_CASE("byte reader: a cstr ends at its zero byte, and fails without one") {
  ByteReader in("ab\0\0cd"sv);
  CHECK(in.cstr() == "ab");
  CHECK(in.cstr().empty());
  CHECK_FALSE(in.failed());
  CHECK(in.cstr().empty());
  CHECK(in.failed());
}

TEST_CASE("byte reader: an empty read at the end is no failure") {
  ByteReader in(""sv);
  CHECK(in.bytes(0).empty());
  CHECK(in.rest().empty());
  CHECK_FALSE(in.failed());
}

TEST_CASE("byte writer: a patch overwrites only its own bytes") {
  std::string out = "ab";
  put_le(out, std::uint16_t{0});
  put_be(out, std::uint16_t{0x6364});
  patch_le(out, 2, std::uint16_t{0x2b2a});
  CHECK(out == "ab*+cd");
}

}  // namespace
}  // namespace tidelog::testing
