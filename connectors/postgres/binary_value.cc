#include "connectors/postgres/binary_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>

#include "connectors/postgres/binary_numeric.h"
#include "connectors/postgres/binary_text.h"
#include "core/bytes.h"
#include "core/calendar.h"
#include "core/row_buffer.h"
#include "core/value_check.h"
#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog::postgres {

namespace {

// ---- values whose stored form is not their text: each appends it, or returns false ----

template <class T>
bool read_number(std::string_view bytes, T& value) {
  ByteReader in(bytes);
  value = in.be<T>();
  return !in.failed() && in.remaining() == 0;
}

// A number of the width of `Sent`, stored as `Stored`.
template <class Stored, class Sent>
bool put_number(std::string& out, std::string_view bytes) {
  Sent value{};
  if (!read_number(bytes, value)) return false;
  put_value(out, static_cast<Stored>(value));
  return true;
}

template <class Float, class Bits>
bool put_float(std::string& out, std::string_view bytes) {
  Bits bits{};
  if (!read_number(bytes, bits)) return false;
  put_value(out, std::bit_cast<Float>(bits));
  return true;
}

bool put_boolean(std::string& out, std::string_view bytes) {
  if (bytes.size() != 1 || bytes[0] < 0 || bytes[0] > 1) return false;
  put_value(out, bytes[0] == 1);
  return true;
}

bool put_numeric(std::string& out, std::string_view bytes) {
  BinaryNumeric numeric;
  if (!numeric.read(bytes)) return false;
  out.push_back(static_cast<char>(ValueKind::decimal));
  put_varint(out, numeric.text_size());
  numeric.print(out);
  return true;
}

bool put_uuid(std::string& out, std::string_view bytes) {
  Uuid uuid;
  if (bytes.size() != uuid.bytes.size()) return false;
  std::ranges::copy(bytes, uuid.bytes.begin());
  put_value(out, uuid);
  return true;
}

// i32 count of bits | bytes, the unused bits of the last one zero
bool put_bits(std::string& out, std::string_view bytes) {
  ByteReader in(bytes);
  const auto count = in.be<std::int32_t>();
  const std::string_view bits = in.rest();
  if (in.failed() || count < 0 || bits.size() != (static_cast<std::size_t>(count) + 7) / 8)
    return false;
  const int unused = static_cast<int>(bits.size()) * 8 - count;
  if (unused > 0 && (static_cast<std::uint8_t>(bits.back()) & ((1U << unused) - 1)) != 0)
    return false;
  put_value(out, Bits{static_cast<std::uint32_t>(count), bits});
  return true;
}

// ---- dates and times: days and microseconds since 2000-01-01 ----

constexpr std::int64_t epoch_days = days_from_civil({2000, 1, 1});
constexpr std::int64_t first_day = days_from_civil({-4713, 11, 24}) - epoch_days;
constexpr std::int64_t first_moment = first_day * micros_per_day;
constexpr std::int64_t last_date = days_from_civil({5'874'897, 12, 31}) - epoch_days;
constexpr std::int64_t moment_limit =
    (days_from_civil({294'277, 1, 1}) - epoch_days) * micros_per_day;
constexpr std::int32_t offset_limit = 16 * 60 * 60;

Date date_of(std::int64_t day) {
  const CivilDay civil = civil_from_days(day + epoch_days);
  return {static_cast<std::int32_t>(civil.year), static_cast<std::uint8_t>(civil.month),
          static_cast<std::uint8_t>(civil.day)};
}

template <class T>
Infinity infinity_of(T value) {
  using Limits = std::numeric_limits<T>;
  return value == Limits::max()   ? Infinity::positive
         : value == Limits::min() ? Infinity::negative
                                  : Infinity::none;
}

bool put_date(std::string& out, std::string_view bytes) {
  std::int32_t days = 0;
  if (!read_number(bytes, days)) return false;
  Date date;
  date.infinity = infinity_of(days);
  if (date.infinity == Infinity::none) {
    if (days < first_day || days > last_date) return false;
    date = date_of(days);
  }
  put_value(out, date);
  return true;
}

template <class Moment>
bool put_moment(std::string& out, std::string_view bytes) {
  std::int64_t micros = 0;
  if (!read_number(bytes, micros)) return false;
  Moment moment;
  moment.date.infinity = infinity_of(micros);
  if (moment.date.infinity == Infinity::none) {
    if (micros < first_moment || micros >= moment_limit) return false;
    const std::int64_t day = floor_divided(micros, micros_per_day);
    moment.date = date_of(day);
    moment.micros = micros - day * micros_per_day;
  }
  put_value(out, moment);
  return true;
}

bool is_time(std::int64_t micros) { return micros >= 0 && micros <= micros_per_day; }

bool put_time(std::string& out, std::string_view bytes) {
  std::int64_t micros = 0;
  if (!read_number(bytes, micros) || !is_time(micros)) return false;
  put_value(out, Time{micros});
  return true;
}

// i64 microseconds | i32 seconds west of UTC
bool put_time_tz(std::string& out, std::string_view bytes) {
  ByteReader in(bytes);
  const auto micros = in.be<std::int64_t>();
  const auto west_seconds = in.be<std::int32_t>();
  if (in.failed() || in.remaining() != 0 || !is_time(micros)) return false;
  if (west_seconds <= -offset_limit || west_seconds >= offset_limit) return false;
  put_value(out, TimeTz{micros, -west_seconds});
  return true;
}

// i64 microseconds | i32 days | i32 months; all three the largest, or the smallest: infinite
bool put_interval(std::string& out, std::string_view bytes, bool may_be_infinite) {
  ByteReader in(bytes);
  Interval interval;
  interval.micros = in.be<std::int64_t>();
  interval.days = in.be<std::int32_t>();
  interval.months = in.be<std::int32_t>();
  if (in.failed() || in.remaining() != 0) return false;
  const Infinity infinity = infinity_of(interval.micros);
  if (may_be_infinite && infinity != Infinity::none && infinity_of(interval.days) == infinity &&
      infinity_of(interval.months) == infinity) {
    interval = {};
    interval.infinity = infinity;
  }
  put_value(out, interval);
  return true;
}

// Of a form that has a kind of its own.
bool put_of_kind(std::string& out, BinaryForm form, std::string_view bytes) {
  switch (form) {
    case BinaryForm::boolean:
      return put_boolean(out, bytes);
    case BinaryForm::int16:
      return put_number<std::int64_t, std::int16_t>(out, bytes);
    case BinaryForm::int32:
      return put_number<std::int64_t, std::int32_t>(out, bytes);
    case BinaryForm::int64:
      return put_number<std::int64_t, std::int64_t>(out, bytes);
    case BinaryForm::uint32:
      return put_number<std::uint64_t, std::uint32_t>(out, bytes);
    case BinaryForm::uint64:
      return put_number<std::uint64_t, std::uint64_t>(out, bytes);
    case BinaryForm::float32:
      return put_float<float, std::uint32_t>(out, bytes);
    case BinaryForm::float64:
      return put_float<double, std::uint64_t>(out, bytes);
    case BinaryForm::numeric:
      return put_numeric(out, bytes);
    case BinaryForm::bytes:
      put_value(out, Bytes{bytes});
      return true;
    case BinaryForm::date:
      return put_date(out, bytes);
    case BinaryForm::time:
      return put_time(out, bytes);
    case BinaryForm::time_tz:
      return put_time_tz(out, bytes);
    case BinaryForm::timestamp:
      return put_moment<Timestamp>(out, bytes);
    case BinaryForm::timestamp_tz:
      return put_moment<TimestampTz>(out, bytes);
    case BinaryForm::interval:
    case BinaryForm::finite_interval:
      return put_interval(out, bytes, form == BinaryForm::interval);
    case BinaryForm::uuid:
      return put_uuid(out, bytes);
    case BinaryForm::bits:
      return put_bits(out, bytes);
    case BinaryForm::as_text:
    case BinaryForm::text:
    case BinaryForm::jsonb:
    case BinaryForm::character:
    case BinaryForm::network:
    case BinaryForm::mac:
    case BinaryForm::mac8:
    case BinaryForm::array:
      return false;
  }
  return false;
}

// The text, where it stands in the value as it is.
std::optional<std::string_view> text_within(BinaryForm form, std::string_view bytes) {
  constexpr char jsonb_version = 1;
  if (form == BinaryForm::text) return bytes;
  if (form != BinaryForm::jsonb || bytes.empty() || bytes[0] != jsonb_version) return std::nullopt;
  return bytes.substr(1);
}

// At most so much of a value is shown in an error.
constexpr std::size_t shown_bytes_max = 32;

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, shown_bytes_max))
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return bytes.size() > shown_bytes_max ? out + "…" : out;
}

Status not_as_sent(BinaryForm form, std::string_view bytes) {
  if (form == BinaryForm::as_text) {
    return fail(Code::corrupt, "a value in binary form, of a type that has none");
  }
  return fail(Code::corrupt, fmt::format("these {} bytes are no value in binary form: {}; "
                                         "without `binary` the source reads texts",
                                         bytes.size(), hexadecimal(bytes)));
}

// ---- integers as texts ----

template <class Sent>
bool print_number(std::string& out, std::string_view bytes) {
  Sent value{};
  if (!read_number(bytes, value)) return false;
  const fmt::format_int printed(value);
  out.append(printed.data(), printed.size());
  return true;
}

// Nothing: it is of another form.
std::optional<bool> print_integer(std::string& out, BinaryForm form, std::string_view bytes) {
  if (form == BinaryForm::int16) return print_number<std::int16_t>(out, bytes);
  if (form == BinaryForm::int32) return print_number<std::int32_t>(out, bytes);
  if (form == BinaryForm::int64) return print_number<std::int64_t>(out, bytes);
  return std::nullopt;
}

// ---- arrays ----

constexpr std::uint32_t dimensions_max = 6;

struct ArrayHead {
  std::size_t dimensions = 0;
  std::array<std::int64_t, dimensions_max> counts{};
  std::array<std::int64_t, dimensions_max> first{};  // index
  std::uint64_t elements = 0;
};

// i32 dimensions | i32 has nulls (1) | u32 element type | dimensions * (i32 count | i32 first
// index). No more elements than the bytes behind it have room for.
bool read_head(ByteReader& in, std::uint32_t element_type, ArrayHead& head) {
  const auto dimensions = in.be<std::uint32_t>();
  const auto has_nulls = in.be<std::uint32_t>();
  const auto type = in.be<std::uint32_t>();
  if (in.failed() || dimensions > dimensions_max || has_nulls > 1 || type != element_type)
    return false;
  head.dimensions = dimensions;
  head.elements = dimensions == 0 ? 0 : 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    head.counts[i] = in.be<std::int32_t>();
    head.first[i] = in.be<std::int32_t>();
    if (in.failed() || head.counts[i] < 0) return false;
    if (head.first[i] + head.counts[i] - 1 > std::numeric_limits<std::int32_t>::max()) return false;
    head.elements *= static_cast<std::uint64_t>(head.counts[i]);
    if (head.elements > in.remaining()) return false;
  }
  return head.elements <= in.remaining() / sizeof(std::int32_t);
}

// [first:last] of each dimension, when one of them does not begin with 1.
void print_bounds(std::string& out, const ArrayHead& head) {
  const auto* const end = head.first.begin() + static_cast<std::ptrdiff_t>(head.dimensions);
  if (std::all_of(head.first.begin(), end, [](std::int64_t first) { return first == 1; })) return;
  for (std::size_t i = 0; i < head.dimensions; ++i) {
    fmt::format_to(std::back_inserter(out), "[{}:{}]", head.first[i],
                   head.first[i] + head.counts[i] - 1);
  }
  out.push_back('=');
}

// How many braces stand before the element with this index: one for each dimension that begins.
std::size_t dimensions_at(const ArrayHead& head, std::uint64_t index) {
  std::size_t count = 0;
  std::uint64_t size = 1;
  for (std::size_t i = head.dimensions; i-- > 0;) {
    size *= static_cast<std::uint64_t>(head.counts[i]);
    if (index % size != 0) break;
    ++count;
  }
  return count;
}

}  // namespace

bool BinaryValues::print_scalar(std::string& out, BinaryForm form, std::string_view bytes) {
  if (const auto within = text_within(form, bytes)) {
    out.append(*within);
    return true;
  }
  if (form == BinaryForm::character) return print_character(out, bytes);
  if (form == BinaryForm::network) return print_network(out, bytes);
  if (form == BinaryForm::mac) return print_mac(out, bytes, 6);
  if (form == BinaryForm::mac8) return print_mac(out, bytes, 8);
  empty_for_next(stored_);
  if (!put_of_kind(stored_, form, bytes)) return false;
  ByteReader in(stored_);
  print_value(out, read_value(in));
  return true;
}

bool BinaryValues::print_array(std::string& out, const BinaryType& type, std::string_view bytes) {
  ByteReader in(bytes);
  ArrayHead head;
  if (!read_head(in, type.element_type, head)) return false;
  if (head.elements == 0) {
    out.append("{}");
    return in.remaining() == 0;
  }
  print_bounds(out, head);
  for (std::uint64_t i = 0; i < head.elements; ++i) {
    const std::size_t begun = dimensions_at(head, i);
    if (i > 0) {
      out.append(begun, '}');
      out.push_back(',');
    }
    out.append(i == 0 ? head.dimensions : begun, '{');
    const auto size = in.be<std::int32_t>();
    if (size == -1) {
      out.append("NULL");
      continue;
    }
    const std::string_view element = in.bytes(static_cast<std::uint32_t>(size));
    if (in.failed() || !print_quoted(out, type.element, element)) return false;
  }
  out.append(head.dimensions, '}');
  return !in.failed() && in.remaining() == 0;
}

// As an element; integers never need quotes.
bool BinaryValues::print_quoted(std::string& out, BinaryForm form, std::string_view bytes) {
  if (const auto printed = print_integer(out, form, bytes)) return *printed;
  empty_for_next(element_);
  if (!print_scalar(element_, form, bytes)) return false;
  print_array_element(out, element_);
  return true;
}

bool BinaryValues::print(std::string& out, const BinaryType& type, std::string_view bytes) {
  return type.form == BinaryForm::array ? print_array(out, type, bytes)
                                        : print_scalar(out, type.form, bytes);
}

Result<std::string_view> BinaryValues::text(const BinaryType& type, std::string_view bytes) {
  if (const auto within = text_within(type.form, bytes)) return *within;
  empty_for_next(text_);
  if (!print(text_, type, bytes)) {
    TRY_DO(not_as_sent(type.form, bytes));
  }
  return text_;
}

// A column may be of another kind than its values look like: a type that was dropped since is known
// by its name alone, and one that an extension made is stored as its text.
Status BinaryValues::put(std::string& out, const BinaryType& type, ValueKind kind,
                         std::string_view bytes) {
  if (kind != kind_of_form(type.form) || kind == ValueKind::other) {
    TRY(const std::string_view text, this->text(type, bytes));
    return put_value_from_text(out, kind, text);
  }
  const std::size_t size_before = out.size();
  if (put_of_kind(out, type.form, bytes)) return {};
  out.resize(size_before);
  return not_as_sent(type.form, bytes);
}

}  // namespace tidelog::postgres
