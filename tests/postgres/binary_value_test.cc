// Values in binary form. The oracle is what servers of two versions sent and printed of the same
// values: golden/binary_values.sql.
#include "connectors/postgres/binary_value.h"

#include <doctest/doctest.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "core/bytes.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

struct GoldenValue {
  std::string output;  // the function that prints it
  BinaryType type;
  std::string bytes;
  std::string text;
};

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    std::uint8_t byte = 0;
    std::from_chars(&digits[at], &digits[at] + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::string field(std::istream& line) {
  std::string text;
  std::getline(line, text, '\t');
  return text;
}

std::vector<GoldenValue> golden_of(int major_version, std::size_t& unreadable) {
  std::ifstream file(source_folder() / "tests/postgres/golden" /
                     ("binary_values_" + std::to_string(major_version) + ".txt"));
  std::vector<GoldenValue> values;
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    GoldenValue value;
    value.output = field(in);
    const auto form = form_of_functions(value.output, field(in), major_version * 10'000);
    const std::string element_output = field(in);
    const auto element = form_of_functions(element_output, field(in), major_version * 10'000);
    const std::string element_type = field(in);
    value.bytes = from_hex(field(in));
    std::getline(in, value.text, '\0');
    if (!form || (form == BinaryForm::array && !element)) {
      ++unreadable;
      continue;
    }
    value.type.form = *form;
    if (element) value.type.element = *element;
    std::from_chars(element_type.data(), element_type.data() + element_type.size(),
                    value.type.element_type);
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<GoldenValue> golden() {
  std::size_t unreadable = 0;
  return golden_of(18, unreadable);
}

std::string text_as_stored(ValueKind kind, std::string_view text) {
  std::string stored;
  const Status put = put_value_from_text(stored, kind, text);
  REQUIRE_MESSAGE(put, put.error().what);
  return stored;
}

// Empty: it was refused.
std::string binary_as_stored(const BinaryType& type, ValueKind kind, std::string_view bytes) {
  BinaryValues values;
  std::string stored = "before";
  const Status put = values.put(stored, type, kind, bytes);
  if (!put) {
    CHECK(put.error().code == Code::corrupt);
    CHECK(stored == "before");
    return {};
  }
  return stored.substr(6);
}

bool is_refused(const BinaryType& type, const std::string& hex) {
  return binary_as_stored(type, kind_of_form(type.form), from_hex(hex)).empty();
}

// The kinds that a column of such values may have.
std::vector<ValueKind> kinds_of(const BinaryType& type) {
  if (type.form == BinaryForm::text || type.form == BinaryForm::jsonb)
    return {ValueKind::text, ValueKind::json, ValueKind::enumeration, ValueKind::other};
  if (type.form == BinaryForm::character) return {ValueKind::text, ValueKind::other};
  return {kind_of_form(type.form), ValueKind::other};
}

TEST_CASE("binary values: what is stored is byte for byte what the server's text gives") {
  for (const int version : {15, 18}) {
    std::size_t unreadable = 0;
    const std::vector<GoldenValue> values = golden_of(version, unreadable);
    CHECK(values.size() + unreadable > 180);
    CHECK(unreadable == (version == 15 ? 4 : 0));  // those of "char"
    BinaryValues reader;
    for (const GoldenValue& value : values) {
      CAPTURE(version);
      CAPTURE(value.output);
      CAPTURE(value.text);
      const auto text = reader.text(value.type, value.bytes);
      REQUIRE_MESSAGE(text, text.error().what);
      CHECK(*text == value.text);
      for (const ValueKind kind : kinds_of(value.type))
        CHECK(binary_as_stored(value.type, kind, value.bytes) == text_as_stored(kind, value.text));
    }
  }
}

TEST_CASE("binary values: a part of one is refused, or is another value of its type") {
  const auto has_any_length = [](BinaryForm form) {
    return form == BinaryForm::text || form == BinaryForm::jsonb || form == BinaryForm::bytes;
  };
  for (const GoldenValue& value : golden()) {
    CAPTURE(value.text);
    const ValueKind kind = kinds_of(value.type).front();
    for (std::size_t size = 0; size < value.bytes.size(); ++size) {
      const std::string stored = binary_as_stored(value.type, kind, value.bytes.substr(0, size));
      if (!has_any_length(value.type.form)) CHECK(stored.empty());
    }
    if (!has_any_length(value.type.form))
      CHECK(binary_as_stored(value.type, kind, value.bytes + '\0').empty());
  }
}

TEST_CASE("binary values: with any bit flipped one is refused, or is a value with a text") {
  BinaryValues reader;
  for (const GoldenValue& value : golden()) {
    CAPTURE(value.text);
    const ValueKind kind = kinds_of(value.type).front();
    for (std::size_t bit = 0; bit < 8 * value.bytes.size(); ++bit) {
      std::string bytes = value.bytes;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const std::string stored = binary_as_stored(value.type, kind, bytes);
      const auto text = reader.text(value.type, bytes);
      CHECK(text.has_value() == !stored.empty());
      if (!text) continue;
      ByteReader in(stored);
      std::string printed;
      print_value(printed, read_value(in));
      CHECK(in.remaining() == 0);
      CHECK(printed == *text);
      CHECK(text_as_stored(kind, *text) == stored);
    }
  }
}

TEST_CASE("binary values: what no server sends is refused") {
  const auto refused = [](BinaryForm form, const std::string& hex) {
    CAPTURE(hex);
    CHECK(is_refused({form}, hex));
  };
  refused(BinaryForm::boolean, "02");
  refused(BinaryForm::numeric,
          "0001000000000000"
          "2710");  // a group of 10,000
  refused(BinaryForm::numeric,
          "0001000020000000"
          "0001");  // a sign that is none
  refused(BinaryForm::numeric,
          "0001ffff00000002"
          "0001");  // 0.0001 shown as 0.00
  refused(BinaryForm::numeric,
          "0002000000000000"
          "00010001");  // 1.0001 shown as 1
  refused(BinaryForm::numeric,
          "0001fffb00000004"
          "0001");  // far behind what is shown
  refused(BinaryForm::numeric, "000000000000ff");
  refused(BinaryForm::numeric,
          "00010000c0000000"
          "0001");                                   // digits of NaN
  refused(BinaryForm::numeric, "0000000000004000");  // more than 16,383 behind the point
  refused(BinaryForm::date, "7ffffffe");
  refused(BinaryForm::date, "80000001");
  refused(BinaryForm::timestamp, "7ffffffffffffffe");
  refused(BinaryForm::timestamp_tz, "8000000000000001");
  refused(BinaryForm::time, "000000141dd76001");
  refused(BinaryForm::time, "ffffffffffffffff");
  refused(BinaryForm::time_tz,
          "0000000000000000"
          "0000e100");  // 16 hours west
  refused(BinaryForm::bits,
          "00000003"
          "b0");  // a bit behind the last
  refused(BinaryForm::bits, "ffffffff");
  refused(BinaryForm::network, "0420000401020304");
  refused(BinaryForm::network, "0221000401020304");
  refused(BinaryForm::network, "0220020401020304");
  refused(BinaryForm::jsonb,
          "02"
          "6e756c6c");
  refused(BinaryForm::jsonb, "");
  refused(BinaryForm::as_text, "61");
}

TEST_CASE("binary values: an array that is not what its column says is refused") {
  const BinaryType integers{BinaryForm::array, BinaryForm::int32, 23};
  CHECK_FALSE(is_refused(integers,
                         "000000010000000000000017"
                         "0000000100000001"
                         "000000040000002a"));
  for (const char* const head : {"000000010000000000000019"
                                 "0000000100000001",  // of text
                                 "000000010000000200000017"
                                 "0000000100000001",  // flags
                                 "000000070000000000000017"
                                 "0000000100000001",  // dimensions
                                 "ffffffff0000000000000017"
                                 "0000000100000001",  //
                                 "000000010000000000000017"
                                 "0000000200000001",  // one too many
                                 "000000010000000000000017"
                                 "7fffffff00000001",  // far too many
                                 "000000020000000000000017"
                                 "7fffffff000000017fffffff00000001",  //
                                 "000000010000000000000017"
                                 "ffffffff00000001",  // a negative number
                                 "000000010000000000000017"
                                 "000000017fffffff"
                                 "0",                            // cut
                                 "000000000000000000000017"}) {  // elements of none
    CAPTURE(head);
    CHECK(is_refused(integers, std::string(head) + "000000040000002a"));
  }
  CHECK(is_refused(integers,
                   "000000010000000000000017"
                   "0000000100000001"
                   "fffffffe"));
  CHECK(is_refused(integers,
                   "000000010000000000000017"
                   "0000000100000001"
                   "00000002002a"));
}

TEST_CASE("binary values: a column whose type is only known by name has its text") {
  BinaryValues reader;
  std::string stored;
  REQUIRE(reader.put(stored, {BinaryForm::int32}, ValueKind::other, from_hex("0000002a")));
  CHECK(stored == text_as_stored(ValueKind::other, "42"));
}

TEST_CASE("binary values: an error shows the bytes, and not too many of them") {
  BinaryValues reader;
  std::string stored;
  const Status refused =
      reader.put(stored, {BinaryForm::int32}, ValueKind::int64, std::string(1'000, 'a'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.starts_with("these 1000 bytes are no value in binary form: 6161"));
  CHECK(refused.error().what.size() < 200);
}

TEST_CASE("binary forms: types whose text depends on more than the value have none") {
  CHECK_FALSE(form_of_functions("cash_out", "cash_send", 180'000));
  CHECK_FALSE(form_of_functions("regclassout", "regclasssend", 180'000));
  CHECK_FALSE(form_of_functions("record_out", "record_send", 180'000));
  CHECK_FALSE(form_of_functions("charout", "charsend", 150'000));
  CHECK_FALSE(form_of_functions("my_out", "int4send", 180'000));
  CHECK_FALSE(form_of_functions("", "", 180'000));
  CHECK(form_of_functions("interval_out", "interval_send", 160'000) == BinaryForm::finite_interval);
  CHECK(form_of_functions("textout", "textsend", 140'000) == BinaryForm::text);
}

}  // namespace
}  // namespace tidelog::testing
