#include "core/value_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "core/bytes.h"
#include "core/float_text.h"
#include "core/invariant.h"
#include "core/text_reader.h"
#include "core/value_check.h"
#include "core/value_codec.h"

namespace tidelog {
namespace {

constexpr std::array<std::string_view, value_kind_count> kind_names = {
    "null",         "unchanged", "boolean", "int64", "uint64", "float32", "float64",
    "decimal",      "text",      "bytes",   "date",  "time",   "time_tz", "timestamp",
    "timestamp_tz", "interval",  "uuid",    "json",  "array",  "bits",    "enumeration",
    "set",          "geometry",  "vector",  "other"};

constexpr std::string_view plus_infinity = "infinity";
constexpr std::string_view minus_infinity = "-infinity";
constexpr std::int64_t months_per_year = 12;

// ---- hexadecimal ----

constexpr std::string_view lower_digits = "0123456789abcdef";
constexpr std::string_view upper_digits = "0123456789ABCDEF";
constexpr std::uint8_t not_hexadecimal = 255;

// Lower case alone: the server prints no other, and what is read must print as it came.
constexpr std::array<std::uint8_t, 256> make_nibbles() {
  std::array<std::uint8_t, 256> nibbles{};
  nibbles.fill(not_hexadecimal);
  for (std::uint8_t i = 0; i < 16; ++i) nibbles[static_cast<std::uint8_t>(lower_digits[i])] = i;
  return nibbles;
}
constexpr std::array<std::uint8_t, 256> nibbles = make_nibbles();

bool read_hex_byte(const char* two_digits, std::uint8_t& byte) {
  const unsigned high = nibbles[static_cast<std::uint8_t>(two_digits[0])];
  const unsigned low = nibbles[static_cast<std::uint8_t>(two_digits[1])];
  byte = static_cast<std::uint8_t>(high << 4 | low);
  return high != not_hexadecimal && low != not_hexadecimal;
}

void print_hex(std::string& out, std::string_view bytes, std::string_view digits) {
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
}

// ---- reading: each function appends the stored form, or returns false and appends nothing ----

template <class T>
bool put_number(std::string& out, std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return false;
  put_value(out, value);
  return true;
}

// Letters are left to the three names that the server prints: from_chars would take more.
template <class T>
bool put_float(std::string& out, std::string_view text) {
  using Limits = std::numeric_limits<T>;
  if (text == "NaN") {
    put_value(out, Limits::quiet_NaN());
  } else if (text == "Infinity") {
    put_value(out, Limits::infinity());
  } else if (text == "-Infinity") {
    put_value(out, -Limits::infinity());
  } else {
    const std::size_t first = text.starts_with('-') ? 1 : 0;
    return first < text.size() && is_digit(text[first]) && put_number<T>(out, text);
  }
  return true;
}

bool put_boolean(std::string& out, std::string_view text) {
  if (text != "t" && text != "f") return false;
  put_value(out, text == "t");
  return true;
}

bool put_decimal(std::string& out, std::string_view text) {
  if (!is_decimal(text)) return false;
  out.push_back(static_cast<char>(ValueKind::decimal));
  put_sized(out, text);
  return true;
}

bool put_as_it_is(std::string& out, ValueKind kind, std::string_view text) {
  out.push_back(static_cast<char>(kind));
  put_sized(out, text);
  return true;
}

// \x and two digits a byte
bool put_bytes(std::string& out, std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return false;
  const std::size_t size_before = out.size();
  const std::size_t byte_count = text.size() / 2 - 1;
  out.push_back(static_cast<char>(ValueKind::bytes));
  put_varint(out, byte_count);
  const std::size_t begin = out.size();
  out.resize(begin + byte_count);
  for (std::size_t i = 0; i < byte_count; ++i) {
    std::uint8_t byte = 0;
    if (!read_hex_byte(text.data() + 2 + 2 * i, byte)) {
      out.resize(size_before);
      return false;
    }
    out[begin + i] = static_cast<char>(byte);
  }
  return true;
}

bool put_bits(std::string& out, std::string_view text) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) return false;
  if (text.find_first_not_of("01") != std::string_view::npos) return false;
  out.push_back(static_cast<char>(ValueKind::bits));
  put_varint(out, text.size());
  const std::size_t begin = out.size();
  out.resize(begin + (text.size() + 7) / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '1') out[begin + i / 8] |= static_cast<char>(0x80U >> (i % 8));
  }
  return true;
}

// 8-4-4-4-12 digits
bool put_uuid(std::string& out, std::string_view text) {
  constexpr std::size_t text_size = 36;
  if (text.size() != text_size) return false;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i, at += 2) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return false;
    if (!read_hex_byte(text.data() + at, uuid.bytes[i])) return false;
  }
  put_value(out, uuid);
  return true;
}

// ---- dates and times ----

bool read_infinity(std::string_view text, Infinity& infinity) {
  if (text == plus_infinity) infinity = Infinity::positive;
  if (text == minus_infinity) infinity = Infinity::negative;
  return infinity != Infinity::none;
}

// YYYY-MM-DD, with more digits in later years. What BC means for it comes at the text's end: see
// read_era.
bool read_year_month_day(TextReader& in, Date& date) {
  std::int64_t year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!in.padded_number(4, year) || year > std::numeric_limits<std::int32_t>::max()) return false;
  if (!in.take('-') || !in.digits(2, 12, month)) return false;
  if (!in.take('-') || !in.digits(2, 31, day)) return false;
  date.year = static_cast<std::int32_t>(year);
  date.month = static_cast<std::uint8_t>(month);
  date.day = static_cast<std::uint8_t>(day);
  return true;
}

// The text's end, or " BC" and its end. A year 0 is MySQL's, beside a zero month or day.
bool read_era(TextReader& in, Date& date) {
  const bool is_partial = date.month == 0 || date.day == 0;
  if (in.take(" BC")) {
    if (is_partial || date.year == 0) return false;
    date.year = 1 - date.year;
  } else if (date.year == 0 && !is_partial) {
    return false;
  }
  return in.at_end() && is_storable(date);
}

// HH:MM:SS[.ffffff]
bool read_time_of_day(TextReader& in, unsigned hour_limit, std::int64_t& micros) {
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.digits(2, hour_limit, hour) || !in.take(':') || !in.digits(2, 59, minute)) return false;
  if (!in.take(':') || !in.digits(2, 59, second)) return false;
  micros = hour * micros_per_hour + minute * micros_per_minute + second * micros_per_second;
  return in.fraction(micros);
}

bool put_date(std::string& out, std::string_view text) {
  Date date;
  if (!read_infinity(text, date.infinity)) {
    TextReader in(text);
    if (!read_year_month_day(in, date) || !read_era(in, date)) return false;
  }
  put_value(out, date);
  return true;
}

template <class T>
bool put_moment(std::string& out, std::string_view text, std::string_view zone) {
  T moment;
  if (!read_infinity(text, moment.date.infinity)) {
    TextReader in(text);
    if (!read_year_month_day(in, moment.date) || !in.take(' ')) return false;
    if (!read_time_of_day(in, 23, moment.micros) || !in.take(zone)) return false;
    if (!read_era(in, moment.date)) return false;
  }
  put_value(out, moment);
  return true;
}

// Hours may be negative and beyond a day: MySQL's TIME.
bool put_time(std::string& out, std::string_view text) {
  constexpr std::int64_t hour_limit =
      std::numeric_limits<std::int64_t>::max() / micros_per_hour - 1;
  TextReader in(text);
  const bool negative = in.take('-');
  std::int64_t hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.padded_number(2, hour) || hour > hour_limit) return false;
  if (!in.take(':') || !in.digits(2, 59, minute)) return false;
  if (!in.take(':') || !in.digits(2, 59, second)) return false;
  std::int64_t micros =
      hour * micros_per_hour + minute * micros_per_minute + second * micros_per_second;
  if (!in.fraction(micros) || !in.at_end()) return false;
  if (negative && micros == 0) return false;
  put_value(out, Time{negative ? -micros : micros});
  return true;
}

// +HH[:MM[:SS]]
bool read_offset(TextReader& in, std::int32_t& east_seconds) {
  const bool negative = in.next_is('-');
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.take('+') && !in.take('-')) return false;
  if (!in.digits(2, 99, hour)) return false;
  if (in.take(':') && !in.digits(2, 59, minute)) return false;
  if (in.take(':') && !in.digits(2, 59, second)) return false;
  const auto seconds = static_cast<std::int32_t>(hour * 3600 + minute * 60 + second);
  east_seconds = negative ? -seconds : seconds;
  return in.at_end() && !(negative && seconds == 0);
}

bool put_time_tz(std::string& out, std::string_view text) {
  TextReader in(text);
  TimeTz time;
  if (!read_time_of_day(in, 24, time.micros) || time.micros > micros_per_day) return false;
  if (!read_offset(in, time.offset_seconds)) return false;
  put_value(out, time);
  return true;
}

// ---- intervals ----

struct IntervalSums {
  std::int64_t months = 0;
  std::int64_t days = 0;
  std::int64_t micros = 0;
};

// Adds number * unit to `sum`.
bool add_part(std::int64_t& sum, std::int64_t number, std::int64_t unit) {
  std::int64_t part = 0;
  return !__builtin_mul_overflow(number, unit, &part) && !__builtin_add_overflow(sum, part, &sum);
}

// [-]number[.fraction]unit; before the T: years, months, days; after it: hours, minutes, seconds.
bool read_interval_part(TextReader& in, bool after_t, IntervalSums& sums) {
  const bool negative = in.take('-');
  std::int64_t number = 0;
  std::int64_t fraction = 0;
  if (!in.padded_number(1, number)) return false;
  const bool has_fraction = in.next_is('.');
  if (!in.fraction(fraction)) return false;
  if (negative) number = -number;
  if (negative) fraction = -fraction;
  if (after_t && in.take('S')) {
    return add_part(sums.micros, number, micros_per_second) && add_part(sums.micros, fraction, 1);
  }
  if (has_fraction) return false;
  if (after_t && in.take('H')) return add_part(sums.micros, number, micros_per_hour);
  if (after_t && in.take('M')) return add_part(sums.micros, number, micros_per_minute);
  if (!after_t && in.take('Y')) return add_part(sums.months, number, months_per_year);
  if (!after_t && in.take('M')) return add_part(sums.months, number, 1);
  return !after_t && in.take('D') && add_part(sums.days, number, 1);
}

bool read_interval(std::string_view text, Interval& interval) {
  if (read_infinity(text, interval.infinity)) return true;
  TextReader in(text);
  IntervalSums sums;
  bool after_t = false;
  if (!in.take('P')) return false;
  while (!in.at_end()) {
    if (!after_t && in.take('T')) after_t = true;
    if (!read_interval_part(in, after_t, sums)) return false;
  }
  if (!std::in_range<std::int32_t>(sums.months) || !std::in_range<std::int32_t>(sums.days)) {
    return false;
  }
  interval.months = static_cast<std::int32_t>(sums.months);
  interval.days = static_cast<std::int32_t>(sums.days);
  interval.micros = sums.micros;
  return true;
}

void print_interval(std::string& out, const Interval& interval);

// Parts may be written in many ways that mean the same; only the way that the server prints is
// taken.
bool put_interval(std::string& out, std::string_view text) {
  Interval interval;
  if (!read_interval(text, interval)) return false;
  std::string printed;
  print_interval(printed, interval);
  if (printed != text) return false;
  put_value(out, interval);
  return true;
}

bool put_any(std::string& out, ValueKind kind, std::string_view text) {
  switch (kind) {
    case ValueKind::boolean:
      return put_boolean(out, text);
    case ValueKind::int64:
      return put_number<std::int64_t>(out, text);
    case ValueKind::uint64:
      return put_number<std::uint64_t>(out, text);
    case ValueKind::float32:
      return put_float<float>(out, text);
    case ValueKind::float64:
      return put_float<double>(out, text);
    case ValueKind::decimal:
      return put_decimal(out, text);
    case ValueKind::text:
    case ValueKind::json:
    case ValueKind::enumeration:
    case ValueKind::other:
      return put_as_it_is(out, kind, text);
    case ValueKind::bytes:
      return put_bytes(out, text);
    case ValueKind::date:
      return put_date(out, text);
    case ValueKind::time:
      return put_time(out, text);
    case ValueKind::time_tz:
      return put_time_tz(out, text);
    case ValueKind::timestamp:
      return put_moment<Timestamp>(out, text, "");
    case ValueKind::timestamp_tz:
      return put_moment<TimestampTz>(out, text, "+00");
    case ValueKind::interval:
      return put_interval(out, text);
    case ValueKind::uuid:
      return put_uuid(out, text);
    case ValueKind::bits:
      return put_bits(out, text);
    case ValueKind::null:
    case ValueKind::unchanged:
    case ValueKind::array:
    case ValueKind::set:
    case ValueKind::geometry:
    case ValueKind::vector:
      return false;
  }
  return false;
}

std::string_view reason_for(ValueKind kind) {
  switch (kind) {
    case ValueKind::timestamp_tz:
      return " (the session's time zone is UTC: it must end in +00)";
    case ValueKind::array:
    case ValueKind::set:
    case ValueKind::geometry:
    case ValueKind::vector:
      return " (this kind has no text form of its own)";
    case ValueKind::null:
    case ValueKind::unchanged:
    case ValueKind::boolean:
    case ValueKind::int64:
    case ValueKind::uint64:
    case ValueKind::float32:
    case ValueKind::float64:
    case ValueKind::decimal:
    case ValueKind::text:
    case ValueKind::bytes:
    case ValueKind::date:
    case ValueKind::time:
    case ValueKind::time_tz:
    case ValueKind::timestamp:
    case ValueKind::interval:
    case ValueKind::uuid:
    case ValueKind::json:
    case ValueKind::bits:
    case ValueKind::enumeration:
    case ValueKind::other:
      return "";
  }
  return "";
}

// At most 60 bytes, cut between characters.
std::string shortened(std::string_view text) {
  constexpr std::size_t bytes_max = 60;
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

// ---- printing ----

template <class T>
void print_number(std::string& out, T value) {
  const fmt::format_int printed(value);
  out.append(printed.data(), printed.size());
}

void print_padded(std::string& out, std::uint64_t number, std::size_t width) {
  const fmt::format_int printed(number);
  if (printed.size() < width) out.append(width - printed.size(), '0');
  out.append(printed.data(), printed.size());
}

// .ffffff without the zeros at its end; nothing for 0.
void print_fraction(std::string& out, std::uint64_t micros) {
  if (micros == 0) return;
  out.push_back('.');
  print_padded(out, micros, 6);
  while (out.back() == '0') out.pop_back();
}

// Also for the most negative number, which has no positive counterpart.
std::uint64_t magnitude_of(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return value < 0 ? std::uint64_t{0} - bits : bits;
}

void print_time_of_day(std::string& out, std::int64_t micros) {
  if (micros < 0) out.push_back('-');
  const std::uint64_t magnitude = magnitude_of(micros);
  print_padded(out, magnitude / micros_per_hour, 2);
  out.push_back(':');
  print_padded(out, magnitude / micros_per_minute % 60, 2);
  out.push_back(':');
  print_padded(out, magnitude / micros_per_second % 60, 2);
  print_fraction(out, magnitude % micros_per_second);
}

// A zero month or day is MySQL's, whose year 0 is no 1 BC.
bool is_before_christ(const Date& date) {
  return date.year <= 0 && date.month != 0 && date.day != 0;
}

void print_year_month_day(std::string& out, const Date& date) {
  const std::int64_t year = is_before_christ(date) ? 1 - std::int64_t{date.year} : date.year;
  print_padded(out, static_cast<std::uint64_t>(year), 4);
  out.push_back('-');
  print_padded(out, date.month, 2);
  out.push_back('-');
  print_padded(out, date.day, 2);
}

void print_era(std::string& out, const Date& date) {
  if (is_before_christ(date)) out.append(" BC");
}

bool print_infinity(std::string& out, Infinity infinity) {
  if (infinity == Infinity::positive) out.append(plus_infinity);
  if (infinity == Infinity::negative) out.append(minus_infinity);
  return infinity != Infinity::none;
}

template <class T>
void print_moment(std::string& out, const T& moment, std::string_view zone) {
  if (print_infinity(out, moment.date.infinity)) return;
  print_year_month_day(out, moment.date);
  out.push_back(' ');
  print_time_of_day(out, moment.micros);
  out.append(zone);
  print_era(out, moment.date);
}

void print_offset(std::string& out, std::int32_t east_seconds) {
  const std::uint64_t seconds = magnitude_of(east_seconds);
  out.push_back(east_seconds < 0 ? '-' : '+');
  print_padded(out, seconds / 3600, 2);
  if (seconds % 3600 == 0) return;
  out.push_back(':');
  print_padded(out, seconds / 60 % 60, 2);
  if (seconds % 60 == 0) return;
  out.push_back(':');
  print_padded(out, seconds % 60, 2);
}

void print_interval_part(std::string& out, std::int64_t number, char unit) {
  if (number == 0) return;
  print_number(out, number);
  out.push_back(unit);
}

void print_interval_seconds(std::string& out, std::int64_t micros) {
  if (micros == 0) return;
  const std::uint64_t magnitude = magnitude_of(micros);
  if (micros < 0) out.push_back('-');
  print_number(out, magnitude / micros_per_second);
  print_fraction(out, magnitude % micros_per_second);
  out.push_back('S');
}

// Each part has its own sign.
void print_interval(std::string& out, const Interval& interval) {
  if (print_infinity(out, interval.infinity)) return;
  if (interval.months == 0 && interval.days == 0 && interval.micros == 0) {
    out.append("PT0S");
    return;
  }
  out.push_back('P');
  print_interval_part(out, interval.months / months_per_year, 'Y');
  print_interval_part(out, interval.months % months_per_year, 'M');
  print_interval_part(out, interval.days, 'D');
  if (interval.micros == 0) return;
  out.push_back('T');
  print_interval_part(out, interval.micros / micros_per_hour, 'H');
  print_interval_part(out, interval.micros / micros_per_minute % 60, 'M');
  print_interval_seconds(out, interval.micros % micros_per_minute);
}

void print_uuid(std::string& out, const Uuid& uuid) {
  const std::string_view bytes(reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size());
  std::size_t at = 0;
  for (const std::size_t part : {4U, 2U, 2U, 2U, 6U}) {
    if (at > 0) out.push_back('-');
    print_hex(out, bytes.substr(at, part), lower_digits);
    at += part;
  }
}

void print_bits(std::string& out, const Bits& bits) {
  for (std::size_t i = 0; i < bits.count; ++i) {
    const unsigned byte = static_cast<std::uint8_t>(bits.bytes[i / 8]);
    out.push_back((byte & (0x80U >> (i % 8))) != 0 ? '1' : '0');
  }
}

// Extended well-known binary: the number of the reference system stands behind the type, which has
// a flag for it.
void print_geometry(std::string& out, const Geometry& geometry) {
  constexpr std::uint32_t srid_flag = 0x2000'0000;
  ByteReader in(geometry.wkb);
  const bool little_endian = in.le<std::uint8_t>() == 1;
  const auto type = in.le<std::uint32_t>();
  if (geometry.srid == 0 || in.failed()) {
    print_hex(out, geometry.wkb, upper_digits);
    return;
  }
  std::string head(1, geometry.wkb.front());
  put_le(head, little_endian ? type | srid_flag : byte_swapped(byte_swapped(type) | srid_flag));
  put_le(head, little_endian ? geometry.srid : byte_swapped(geometry.srid));
  print_hex(out, head, upper_digits);
  print_hex(out, in.rest(), upper_digits);
}

void print_vector(std::string& out, const Vector& vector) {
  ByteReader in(vector.floats);
  out.push_back('[');
  while (in.remaining() >= sizeof(float)) {
    if (out.back() != '[') out.push_back(',');
    print_float(out, in.le<float>());
  }
  out.push_back(']');
}

bool is_null_word(std::string_view text) {
  constexpr std::string_view word = "null";
  if (text.size() != word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if ((text[i] | 0x20) != word[i]) return false;
  }
  return true;
}

void print_element(std::string& out, const Value& element) {
  if (element.kind() == ValueKind::null || element.kind() == ValueKind::array) {
    print_value(out, element);
    return;
  }
  std::string text;
  print_value(text, element);
  print_array_element(out, text);
}

// The elements of one dimension in braces; `next` is the first element that is not printed yet.
void print_array_level(std::string& out, const Array& array, std::size_t level, std::size_t& next) {
  out.push_back('{');
  for (std::uint32_t i = 0; i < array.dimensions[level].count; ++i) {
    if (i > 0) out.push_back(',');
    if (level + 1 < array.dimensions.size()) {
      print_array_level(out, array, level + 1, next);
    } else {
      print_element(out, array.elements[next++]);
    }
  }
  out.push_back('}');
}

void print_array(std::string& out, const Array& array) {
  if (array.dimensions.empty()) {
    out.append("{}");
    return;
  }
  bool all_from_one = true;
  for (const Dimension& d : array.dimensions) all_from_one = all_from_one && d.lower_bound == 1;
  if (!all_from_one) {
    for (const Dimension& d : array.dimensions) {
      fmt::format_to(std::back_inserter(out), "[{}:{}]", d.lower_bound,
                     std::int64_t{d.lower_bound} + d.count - 1);
    }
    out.push_back('=');
  }
  std::size_t next = 0;
  print_array_level(out, array, 0, next);
}

struct ValuePrinter {
  std::string& out;

  void operator()(const Null&) { out.append("NULL"); }
  void operator()(const Unchanged&) { out.append("(unchanged)"); }
  void operator()(bool value) { out.push_back(value ? 't' : 'f'); }
  void operator()(std::int64_t value) { print_number(out, value); }
  void operator()(std::uint64_t value) { print_number(out, value); }
  void operator()(float value) { print_float(out, value); }
  void operator()(double value) { print_float(out, value); }
  void operator()(const Decimal& value) { out.append(value.text); }
  void operator()(const Text& value) { out.append(value.text); }
  void operator()(const Bytes& value) {
    out.append("\\x");
    print_hex(out, value.bytes, lower_digits);
  }
  void operator()(const Date& value) {
    if (print_infinity(out, value.infinity)) return;
    print_year_month_day(out, value);
    print_era(out, value);
  }
  void operator()(const Time& value) { print_time_of_day(out, value.micros); }
  void operator()(const TimeTz& value) {
    print_time_of_day(out, value.micros);
    print_offset(out, value.offset_seconds);
  }
  void operator()(const Timestamp& value) { print_moment(out, value, ""); }
  void operator()(const TimestampTz& value) { print_moment(out, value, "+00"); }
  void operator()(const Interval& value) { print_interval(out, value); }
  void operator()(const Uuid& value) { print_uuid(out, value); }
  void operator()(const Json& value) { out.append(value.text); }
  void operator()(const Array& value) { print_array(out, value); }
  void operator()(const Bits& value) { print_bits(out, value); }
  void operator()(const Enumeration& value) { out.append(value.label); }
  void operator()(const Set& value) { out.append(value.labels); }
  void operator()(const Geometry& value) { print_geometry(out, value); }
  void operator()(const Vector& value) { print_vector(out, value); }
  void operator()(const Other& value) { out.append(value.text); }
};

}  // namespace

Status put_value_from_text(std::string& out, ValueKind kind, std::string_view text) {
  INVARIANT(kind != ValueKind::null && kind != ValueKind::unchanged, "these kinds have no text");
  if (put_any(out, kind, text)) return {};
  return fail(Code::unsupported,
              fmt::format("cannot read '{}' as {}{}", shortened(text),
                          kind_names[static_cast<std::size_t>(kind)], reason_for(kind)));
}

void print_value(std::string& out, const Value& value) {
  std::visit(ValuePrinter{out}, value.variant());
}

void print_array_element(std::string& out, std::string_view text) {
  if (!text.empty() && !is_null_word(text) &&
      text.find_first_of("{}\",\\ \t\n\r\v\f") == std::string_view::npos) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace tidelog
