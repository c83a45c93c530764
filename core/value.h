// Value: one column's value exactly as the database said it. Values borrow their bytes (from a
// block of the log, a network buffer); copy what must outlive them. value_codec.h has the stored
// form, value_text.h the text form.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace tidelog {

// The numbers are stored: never renumber, only add.
enum class ValueKind : std::uint8_t {
  null = 0,
  unchanged = 1,
  boolean = 2,
  int64 = 3,
  uint64 = 4,
  float32 = 5,
  float64 = 6,
  decimal = 7,
  text = 8,
  bytes = 9,
  date = 10,
  time = 11,
  time_tz = 12,
  timestamp = 13,
  timestamp_tz = 14,
  interval = 15,
  uuid = 16,
  json = 17,
  array = 18,
  bits = 19,
  enumeration = 20,
  set = 21,
  geometry = 22,
  vector = 23,
  other = 24,
};
inline constexpr std::uint8_t value_kind_count = 25;

struct Null {
  bool operator==(const Null&) const = default;
};

// A value that the database did not send because it did not change (TOAST): never null.
struct Unchanged {
  bool operator==(const Unchanged&) const = default;
};

// Digits as the server printed them (sign, digits, point, scale kept), or NaN, Infinity, -Infinity.
struct Decimal {
  std::string_view text;
  bool operator==(const Decimal&) const = default;
};

struct Text {
  std::string_view text;
  bool operator==(const Text&) const = default;
};

struct Bytes {
  std::string_view bytes;
  bool operator==(const Bytes&) const = default;
};

enum class Infinity : std::uint8_t { none = 0, positive = 1, negative = 2 };

// Proleptic Gregorian. Year 0 is 1 BC, -1 is 2 BC. Zero months and days are kept as they are
// (MySQL).
struct Date {
  std::int32_t year = 0;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
  Infinity infinity = Infinity::none;
  bool operator==(const Date&) const = default;
};

// Microseconds since midnight: 24:00:00 included (Postgres); negative and beyond 24 h as they are
// (MySQL).
struct Time {
  std::int64_t micros = 0;
  bool operator==(const Time&) const = default;
};

struct TimeTz {
  std::int64_t micros = 0;
  std::int32_t offset_seconds = 0;  // east of UTC is positive
  bool operator==(const TimeTz&) const = default;
};

// Local date and time, of no zone.
struct Timestamp {
  Date date;
  std::int64_t micros = 0;  // of the day
  bool operator==(const Timestamp&) const = default;
};

// A moment, in UTC.
struct TimestampTz {
  Date date;
  std::int64_t micros = 0;  // of the day
  bool operator==(const TimestampTz&) const = default;
};

struct Interval {
  std::int32_t months = 0;
  std::int32_t days = 0;
  std::int64_t micros = 0;
  Infinity infinity = Infinity::none;
  bool operator==(const Interval&) const = default;
};

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const Uuid&) const = default;
};

struct Json {
  std::string_view text;
  bool operator==(const Json&) const = default;
};

struct Value;

struct Dimension {
  std::uint32_t count = 0;
  std::int32_t lower_bound = 1;
  bool operator==(const Dimension&) const = default;
};

// Elements in row-major order; no dimension is the empty array.
struct Array {
  std::vector<Dimension> dimensions;
  std::vector<Value> elements;
  bool operator==(const Array&) const;
};

// `count` bits, the first is the highest bit of the first byte; unused low bits of the last byte
// are zero.
struct Bits {
  std::uint32_t count = 0;
  std::string_view bytes;
  bool operator==(const Bits&) const = default;
};

struct Enumeration {
  std::string_view label;
  bool operator==(const Enumeration&) const = default;
};

// Labels, separated by commas, as MySQL prints a SET.
struct Set {
  std::string_view labels;
  bool operator==(const Set&) const = default;
};

struct Geometry {
  std::uint32_t srid = 0;
  std::string_view wkb;
  bool operator==(const Geometry&) const = default;
};

// Little-endian 32-bit floats, one after the other.
struct Vector {
  std::string_view floats;
  bool operator==(const Vector&) const = default;
};

// Any other type: the server's own text. The column's type name in the schema says what it is.
struct Other {
  std::string_view text;
  bool operator==(const Other&) const = default;
};

using ValueVariant =
    std::variant<Null, Unchanged, bool, std::int64_t, std::uint64_t, float, double, Decimal, Text,
                 Bytes, Date, Time, TimeTz, Timestamp, TimestampTz, Interval, Uuid, Json, Array,
                 Bits, Enumeration, Set, Geometry, Vector, Other>;

struct Value : ValueVariant {
  using ValueVariant::ValueVariant;
  ValueKind kind() const { return static_cast<ValueKind>(index()); }
  const ValueVariant& variant() const { return *this; }
};

static_assert(std::variant_size_v<ValueVariant> == value_kind_count,
              "ValueKind and ValueVariant list the same kinds");

inline bool Array::operator==(const Array& other) const {
  if (dimensions != other.dimensions || elements.size() != other.elements.size()) return false;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].variant() != other.elements[i].variant()) return false;
  }
  return true;
}

}  // namespace tidelog
