#include "core/value_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "core/invariant.h"
#include "core/value_check.h"

namespace tidelog {
namespace {

// In the place of a month: no date has them.
constexpr std::uint8_t month_of_infinity = 255;
constexpr std::uint8_t month_of_minus_infinity = 254;

constexpr unsigned array_depth_max = 8;
constexpr std::size_t array_dimensions_max = 6;  // as in Postgres
constexpr std::size_t dimension_bytes_min = 2;

constexpr auto nan32 = std::bit_cast<std::uint32_t>(std::numeric_limits<float>::quiet_NaN());
constexpr auto nan64 = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());

// The tag and a small payload, to be appended at once.
class Packed {
 public:
  explicit Packed(ValueKind kind) { u8(static_cast<std::uint8_t>(kind)); }

  void u8(std::uint8_t value) { raw_[size_++] = static_cast<char>(value); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) u8(static_cast<std::uint8_t>(value | 0x80));
    u8(static_cast<std::uint8_t>(value));
  }
  void zigzag_varint(std::int64_t value) { varint(zigzag(value)); }
  template <class T>
  void le(T value) {
    std::memcpy(raw_.data() + size_, &value, sizeof(T));
    size_ += sizeof(T);
  }
  void date(const Date& date) {
    INVARIANT(is_storable(date), "a date has a stored form");
    const bool finite = date.infinity == Infinity::none;
    zigzag_varint(finite ? date.year : 0);
    u8(finite                                ? date.month
       : date.infinity == Infinity::positive ? month_of_infinity
                                             : month_of_minus_infinity);
    u8(finite ? date.day : 0);
  }

  void append_to(std::string& out) const { out.append(raw_.data(), size_); }

 private:
  std::array<char, 40> raw_;  // the largest: an interval's tag, infinity and three varints
  std::size_t size_ = 0;
};

void put_tagged_bytes(std::string& out, ValueKind kind, std::string_view bytes) {
  Packed head(kind);
  head.varint(bytes.size());
  head.append_to(out);
  out.append(bytes);
}

void put_moment(std::string& out, ValueKind kind, const Date& date, std::int64_t micros) {
  Packed packed(kind);
  packed.date(date);
  if (date.infinity == Infinity::none) {
    INVARIANT(is_micros_of_day(micros), "a timestamp's time is within its day");
    packed.zigzag_varint(micros);
  }
  packed.append_to(out);
}

std::size_t bits_byte_count(std::uint64_t bit_count) {
  return static_cast<std::size_t>((bit_count + 7) / 8);
}

// Two equal bit strings have equal bytes only when nothing hides behind the last bit.
bool has_clear_tail(std::uint64_t bit_count, std::string_view bytes) {
  const auto used = static_cast<unsigned>(bit_count % 8);
  return used == 0 || (static_cast<std::uint8_t>(bytes.back()) & (0xFFU >> used)) == 0;
}

bool has_last_index(const Dimension& dimension) {
  return std::int64_t{dimension.lower_bound} + dimension.count - 1 <=
         std::numeric_limits<std::int32_t>::max();
}

std::uint64_t element_count(const std::vector<Dimension>& dimensions) {
  std::uint64_t n = dimensions.empty() ? 0 : 1;
  for (const Dimension& dimension : dimensions) n *= dimension.count;
  return n;
}

// value: u8 kind | payload (eventstore/FORMAT.md, "Values")
class ValueWriter {
 public:
  ValueWriter(std::string& out, unsigned depth) : out_(out), depth_(depth) {}

  void operator()(const Null&) { out_.push_back(static_cast<char>(ValueKind::null)); }
  void operator()(const Unchanged&) { out_.push_back(static_cast<char>(ValueKind::unchanged)); }
  void operator()(bool value) {
    Packed packed(ValueKind::boolean);
    packed.u8(value ? 1 : 0);
    packed.append_to(out_);
  }
  void operator()(std::int64_t value) {
    Packed packed(ValueKind::int64);
    packed.zigzag_varint(value);
    packed.append_to(out_);
  }
  void operator()(std::uint64_t value) {
    Packed packed(ValueKind::uint64);
    packed.varint(value);
    packed.append_to(out_);
  }
  void operator()(float value) {
    Packed packed(ValueKind::float32);
    packed.le(std::isnan(value) ? nan32 : std::bit_cast<std::uint32_t>(value));
    packed.append_to(out_);
  }
  void operator()(double value) {
    Packed packed(ValueKind::float64);
    packed.le(std::isnan(value) ? nan64 : std::bit_cast<std::uint64_t>(value));
    packed.append_to(out_);
  }
  void operator()(const Decimal& value) {
    INVARIANT(is_decimal(value.text), "a decimal has a stored form");
    put_tagged_bytes(out_, ValueKind::decimal, value.text);
  }
  void operator()(const Text& value) { put_tagged_bytes(out_, ValueKind::text, value.text); }
  void operator()(const Bytes& value) { put_tagged_bytes(out_, ValueKind::bytes, value.bytes); }
  void operator()(const Date& value) {
    Packed packed(ValueKind::date);
    packed.date(value);
    packed.append_to(out_);
  }
  void operator()(const Time& value) {
    Packed packed(ValueKind::time);
    packed.zigzag_varint(value.micros);
    packed.append_to(out_);
  }
  void operator()(const TimeTz& value) {
    Packed packed(ValueKind::time_tz);
    packed.zigzag_varint(value.micros);
    packed.zigzag_varint(value.offset_seconds);
    packed.append_to(out_);
  }
  void operator()(const Timestamp& value) {
    put_moment(out_, ValueKind::timestamp, value.date, value.micros);
  }
  void operator()(const TimestampTz& value) {
    put_moment(out_, ValueKind::timestamp_tz, value.date, value.micros);
  }
  void operator()(const Interval& value) {
    Packed packed(ValueKind::interval);
    packed.u8(static_cast<std::uint8_t>(value.infinity));
    if (value.infinity == Infinity::none) {
      packed.zigzag_varint(value.months);
      packed.zigzag_varint(value.days);
      packed.zigzag_varint(value.micros);
    }
    packed.append_to(out_);
  }
  void operator()(const Uuid& value) {
    Packed packed(ValueKind::uuid);
    packed.le(value.bytes);
    packed.append_to(out_);
  }
  void operator()(const Json& value) { put_tagged_bytes(out_, ValueKind::json, value.text); }
  void operator()(const Array& value) {
    INVARIANT(depth_ < array_depth_max, "arrays are nested less deep than a reader allows");
    INVARIANT(value.dimensions.size() <= array_dimensions_max, "an array's dimensions are few");
    INVARIANT(value.elements.size() == element_count(value.dimensions),
              "an array's dimensions count its elements");
    out_.push_back(static_cast<char>(ValueKind::array));
    put_varint(out_, value.dimensions.size());
    for (const Dimension& dimension : value.dimensions) {
      INVARIANT(dimension.count > 0 && has_last_index(dimension), "a dimension has a stored form");
      put_varint(out_, dimension.count);
      put_zigzag(out_, dimension.lower_bound);
    }
    for (const Value& element : value.elements) {
      std::visit(ValueWriter(out_, depth_ + 1), element.variant());
    }
  }
  void operator()(const Bits& value) {
    INVARIANT(value.bytes.size() == bits_byte_count(value.count), "bits fill their bytes");
    INVARIANT(has_clear_tail(value.count, value.bytes), "nothing hides behind the last bit");
    Packed head(ValueKind::bits);
    head.varint(value.count);
    head.append_to(out_);
    out_.append(value.bytes);
  }
  void operator()(const Enumeration& value) {
    put_tagged_bytes(out_, ValueKind::enumeration, value.label);
  }
  void operator()(const Set& value) { put_tagged_bytes(out_, ValueKind::set, value.labels); }
  void operator()(const Geometry& value) {
    Packed head(ValueKind::geometry);
    head.varint(value.srid);
    head.varint(value.wkb.size());
    head.append_to(out_);
    out_.append(value.wkb);
  }
  void operator()(const Vector& value) {
    INVARIANT(value.floats.size() % sizeof(float) == 0, "a vector is whole floats");
    put_tagged_bytes(out_, ValueKind::vector, value.floats);
  }
  void operator()(const Other& value) { put_tagged_bytes(out_, ValueKind::other, value.text); }

 private:
  std::string& out_;
  unsigned depth_;
};

template <class T>
T narrow_zigzag(ByteReader& in) {
  const std::int64_t value = in.zigzag_varint();
  if (!std::in_range<T>(value)) in.fail();
  return static_cast<T>(value);
}

std::uint32_t varint32(ByteReader& in) {
  const std::uint64_t value = in.varint();
  if (!std::in_range<std::uint32_t>(value)) in.fail();
  return static_cast<std::uint32_t>(value);
}

bool read_bool(ByteReader& in) {
  const auto value = in.le<std::uint8_t>();
  if (value > 1) in.fail();
  return value == 1;
}

float read_float32(ByteReader& in) {
  const auto value = in.le<float>();
  if (std::isnan(value) && std::bit_cast<std::uint32_t>(value) != nan32) in.fail();
  return value;
}

double read_float64(ByteReader& in) {
  const auto value = in.le<double>();
  if (std::isnan(value) && std::bit_cast<std::uint64_t>(value) != nan64) in.fail();
  return value;
}

Decimal read_decimal(ByteReader& in) {
  const std::string_view text = in.sized();
  if (!is_decimal(text)) in.fail();
  return {text};
}

Date read_date(ByteReader& in) {
  Date date;
  date.year = narrow_zigzag<std::int32_t>(in);
  date.month = in.le<std::uint8_t>();
  date.day = in.le<std::uint8_t>();
  if (date.month == month_of_infinity || date.month == month_of_minus_infinity) {
    if (date.year != 0 || date.day != 0) in.fail();
    date.infinity = date.month == month_of_infinity ? Infinity::positive : Infinity::negative;
    date.month = 0;
  }
  if (!is_storable(date)) in.fail();
  return date;
}

TimeTz read_time_tz(ByteReader& in) {
  TimeTz time;
  time.micros = in.zigzag_varint();
  time.offset_seconds = narrow_zigzag<std::int32_t>(in);
  return time;
}

template <class T>
T read_moment(ByteReader& in) {
  T moment;
  moment.date = read_date(in);
  if (moment.date.infinity == Infinity::none) moment.micros = in.zigzag_varint();
  if (!is_micros_of_day(moment.micros)) in.fail();
  return moment;
}

Interval read_interval(ByteReader& in) {
  const auto infinity = in.le<std::uint8_t>();
  if (infinity > static_cast<std::uint8_t>(Infinity::negative)) in.fail();
  Interval interval;
  interval.infinity = static_cast<Infinity>(infinity);
  if (interval.infinity != Infinity::none) return interval;
  interval.months = narrow_zigzag<std::int32_t>(in);
  interval.days = narrow_zigzag<std::int32_t>(in);
  interval.micros = in.zigzag_varint();
  return interval;
}

Uuid read_uuid(ByteReader& in) {
  Uuid uuid;
  const std::string_view raw = in.bytes(uuid.bytes.size());
  if (!raw.empty()) std::memcpy(uuid.bytes.data(), raw.data(), raw.size());
  return uuid;
}

Bits read_bits(ByteReader& in) {
  Bits bits;
  bits.count = varint32(in);
  bits.bytes = in.bytes(bits_byte_count(bits.count));
  if (in.failed()) return {};
  if (!has_clear_tail(bits.count, bits.bytes)) in.fail();
  return bits;
}

Geometry read_geometry(ByteReader& in) {
  Geometry geometry;
  geometry.srid = varint32(in);
  geometry.wkb = in.sized();
  return geometry;
}

Vector read_vector(ByteReader& in) {
  const std::string_view floats = in.sized();
  if (floats.size() % sizeof(float) != 0) in.fail();
  return {floats};
}

// varint n | n * (varint count | zigzag lower bound). Fails when the elements cannot be in the
// bytes that are left.
std::vector<Dimension> read_dimensions(ByteReader& in) {
  std::vector<Dimension> dimensions(in.varint_count(dimension_bytes_min));
  if (dimensions.size() > array_dimensions_max) in.fail();
  std::uint64_t elements = 1;
  for (Dimension& dimension : dimensions) {
    dimension.count = varint32(in);
    dimension.lower_bound = narrow_zigzag<std::int32_t>(in);
    if (dimension.count == 0 || !has_last_index(dimension) ||
        dimension.count > in.remaining() / elements) {
      in.fail();
    }
    if (in.failed()) return {};
    elements *= dimension.count;
  }
  return dimensions;
}

Value read_nested(ByteReader& in, unsigned depth);

Array read_array(ByteReader& in, unsigned depth) {
  if (depth >= array_depth_max) in.fail();
  Array array;
  array.dimensions = read_dimensions(in);
  const std::uint64_t n = element_count(array.dimensions);
  array.elements.reserve(static_cast<std::size_t>(n));
  for (std::uint64_t i = 0; i < n && !in.failed(); ++i) {
    array.elements.push_back(read_nested(in, depth + 1));
    // A column may not have been sent, an element of a value that was sent is always there.
    if (array.elements.back().kind() == ValueKind::unchanged) in.fail();
  }
  return array;
}

Value read_payload(ByteReader& in, ValueKind kind, unsigned depth) {
  switch (kind) {
    case ValueKind::null:
      return Null{};
    case ValueKind::unchanged:
      return Unchanged{};
    case ValueKind::boolean:
      return read_bool(in);
    case ValueKind::int64:
      return in.zigzag_varint();
    case ValueKind::uint64:
      return in.varint();
    case ValueKind::float32:
      return read_float32(in);
    case ValueKind::float64:
      return read_float64(in);
    case ValueKind::decimal:
      return read_decimal(in);
    case ValueKind::text:
      return Text{in.sized()};
    case ValueKind::bytes:
      return Bytes{in.sized()};
    case ValueKind::date:
      return read_date(in);
    case ValueKind::time:
      return Time{in.zigzag_varint()};
    case ValueKind::time_tz:
      return read_time_tz(in);
    case ValueKind::timestamp:
      return read_moment<Timestamp>(in);
    case ValueKind::timestamp_tz:
      return read_moment<TimestampTz>(in);
    case ValueKind::interval:
      return read_interval(in);
    case ValueKind::uuid:
      return read_uuid(in);
    case ValueKind::json:
      return Json{in.sized()};
    case ValueKind::array:
      return read_array(in, depth);
    case ValueKind::bits:
      return read_bits(in);
    case ValueKind::enumeration:
      return Enumeration{in.sized()};
    case ValueKind::set:
      return Set{in.sized()};
    case ValueKind::geometry:
      return read_geometry(in);
    case ValueKind::vector:
      return read_vector(in);
    case ValueKind::other:
      return Other{in.sized()};
  }
  in.fail();  // no kind of ours
  return Null{};
}

Value read_nested(ByteReader& in, unsigned depth) {
  const auto kind = static_cast<ValueKind>(in.le<std::uint8_t>());
  Value value = read_payload(in, kind, depth);
  if (in.failed()) return Null{};
  return value;
}

void skip_nested(ByteReader& in, unsigned depth);

void skip_array(ByteReader& in, unsigned depth) {
  if (depth >= array_depth_max) in.fail();
  const std::uint64_t n = element_count(read_dimensions(in));
  for (std::uint64_t i = 0; i < n && !in.failed(); ++i) skip_nested(in, depth + 1);
}

void skip_payload(ByteReader& in, ValueKind kind, unsigned depth) {
  switch (kind) {
    case ValueKind::null:
    case ValueKind::unchanged:
      return;
    case ValueKind::boolean:
      in.bytes(1);
      return;
    case ValueKind::int64:
    case ValueKind::uint64:
    case ValueKind::time:
      in.varint();
      return;
    case ValueKind::float32:
      in.bytes(sizeof(float));
      return;
    case ValueKind::float64:
      in.bytes(sizeof(double));
      return;
    case ValueKind::decimal:
    case ValueKind::text:
    case ValueKind::bytes:
    case ValueKind::json:
    case ValueKind::enumeration:
    case ValueKind::set:
    case ValueKind::vector:
    case ValueKind::other:
      in.sized();
      return;
    case ValueKind::date:
      read_date(in);
      return;
    case ValueKind::time_tz:
      in.varint();
      in.varint();
      return;
    case ValueKind::timestamp:
    case ValueKind::timestamp_tz:
      read_moment<Timestamp>(in);
      return;
    case ValueKind::interval:
      read_interval(in);
      return;
    case ValueKind::uuid:
      in.bytes(std::tuple_size_v<decltype(Uuid::bytes)>);
      return;
    case ValueKind::array:
      skip_array(in, depth);
      return;
    case ValueKind::bits:
      read_bits(in);
      return;
    case ValueKind::geometry:
      in.varint();
      in.sized();
      return;
  }
  in.fail();  // no kind of ours
}

void skip_nested(ByteReader& in, unsigned depth) {
  const auto kind = static_cast<ValueKind>(in.le<std::uint8_t>());
  if (!in.failed()) skip_payload(in, kind, depth);
}

}  // namespace

void put_value(std::string& out, const Value& value) {
  std::visit(ValueWriter(out, 0), value.variant());
}

Value read_value(ByteReader& in) { return read_nested(in, 0); }

std::string_view skip_value(ByteReader& in) {
  const char* begin = in.at();
  const std::size_t before = in.remaining();
  skip_nested(in, 0);
  if (in.failed()) return {};
  return {begin, before - in.remaining()};
}

Result<std::vector<Value>> read_row(std::string_view row, std::size_t count) {
  ByteReader in(row);
  std::vector<Value> values;
  values.reserve(std::min(count, row.size()));
  for (std::size_t i = 0; i < count && !in.failed(); ++i) values.push_back(read_value(in));
  return in.finish(std::move(values), "row");
}

Result<std::vector<std::string_view>> split_row(std::string_view row, std::size_t count) {
  ByteReader in(row);
  std::vector<std::string_view> values;
  values.reserve(std::min(count, row.size()));
  for (std::size_t i = 0; i < count && !in.failed(); ++i) values.push_back(skip_value(in));
  return in.finish(std::move(values), "row");
}

}  // namespace tidelog
