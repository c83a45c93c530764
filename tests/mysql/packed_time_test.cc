// Dates and times that no golden value has: old forms, and bytes that are none.
#include "connectors/mysql/packed_time.h"

#include <doctest/doctest.h>

#include "connectors/mysql/packed_decimal.h"
#include "core/value_text.h"
#include "tests/mysql/binlog_rows.h"
#include "tests/mysql/hex.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

template <class Read>
std::string shown(const char* digits, Read read) {
  const std::string bytes = from_hex(digits);
  ByteReader in(bytes);
  const Value value = read(in);
  if (in.failed()) return "failed";
  CHECK(in.remaining() == 0);
  return comparable(value);
}

template <auto function>
std::string shown_with(const char* digits, unsigned decimals) {
  return shown(digits, [decimals](ByteReader& in) { return Value(function(in, decimals)); });
}

template <auto function>
std::string shown_as(const char* digits) {
  return shown(digits, [](ByteReader& in) { return Value(function(in)); });
}

// Of MariaDB 10.11, mysql56_temporal_format=OFF.
TEST_CASE("packed time: MariaDB's of old, with fractions and without") {
  CHECK(shown_as<read_old_time>("0875fe") == "-10:11:12");
  CHECK(shown_with<read_mariadb53_time>("0399c0bf", 1) == "838:59:59.9");
  CHECK(shown_with<read_mariadb53_time>("0000000755", 3) == "-838:59:58.123");
  CHECK(shown_with<read_mariadb53_time>("02bf3dde7bff", 6) == "-00:00:00.000001");
  CHECK(shown_with<read_mariadb53_time>("01ccdf", 1) == "failed");
  CHECK(shown_as<read_old_datetime>("9b3747696d120000") == "2026-11-27 01:02:03");
  CHECK(shown_as<read_old_datetime>("0000000000000000") == "0000-00-00 00:00:00");
  CHECK(shown_with<read_mariadb53_datetime>("000000000000", 1) == "0000-00-00 00:00:00");
  CHECK(shown_with<read_mariadb53_datetime>("0146e4ebd7ffff", 3) == "9999-12-31 23:59:59.999");
  CHECK(shown_with<read_mariadb53_datetime>("0102d28e18229115", 6) == "2026-11-27 01:02:03.456789");
  CHECK(shown_as<read_old_timestamp>("8bd6086b") == "2026-11-27 01:02:03+00");
  CHECK(shown_with<read_mariadb53_timestamp>("0000000000", 1) == "0000-00-00 00:00:00+00");
  CHECK(shown_with<read_mariadb53_timestamp>("7fffffff03e7", 3) == "2038-01-19 03:14:07.999+00");
  CHECK(shown_with<read_mariadb53_timestamp>("00000001000001", 6) ==
        "1970-01-01 00:00:01.000001+00");
}

TEST_CASE("packed time: what no server writes is refused") {
  CHECK(shown_as<read_date>("ffffff") == "failed");                // month 15
  CHECK(shown_as<read_date>("9f0100") == "0000-12-31");            // year 0 is kept
  CHECK(shown_as<read_date>("bf0100") == "failed");                // month 13
  CHECK(shown_with<read_time2>("bfffff", 0) == "failed");          // 63 minutes
  CHECK(shown_with<read_time2>("80000064", 1) == "failed");        // 100 hundredths
  CHECK(shown_with<read_time2>("800000", 7) == "failed");          // seven digits of a second
  CHECK(shown_with<read_datetime2>("7fffffffff", 0) == "failed");  // before the year 0
  CHECK(shown_with<read_datetime2>("99bbbbbbbb", 0) == "failed");  // 46 minutes, 59 seconds, 27 h
  CHECK(shown_with<read_timestamp2>("00000000", 0) == "0000-00-00 00:00:00+00");
  CHECK(shown_with<read_timestamp2>("ffffffff", 0) == "2106-02-07 06:28:15+00");
  CHECK(shown_with<read_timestamp2>("000000000f4240", 6) == "failed");  // a million microseconds
  CHECK(shown_as<read_old_time>("ffff7f") == "failed");
  CHECK(shown_as<read_old_datetime>("ffffffffffffffff") == "failed");
  CHECK(shown_as<read_packed_time>("0000000000000080") == "failed");
  CHECK(shown_as<read_packed_datetime>("ffffffffffffffff") == "failed");
}

TEST_CASE("packed time: a time before zero with a fraction is one number") {
  CHECK(shown_with<read_time2>("7fffffff", 2) == "-00:00:00.01");
  CHECK(shown_with<read_time2>("7fffff00", 2) == "-00:00:01");
  CHECK(shown_with<read_time2>("7ffffeff", 2) == "-00:00:01.01");
  CHECK(shown_with<read_time2>("7fffffffffff", 6) == "-00:00:00.000001");
}

std::string decimal(const char* digits, unsigned precision, unsigned scale) {
  const std::string bytes = from_hex(digits);
  ByteReader in(bytes);
  std::string text;
  append_packed_decimal(text, in, precision, scale);
  if (!in.failed()) return text;
  CHECK(text.empty());
  return "failed";
}

TEST_CASE("packed decimal: digits are those that the server prints") {
  CHECK(decimal("8001", 3, 0) == "1");
  CHECK(decimal("7ffe", 3, 0) == "-1");
  CHECK(decimal("800005", 5, 2) == "0.05");
  CHECK(decimal("7ffffa", 5, 2) == "-0.05");
  CHECK(decimal("8000", 4, 4) == "0.0000");
  CHECK(decimal("810DFB38D204D2", 14, 4) == "1234567890.1234");
  CHECK(decimal("7EF204C72DFB2D", 14, 4) == "-1234567890.1234");
}

TEST_CASE("packed decimal: groups that are no digits, and impossible precisions, are refused") {
  CHECK(decimal("83e8", 3, 0) == "failed");
  CHECK(decimal("80", 3, 0) == "failed");
  CHECK(decimal("", 0, 0) == "failed");
  CHECK(decimal("80000000", 66, 0) == "failed");
  CHECK(decimal("80", 1, 2) == "failed");
}

}  // namespace
}  // namespace tidelog::testing
