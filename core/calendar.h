// The proleptic Gregorian calendar as arithmetic: no time zone, no table of the operating system.
// Year 0 is 1 BC.
#pragma once

#include <cstdint>

namespace tidelog {

struct CivilDay {
  std::int64_t year = 0;
  unsigned month = 1;
  unsigned day = 1;
};

inline constexpr std::int64_t micros_per_second = 1'000'000;
inline constexpr std::int64_t micros_per_minute = 60 * micros_per_second;
inline constexpr std::int64_t micros_per_hour = 60 * micros_per_minute;
inline constexpr std::int64_t micros_per_day = 24 * micros_per_hour;

// Years are counted from March, so that the leap day is a year's last day; 400 such years (an era)
// have 146,097 days, and day 0 (1970-01-01) is 719,468 days after 0000-03-01.
inline constexpr std::int64_t days_per_era = 146'097;
inline constexpr std::int64_t epoch_shift_days = 719'468;

constexpr std::int64_t floor_divided(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

// Days since 1970-01-01.
constexpr std::int64_t days_from_civil(CivilDay civil) {
  const std::int64_t year = civil.year - (civil.month <= 2 ? 1 : 0);
  const std::int64_t era = floor_divided(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (static_cast<std::int64_t>(civil.month) + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + civil.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * days_per_era + day_of_era - epoch_shift_days;
}

constexpr CivilDay civil_from_days(std::int64_t days) {
  const std::int64_t shifted = days + epoch_shift_days;
  const std::int64_t era = floor_divided(shifted, days_per_era);
  const std::int64_t day_of_era = shifted - era * days_per_era;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilDay civil;
  civil.day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  civil.month = static_cast<unsigned>((month_from_march + 2) % 12 + 1);
  civil.year = era * 400 + year_of_era + (civil.month <= 2 ? 1 : 0);
  return civil;
}

constexpr bool is_leap_year(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

constexpr unsigned days_in_month(std::int64_t year, unsigned month) {
  if (month == 2) return is_leap_year(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

}  // namespace tidelog
