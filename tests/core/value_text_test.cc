#include "core/value_text.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/value_codec.h"
#include "tests/core/sample_values.h"

using namespace std::string_view_literals;

namespace tidelog::testing {
namespace {

std::string printed(const Value& value) {
  std::string out;
  print_value(out, value);
  return out;
}

// The text, read and printed again.
std::string through_storage(ValueKind kind, std::string_view text) {
  std::string bytes;
  const Status status = put_value_from_text(bytes, kind, text);
  if (!status) return "refused: " + status.error().what;
  ByteReader in(bytes);
  const Value value = read_value(in);
  if (in.failed() || in.remaining() > 0) return "stored badly";
  if (value.kind() != kind) return "stored as another kind";
  return printed(value);
}

void check_kept(ValueKind kind, const std::vector<std::string_view>& texts) {
  for (const std::string_view text : texts) CHECK(through_storage(kind, text) == text);
}

void check_refused(ValueKind kind, const std::vector<std::string_view>& texts) {
  for (const std::string_view text : texts) {
    CAPTURE(text);
    std::string out = "before";
    const Status status = put_value_from_text(out, kind, text);
    CHECK(out == "before");
    REQUIRE_FALSE(status);
    CHECK(status.error().code == Code::unsupported);
  }
}

std::string read_as(ValueKind kind, std::string_view text) {
  std::string bytes;
  const Status status = put_value_from_text(bytes, kind, text);
  return status ? bytes : status.error().what;
}

TEST_CASE("value text: booleans are t and f") {
  check_kept(ValueKind::boolean, {"t", "f"});
  check_refused(ValueKind::boolean, {"", "true", "T", "1"});
}

TEST_CASE("value text: integers keep their whole range and no more") {
  check_kept(ValueKind::int64, {"0", "-1", "9223372036854775807", "-9223372036854775808"});
  check_refused(ValueKind::int64, {"", "-", "+1", "1.0", " 1", "1 ", "9223372036854775808"});
  check_kept(ValueKind::uint64, {"0", "18446744073709551615"});
  check_refused(ValueKind::uint64, {"-1", "18446744073709551616"});
}

// Each of these is what Postgres prints for itself.
TEST_CASE("value text: doubles are printed as Postgres prints float8") {
  check_kept(ValueKind::float64,
             {"0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e+308", "0.1",
              "0.30000000000000004", "0.0001", "1e-05", "999999999999999", "1e+15",
              "123456789012345.6", "100", "-1.5", "9.007199254740992e+15", "1e+22"});
}

TEST_CASE("value text: a double whose shortest digits are half way to a neighbour gets more") {
  check_kept(ValueKind::float64, {"9.999999999999999e+22", "8.409999999999999e+21"});
  CHECK(printed(1e23) == "9.999999999999999e+22");
}

TEST_CASE("value text: floats are printed as Postgres prints float4") {
  check_kept(ValueKind::float32,
             {"0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e+38", "0.1", "0.0001",
              "1e-05", "123456", "999999", "1e+06", "3.3554432e+07", "8.589974e+09"});
}

TEST_CASE("value text: a float out of range or malformed is refused") {
  check_refused(ValueKind::float64,
                {"", "-", "1e400", "1e-400", "inf", "nan", "0x10", "1e5x", "+1"});
  check_refused(ValueKind::float32, {"1e39", "-nan", "-NaN"});
}

TEST_CASE("value text: decimals keep every digit") {
  const std::string longest = "-" + std::string(131'072, '9') + "." + std::string(16'383, '1');
  check_kept(ValueKind::decimal,
             {"0", "0.00", "-12.3400", "NaN", "Infinity", "-Infinity", longest});
  check_refused(ValueKind::decimal, {"", "1e5", "1.", ".5", "--1"});
}

TEST_CASE("value text: text, json, labels and other types are taken as they are") {
  for (const ValueKind kind :
       {ValueKind::text, ValueKind::json, ValueKind::enumeration, ValueKind::other}) {
    check_kept(kind, {"", "grüße", "{\"a\": 1}", "a\nb"});
  }
}

TEST_CASE("value text: bytes are hexadecimal") {
  check_kept(ValueKind::bytes, {"\\x", "\\x00ff10"});
  check_refused(ValueKind::bytes, {"", "\\", "\\x0", "\\x0g", "x00", "\\000", "\\xFF"});
  CHECK(read_as(ValueKind::bytes, "\\x00ff") == stored(Bytes{"\0\xff"sv}));
}

TEST_CASE("value text: bits") {
  check_kept(ValueKind::bits, {"", "0", "1", "10110011", "101100111"});
  check_refused(ValueKind::bits, {"2", "01 "});
  CHECK(read_as(ValueKind::bits, "101") == stored(Bits{3, "\xa0"}));
}

TEST_CASE("value text: uuids") {
  check_kept(ValueKind::uuid, {"00112233-4455-6677-8899-aabbccddeeff"});
  check_refused(ValueKind::uuid,
                {"", "00112233-4455-6677-8899-aabbccddeef", "0011223344556677-8899-aabbccddeeff--",
                 "00112233-4455-6677-8899-aabbccddeefg", "{0112233-4455-6677-8899-aabbccddeeff"});
}

TEST_CASE("value text: dates from 4713 BC to the year 5874897") {
  check_kept(ValueKind::date, {"2026-11-25", "0001-01-01", "0001-12-31 BC", "4713-01-01 BC",
                               "10000-01-01", "5874897-12-31", "infinity", "-infinity"});
  CHECK(read_as(ValueKind::date, "0001-12-31 BC") == stored(Date{0, 12, 31}));
}

TEST_CASE("value text: dates with zero parts have no era") {
  check_kept(ValueKind::date, {"0000-00-00", "2026-00-00", "2026-11-00"});
  check_refused(ValueKind::date, {"0000-01-01", "0000-00-00 BC", "0001-00-00 BC", "10000-00-00"});
}

TEST_CASE("value text: malformed dates are refused") {
  check_refused(ValueKind::date, {"", "2026-11-25 AD", "2026-11", "2026-13-01", "2026-01-32",
                                  "226-01-01", "02026-01-01", "9999999999-01-01", "25/11/2026",
                                  "+infinity", "Infinity", "2026-11-25BC", "2026-11-25 "});
}

TEST_CASE("value text: times, 24:00:00 and MySQL's beyond a day") {
  check_kept(ValueKind::time, {"00:00:00", "24:00:00", "12:34:56.5", "12:34:56.000001",
                               "23:59:59.999999", "838:59:59", "-838:59:59", "-00:00:00.5"});
  check_refused(ValueKind::time, {"", "1:00:00", "12:00", "12:60:00", "12:00:60", "12:00:00.",
                                  "12:00:00.1234567", "-00:00:00", "9999999999999:00:00"});
}

TEST_CASE("value text: a zone's offset shows seconds only when it has some") {
  check_kept(ValueKind::time_tz, {"12:00:00+00", "12:00:00-08", "12:00:00.25+05:30",
                                  "24:00:00-15:59:59", "00:00:00+15:59:59", "12:00:00-00:00:01"});
  check_refused(ValueKind::time_tz, {"12:00:00", "12:00:00-00", "24:00:01+00", "12:00:00+1"});
}

TEST_CASE("value text: timestamps from 4713 BC to the year 294276") {
  check_kept(ValueKind::timestamp,
             {"2026-11-25 21:55:14", "2026-11-25 21:55:14.000001", "4713-01-01 00:00:00 BC",
              "294276-12-31 23:59:59.999999", "0000-00-00 00:00:00", "infinity", "-infinity"});
  check_refused(ValueKind::timestamp,
                {"", "2026-11-25", "2026-11-25T21:55:14", "2026-11-25 24:00:00",
                 "2026-11-25 21:55:14+00", "2026-11-25 21:55:14 BC BC"});
}

TEST_CASE("value text: moments are in UTC") {
  check_kept(ValueKind::timestamp_tz, {"2026-11-25 21:55:14.5+00", "4713-01-01 00:00:00+00 BC",
                                       "294276-12-31 23:59:59.999999+00", "infinity", "-infinity"});
}

TEST_CASE("value text: a moment of another zone is refused by name") {
  check_refused(ValueKind::timestamp_tz,
                {"2026-11-25 21:55:14", "2026-11-25 21:55:14+02", "2026-11-25 21:55:14+00:30"});
  std::string out;
  const Status status = put_value_from_text(out, ValueKind::timestamp_tz, "2026-11-25 21:55:14+02");
  CHECK(status.error().what ==
        "cannot read '2026-11-25 21:55:14+02' as timestamp_tz (the session's time zone is UTC: it "
        "must end in +00)");
}

TEST_CASE("value text: each part of an interval has its own sign") {
  check_kept(ValueKind::interval,
             {"PT0S", "P1Y2M3DT4H5M6.789S", "P-1Y-2M3DT-4H-5M-6.789S", "P1M", "PT0.000001S",
              "PT-0.5S", "P2147483647D", "P178956970Y7M", "P-178956970Y-8M",
              "PT2562047788H54.775807S", "PT-2562047788H-54.775808S", "infinity", "-infinity"});
}

TEST_CASE("value text: an interval in another style or out of range is refused") {
  check_refused(ValueKind::interval, {"", "P", "PT", "P1DT", "00:00:00", "1 day", "P1W", "PT1D",
                                      "P1.5D", "P13M", "P1M1Y", "PT60S", "PT1.50S", "P-0D",
                                      "P2147483648D", "P178956970Y8M", "PT9999999999H"});
}

TEST_CASE("value text: kinds without one text form are refused") {
  for (const ValueKind kind :
       {ValueKind::array, ValueKind::set, ValueKind::geometry, ValueKind::vector}) {
    check_refused(kind, {"", "{1,2}"});
  }
}

TEST_CASE("value text: a refused text is named, shortened between characters") {
  std::string out;
  const Status status =
      put_value_from_text(out, ValueKind::int64, std::string(59, 'x') + "ü" + std::string(99, 'y'));
  CHECK(status.error().what == "cannot read '" + std::string(59, 'x') + "…' as int64");
}

TEST_CASE("value text: null and unchanged are words") {
  CHECK(printed(Null{}) == "NULL");
  CHECK(printed(Unchanged{}) == "(unchanged)");
}

TEST_CASE("value text: an array is an array literal of Postgres") {
  CHECK(printed(Array{}) == "{}");
  CHECK(printed(Array{{{3, 1}}, {std::int64_t{1}, Null{}, std::int64_t{3}}}) == "{1,NULL,3}");
  CHECK(printed(Array{{{2, 1}, {2, 1}}, {true, false, true, true}}) == "{{t,f},{t,t}}");
}

TEST_CASE("value text: an array shows its bounds when one does not begin at 1") {
  CHECK(printed(Array{{{1, 1}, {2, -1}}, {true, false}}) == "[1:1][-1:0]={{t,f}}");
}

TEST_CASE("value text: an array's element is quoted when it could be taken for something else") {
  const Array array{{{8, 1}},
                    {Text{"plain"}, Text{""}, Text{"null"}, Text{"a,b"}, Text{"{}"}, Text{"a b"},
                     Text{"say \"no\""}, Text{"\\"}}};
  CHECK(printed(array) == R"({plain,"","null","a,b","{}","a b","say \"no\"","\\"})");
}

TEST_CASE("value text: a geometry is extended well-known binary") {
  CHECK(printed(Geometry{0, "\x01\x01\0\0\0\xab"sv}) == "0101000000AB");
  CHECK(printed(Geometry{4326, "\x01\x01\0\0\0\xab"sv}) == "0101000020E6100000AB");
  CHECK(printed(Geometry{4326, "\0\0\0\0\x01\xab"sv}) == "0020000001000010E6AB");
}

TEST_CASE("value text: a vector is its floats") {
  CHECK(printed(Vector{""}) == "[]");
  CHECK(printed(Vector{"\0\0\x80\x3f\0\0\0\xc0\xcd\xcc\xcc\x3d"sv}) == "[1,-2,0.1]");
}

TEST_CASE("value text: every sample can be printed") {
  for (const Value& value : sample_values()) {
    CAPTURE(value.index());
    std::string out = "before";
    print_value(out, value);
    CHECK(out.starts_with("before"));
  }
}

TEST_CASE("value text: the most negative time is printed whole") {
  CHECK(printed(Time{std::numeric_limits<std::int64_t>::min()}) == "-2562047788:00:54.775808");
}

}  // namespace
}  // namespace tidelog::testing
