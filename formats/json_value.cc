#include "formats/json_value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <span>
#include <variant>

#include "core/bytes.h"
#include "core/invariant.h"
#include "core/value_text.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

constexpr std::int64_t double_integer_max = std::int64_t{1} << 53;
constexpr std::size_t double_digits_max = 15;  // decimal digits that any double gives back

template <class Float>
void put_float(std::string& out, Float number) {
  if (std::isnan(number)) {
    out += "\"NaN\"";
  } else if (std::isinf(number)) {
    out += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
  }
}

// Significant digits of plain decimal digits: from the first that is not zero on.
std::size_t significant_digits(std::string_view decimal) {
  std::size_t digits = 0;
  for (const char c : decimal) {
    if (c >= '0' && c <= '9' && (digits > 0 || c != '0')) ++digits;
  }
  return digits;
}

bool plain_digits(std::string_view decimal) {
  return decimal.find_first_not_of("-.0123456789") == std::string_view::npos;
}

void put_decimal(std::string& out, std::string_view text) {
  // An exponent could leave a double's range; digits after 300 zeros could, too.
  const bool small =
      text.size() <= 64 && plain_digits(text) && significant_digits(text) <= double_digits_max;
  if (small && put_json_embedded(out, text)) return;
  put_json_text(out, text);
}

void put_printed(std::string& out, const Value& value) {
  std::string text;
  print_value(text, value);
  put_json_text(out, text);
}

// The server's "2026-11-24 10:00:00+00" as "2026-11-24T10:00:00Z".
void put_moment(std::string& out, const Value& value, const Date& date) {
  std::string text;
  print_value(text, value);
  if (date.infinity == Infinity::none && date.year > 0) {
    if (const auto space = text.find(' '); space != std::string::npos) text[space] = 'T';
    if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
  }
  put_json_text(out, text);
}

// Row-major: each list of the first dimension holds an equal share of the elements.
void put_lists(std::string& out, std::span<const Dimension> dimensions,
               std::span<const Value> elements) {
  if (dimensions.empty()) {
    put_json_value(out, elements.front());
    return;
  }
  out += '[';
  const std::size_t count = dimensions.front().count;
  const std::size_t share = count == 0 ? 0 : elements.size() / count;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    put_lists(out, dimensions.subspan(1), elements.subspan(i * share, share));
  }
  out += ']';
}

void put_bounded_array(std::string& out, const Array& array) {
  out += "{\"dimensions\":[";
  for (std::size_t i = 0; i < array.dimensions.size(); ++i) {
    out += i > 0 ? ",{\"count\":" : "{\"count\":";
    put_json_number(out, std::uint64_t{array.dimensions[i].count});
    out += ",\"lower_bound\":";
    put_json_number(out, std::int64_t{array.dimensions[i].lower_bound});
    out += '}';
  }
  out += "],\"elements\":[";
  for (std::size_t i = 0; i < array.elements.size(); ++i) {
    if (i > 0) out += ',';
    put_json_value(out, array.elements[i]);
  }
  out += "]}";
}

bool fills_its_dimensions(const Array& array) {
  std::uint64_t count = 1;
  for (const Dimension& dimension : array.dimensions) {
    count *= dimension.count;
    if (dimension.lower_bound != 1 || dimension.count == 0 || count > array.elements.size())
      return false;
  }
  return count == array.elements.size();
}

void put_array(std::string& out, const Array& array) {
  if (array.dimensions.empty()) {
    out += "[]";
  } else if (fills_its_dimensions(array)) {
    put_lists(out, array.dimensions, array.elements);
  } else {
    put_bounded_array(out, array);
  }
}

void put_vector(std::string& out, std::string_view floats) {
  ByteReader in(floats);
  out += '[';
  for (bool first = true; in.remaining() >= sizeof(float); first = false) {
    if (!first) out += ',';
    put_float(out, in.le<float>());
  }
  out += ']';
}

void put_geometry(std::string& out, const Geometry& geometry) {
  out += "{\"srid\":";
  put_json_number(out, std::uint64_t{geometry.srid});
  out += ",\"wkb\":";
  put_json_base64(out, geometry.wkb);
  out += '}';
}

void put_json_column(std::string& out, std::string_view json) {
  if (put_json_embedded(out, json)) return;
  // Not JSON, whatever the column says: a string would be taken for a JSON string.
  out += "{\"base64\":";
  put_json_base64(out, json);
  out += '}';
}

struct Printer {
  std::string& out;
  const Value& value;

  void operator()(const Null&) const { out += "null"; }
  void operator()(const Unchanged&) const {
    INVARIANT(false, "a value that was not sent has no JSON: its column is left out");
  }
  void operator()(bool yes) const { out += yes ? "true" : "false"; }
  void operator()(std::int64_t number) const {
    const bool exact = number >= -double_integer_max && number <= double_integer_max;
    if (!exact) out += '"';
    put_json_number(out, number);
    if (!exact) out += '"';
  }
  void operator()(std::uint64_t number) const {
    const bool exact = number <= static_cast<std::uint64_t>(double_integer_max);
    if (!exact) out += '"';
    put_json_number(out, number);
    if (!exact) out += '"';
  }
  void operator()(float number) const { put_float(out, number); }
  void operator()(double number) const { put_float(out, number); }
  void operator()(const Decimal& decimal) const { put_decimal(out, decimal.text); }
  void operator()(const Text& text) const { put_json_text(out, text.text); }
  void operator()(const Bytes& bytes) const { put_json_base64(out, bytes.bytes); }
  void operator()(const Date&) const { put_printed(out, value); }
  void operator()(const Time&) const { put_printed(out, value); }
  void operator()(const TimeTz&) const { put_printed(out, value); }
  void operator()(const Timestamp& moment) const { put_moment(out, value, moment.date); }
  void operator()(const TimestampTz& moment) const { put_moment(out, value, moment.date); }
  void operator()(const Interval&) const { put_printed(out, value); }
  void operator()(const Uuid&) const { put_printed(out, value); }
  void operator()(const Json& json) const { put_json_column(out, json.text); }
  void operator()(const Array& array) const { put_array(out, array); }
  void operator()(const Bits&) const { put_printed(out, value); }
  void operator()(const Enumeration& enumeration) const { put_json_text(out, enumeration.label); }
  void operator()(const Set& set) const { put_json_text(out, set.labels); }
  void operator()(const Geometry& geometry) const { put_geometry(out, geometry); }
  void operator()(const Vector& vector) const { put_vector(out, vector.floats); }
  void operator()(const Other& other) const { put_json_text(out, other.text); }
};

}  // namespace

void put_json_value(std::string& out, const Value& value) {
  std::visit(Printer{out, value}, value.variant());
}

std::string_view json_kind_name(ValueKind kind) {
  switch (kind) {
    case ValueKind::null:
      return "null";
    case ValueKind::unchanged:
      return "unchanged";
    case ValueKind::boolean:
      return "boolean";
    case ValueKind::int64:
      return "int64";
    case ValueKind::uint64:
      return "uint64";
    case ValueKind::float32:
      return "float32";
    case ValueKind::float64:
      return "float64";
    case ValueKind::decimal:
      return "decimal";
    case ValueKind::text:
      return "text";
    case ValueKind::bytes:
      return "bytes";
    case ValueKind::date:
      return "date";
    case ValueKind::time:
      return "time";
    case ValueKind::time_tz:
      return "time_tz";
    case ValueKind::timestamp:
      return "timestamp";
    case ValueKind::timestamp_tz:
      return "timestamp_tz";
    case ValueKind::interval:
      return "interval";
    case ValueKind::uuid:
      return "uuid";
    case ValueKind::json:
      return "json";
    case ValueKind::array:
      return "array";
    case ValueKind::bits:
      return "bits";
    case ValueKind::enumeration:
      return "enum";
    case ValueKind::set:
      return "set";
    case ValueKind::geometry:
      return "geometry";
    case ValueKind::vector:
      return "vector";
    case ValueKind::other:
      return "other";
  }
  return "";
}

}  // namespace tidelog
