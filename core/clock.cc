#include "core/clock.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "core/calendar.h"
#include "core/text_reader.h"

namespace tidelog {
namespace {

class RealClock final : public Clock {
 public:
  UnixMicros now() override {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
  }
  std::chrono::steady_clock::time_point steady() override {
    return std::chrono::steady_clock::now();
  }
};

bool read_date(TextReader& in, std::int64_t& days) {
  unsigned year = 0;
  CivilDay civil;
  if (!in.digits(4, 9999, year) || !in.take('-') || !in.digits(2, 12, civil.month) ||
      !in.take('-') || !in.digits(2, 31, civil.day)) {
    return false;
  }
  civil.year = year;
  if (civil.month == 0 || civil.day == 0 || civil.day > days_in_month(year, civil.month)) {
    return false;
  }
  days = days_from_civil(civil);
  return true;
}

bool read_time_of_day(TextReader& in, std::int64_t& micros) {
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
  if (!in.digits(2, 23, hour) || !in.take(':') || !in.digits(2, 59, minute)) return false;
  if (in.take(':') && !in.digits(2, 59, second)) return false;
  micros = hour * micros_per_hour + minute * micros_per_minute + second * micros_per_second;
  return in.fraction(micros);
}

// Z, +02, +02:00 or nothing.
bool read_offset(TextReader& in, std::int64_t& east_micros) {
  if (in.at_end() || in.take('Z')) return true;
  const bool east = in.next_is('+');
  unsigned hour = 0;
  unsigned minute = 0;
  if (!in.take('+') && !in.take('-')) return false;
  if (!in.digits(2, 23, hour)) return false;
  if (in.take(':') && !in.digits(2, 59, minute)) return false;
  east_micros = hour * micros_per_hour + minute * micros_per_minute;
  if (!east) east_micros = -east_micros;
  return true;
}

std::optional<UnixMicros> parse_absolute(std::string_view text) {
  TextReader in(text);
  std::int64_t days = 0;
  std::int64_t micros = 0;
  std::int64_t east_micros = 0;
  if (!read_date(in, days)) return std::nullopt;
  if (!in.at_end()) {
    if (!in.take('T') && !in.take(' ')) return std::nullopt;
    if (!read_time_of_day(in, micros) || !read_offset(in, east_micros)) return std::nullopt;
  }
  if (!in.at_end()) return std::nullopt;
  return UnixMicros{days * micros_per_day + micros - east_micros};
}

std::optional<std::int64_t> unit_micros(char unit) {
  if (unit == 's') return micros_per_second;
  if (unit == 'm') return micros_per_minute;
  if (unit == 'h') return micros_per_hour;
  if (unit == 'd') return micros_per_day;
  return std::nullopt;
}

// -90s, -5m, -2h, -1d
std::optional<UnixMicros> parse_relative(std::string_view text, UnixMicros now) {
  if (text.size() < 3) return std::nullopt;
  const auto unit = unit_micros(text.back());
  std::uint32_t count = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [stopped, error] = std::from_chars(text.data() + 1, end, count);
  if (!unit || error != std::errc{} || stopped != end) return std::nullopt;
  std::int64_t ago = 0;
  UnixMicros then;
  if (__builtin_mul_overflow(*unit, std::int64_t{count}, &ago)) return std::nullopt;
  if (__builtin_sub_overflow(now.value, ago, &then.value)) return std::nullopt;
  return then;
}

}  // namespace

std::unique_ptr<Clock> real_clock() { return std::make_unique<RealClock>(); }

std::string print_time(UnixMicros time) {
  const std::int64_t days = floor_divided(time.value, micros_per_day);
  const std::int64_t micros = (time.value % micros_per_day + micros_per_day) % micros_per_day;
  const CivilDay civil = civil_from_days(days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", civil.year, civil.month,
                     civil.day, micros / micros_per_hour, micros / micros_per_minute % 60,
                     micros / micros_per_second % 60, micros % micros_per_second);
}

Result<UnixMicros> parse_time(std::string_view text, UnixMicros now) {
  const auto time = text.starts_with('-') ? parse_relative(text, now) : parse_absolute(text);
  if (time) return *time;
  return fail(Code::misconfigured,
              fmt::format("'{}' is no time: expected 2026-11-24T10:00:00Z, 2026-11-24 10:00:00+02, "
                          "2026-11-24, or how long ago as -90s, -5m, -2h, -1d",
                          text));
}

}  // namespace tidelog
