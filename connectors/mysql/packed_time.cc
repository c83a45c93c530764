#include "connectors/mysql/packed_time.h"

#include <array>
#include <limits>

#include "core/calendar.h"

namespace tidelog::mysql {

namespace {

constexpr std::array<std::int64_t, 7> micros_of_digit = {1'000'000, 100'000, 10'000, 1'000,
                                                         100,       10,      1};
constexpr unsigned decimals_max = 6;

// Big-endian, of 1 to 8 bytes.
std::uint64_t big_endian(ByteReader& in, std::size_t bytes) {
  std::uint64_t value = 0;
  for (const char c : in.bytes(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::uint32_t u24(ByteReader& in) {
  const std::uint32_t low = in.le<std::uint16_t>();
  return low | std::uint32_t{in.le<std::uint8_t>()} << 16;
}

// Two digits a byte, an odd one is rounded up: its last digit is 0.
std::size_t fraction_bytes(unsigned decimals) { return (decimals + 1) / 2; }
std::int64_t fraction_unit(unsigned decimals) {
  return micros_of_digit[fraction_bytes(decimals) * 2];
}

std::int64_t read_fraction(ByteReader& in, unsigned decimals) {
  if (decimals > decimals_max) in.fail();
  if (in.failed() || decimals == 0) return 0;
  const auto fraction =
      static_cast<std::int64_t>(big_endian(in, fraction_bytes(decimals))) * fraction_unit(decimals);
  if (fraction >= micros_per_second) in.fail();
  return fraction;
}

std::int64_t micros_of(ByteReader& in, std::uint64_t hour, std::uint64_t minute,
                       std::uint64_t second, std::uint64_t hour_max) {
  if (hour > hour_max || minute > 59 || second > 59) in.fail();
  return static_cast<std::int64_t>(hour) * micros_per_hour +
         static_cast<std::int64_t>(minute) * micros_per_minute +
         static_cast<std::int64_t>(second) * micros_per_second;
}

constexpr std::uint64_t hour_of_day_max = 23;
constexpr std::uint64_t hour_of_time_max = 838;
constexpr std::uint64_t year_max = 9999;

Date date_of(ByteReader& in, std::uint64_t year, std::uint64_t month, std::uint64_t day) {
  if (year > year_max || month > 12 || day > 31) in.fail();
  if (in.failed()) return {};
  return {static_cast<std::int32_t>(year), static_cast<std::uint8_t>(month),
          static_cast<std::uint8_t>(day)};
}

// 17 bits of year * 13 + month, 5 of the day, 5 of the hour, 6 each of minute and second
Timestamp datetime_of(ByteReader& in, std::uint64_t packed, std::int64_t fraction) {
  const std::uint64_t date = packed >> 17;
  const std::uint64_t months = date >> 5;
  Timestamp moment;
  moment.date = date_of(in, months / 13, months % 13, date & 31);
  moment.micros =
      fraction + micros_of(in, packed >> 12 & 31, packed >> 6 & 63, packed & 63, hour_of_day_max);
  return in.failed() ? Timestamp{} : moment;
}

// 10 bits of the hour, 6 each of minute and second
std::int64_t time_of(ByteReader& in, std::uint64_t packed) {
  return micros_of(in, packed >> 12, packed >> 6 & 63, packed & 63, hour_of_time_max);
}

TimestampTz moment_of(std::int64_t seconds, std::int64_t fraction) {
  if (seconds == 0 && fraction == 0) return {};  // how 0000-00-00 00:00:00 is stored
  constexpr std::int64_t seconds_per_day = 86'400;
  const std::int64_t days = floor_divided(seconds, seconds_per_day);
  const CivilDay civil = civil_from_days(days);
  TimestampTz moment;
  moment.date = {static_cast<std::int32_t>(civil.year), static_cast<std::uint8_t>(civil.month),
                 static_cast<std::uint8_t>(civil.day)};
  moment.micros = (seconds - days * seconds_per_day) * micros_per_second + fraction;
  return moment;
}

}  // namespace

// 15 bits of the year, 4 of the month, 5 of the day
Date read_date(ByteReader& in) {
  const std::uint32_t packed = u24(in);
  return date_of(in, packed >> 9, packed >> 5 & 15, packed & 31);
}

// Seconds and fraction are one number, which is negative in two's complement; half of its range is
// added to it.
Time read_time2(ByteReader& in, unsigned decimals) {
  if (decimals > decimals_max) in.fail();
  if (in.failed()) return {};
  const std::size_t bits = 8 * (3 + fraction_bytes(decimals));
  const auto value =
      static_cast<std::int64_t>(big_endian(in, bits / 8)) - (std::int64_t{1} << (bits - 1));
  const auto magnitude = static_cast<std::uint64_t>(value < 0 ? -value : value);
  const std::size_t fraction_bits = bits - 24;
  const auto fraction =
      static_cast<std::int64_t>(magnitude & ((std::uint64_t{1} << fraction_bits) - 1)) *
      fraction_unit(decimals);
  if (fraction >= micros_per_second) in.fail();
  const std::int64_t micros = time_of(in, magnitude >> fraction_bits) + fraction;
  if (in.failed()) return {};
  return {value < 0 ? -micros : micros};
}

Timestamp read_datetime2(ByteReader& in, unsigned decimals) {
  constexpr std::uint64_t sign = std::uint64_t{1} << 39;
  const std::uint64_t packed = big_endian(in, 5);
  if (packed < sign) in.fail();
  return datetime_of(in, packed - sign, read_fraction(in, decimals));
}

TimestampTz read_timestamp2(ByteReader& in, unsigned decimals) {
  const auto seconds = in.be<std::uint32_t>();
  const std::int64_t fraction = read_fraction(in, decimals);
  return in.failed() ? TimestampTz{} : moment_of(seconds, fraction);
}

// The decimal number HHMMSS, with a sign
Time read_old_time(ByteReader& in) {
  const std::uint32_t raw = u24(in);
  const bool is_negative = (raw & 0x80'0000) != 0;
  const std::uint32_t number = is_negative ? 0x100'0000 - raw : raw;
  const std::int64_t micros =
      micros_of(in, number / 10'000, number / 100 % 100, number % 100, hour_of_time_max);
  if (in.failed()) return {};
  return {is_negative ? -micros : micros};
}

// The decimal number YYYYMMDDHHMMSS
Timestamp read_old_datetime(ByteReader& in) {
  const auto number = in.le<std::uint64_t>();
  const std::uint64_t date = number / 1'000'000;
  const std::uint64_t time = number % 1'000'000;
  Timestamp moment;
  moment.date = date_of(in, date / 10'000, date / 100 % 100, date % 100);
  moment.micros = micros_of(in, time / 10'000, time / 100 % 100, time % 100, hour_of_day_max);
  return in.failed() ? Timestamp{} : moment;
}

TimestampTz read_old_timestamp(ByteReader& in) {
  const auto seconds = in.le<std::uint32_t>();
  return in.failed() ? TimestampTz{} : moment_of(seconds, 0);
}

// Units of the last digit since the least time that there is.
Time read_mariadb53_time(ByteReader& in, unsigned decimals) {
  constexpr std::array<std::size_t, 7> bytes = {3, 4, 4, 5, 5, 5, 6};
  constexpr std::int64_t zero_seconds = 838 * 3600 + 59 * 60 + 60;
  if (decimals > decimals_max) in.fail();
  if (in.failed()) return {};
  const std::int64_t micros =
      static_cast<std::int64_t>(big_endian(in, bytes[decimals])) * micros_of_digit[decimals] -
      zero_seconds * micros_per_second;
  constexpr std::int64_t limit = zero_seconds * micros_per_second;
  if (micros <= -limit || micros >= limit) in.fail();
  return in.failed() ? Time{} : Time{micros};
}

// Units of the last digit, in years of 13 months of 32 days.
Timestamp read_mariadb53_datetime(ByteReader& in, unsigned decimals) {
  constexpr std::array<std::size_t, 7> bytes = {5, 6, 6, 7, 7, 7, 8};
  if (decimals > decimals_max) in.fail();
  if (in.failed()) return {};
  const std::uint64_t units = big_endian(in, bytes[decimals]);
  const auto unit = static_cast<std::uint64_t>(micros_of_digit[decimals]);
  constexpr std::uint64_t day = micros_per_day;
  const std::uint64_t days = units / (day / unit);
  Timestamp moment;
  moment.date = date_of(in, days / 32 / 13, days / 32 % 13, days % 32);
  moment.micros = static_cast<std::int64_t>(units % (day / unit) * unit);
  return in.failed() ? Timestamp{} : moment;
}

TimestampTz read_mariadb53_timestamp(ByteReader& in, unsigned decimals) {
  const auto seconds = in.be<std::uint32_t>();
  if (decimals > decimals_max) in.fail();
  if (in.failed()) return {};
  const std::int64_t fraction =
      static_cast<std::int64_t>(big_endian(in, fraction_bytes(decimals))) *
      micros_of_digit[decimals];
  if (fraction >= micros_per_second) in.fail();
  return in.failed() ? TimestampTz{} : moment_of(seconds, fraction);
}

// 24 bits of microseconds below the others
Time read_packed_time(ByteReader& in) {
  const auto value = in.le<std::int64_t>();
  if (value == std::numeric_limits<std::int64_t>::min()) in.fail();
  if (in.failed()) return {};
  const auto magnitude = static_cast<std::uint64_t>(value < 0 ? -value : value);
  const auto fraction = static_cast<std::int64_t>(magnitude & 0xFF'FFFF);
  if (fraction >= micros_per_second) in.fail();
  const std::int64_t micros = time_of(in, magnitude >> 24) + fraction;
  if (in.failed()) return {};
  return {value < 0 ? -micros : micros};
}

Timestamp read_packed_datetime(ByteReader& in) {
  const auto value = in.le<std::int64_t>();
  if (value < 0) in.fail();
  const auto fraction = static_cast<std::int64_t>(value & 0xFF'FFFF);
  if (fraction >= micros_per_second) in.fail();
  return datetime_of(in, static_cast<std::uint64_t>(value) >> 24, fraction);
}

}  // namespace tidelog::mysql
