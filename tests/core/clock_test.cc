#include "core/clock.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/calendar.h"

namespace tidelog::testing {
namespace {

constexpr UnixMicros now{1'795'000'000'000'000};

// Microseconds, or the most negative number when the text is refused.
std::int64_t parsed(std::string_view text) {
  const auto time = parse_time(text, now);
  return time ? time->value : std::numeric_limits<std::int64_t>::min();
}

TEST_CASE("calendar: each day of 800 years follows the one before it") {
  std::int64_t days = days_from_civil({-400, 1, 1});
  for (std::int64_t year = -400; year < 400; ++year) {
    for (unsigned month = 1; month <= 12; ++month) {
      for (unsigned day = 1; day <= days_in_month(year, month); ++day, ++days) {
        const CivilDay civil = civil_from_days(days);
        const bool same = days_from_civil({year, month, day}) == days && civil.year == year &&
                          civil.month == month && civil.day == day;
        if (!same) FAIL("day " << days << " is not " << year << '-' << month << '-' << day);
      }
    }
  }
}

TEST_CASE("calendar: days that are known") {
  CHECK(days_from_civil({1970, 1, 1}) == 0);
  CHECK(days_from_civil({2000, 1, 1}) == 10'957);
  CHECK(days_from_civil({-4712, 1, 1}) == -2'440'550);  // Postgres: '4713-01-01 BC'
  CHECK(days_from_civil({1969, 12, 31}) == -1);
}

TEST_CASE("time: printed with six fractional digits, in UTC") {
  CHECK(print_time({0}) == "1970-01-01T00:00:00.000000Z");
  CHECK(print_time({1'795'514'400'000'001}) == "2026-11-24T10:00:00.000001Z");
  CHECK(print_time({-1}) == "1969-12-31T23:59:59.999999Z");
  CHECK(print_time({951'782'400'000'000}) == "2000-02-29T00:00:00.000000Z");
}

TEST_CASE("time: the extremes can be printed") {
  CHECK(print_time({std::numeric_limits<std::int64_t>::max()}) == "294247-01-10T04:00:54.775807Z");
  CHECK(print_time({std::numeric_limits<std::int64_t>::min()}) == "-290308-12-21T19:59:05.224192Z");
}

TEST_CASE("time: what is printed is parsed again") {
  for (const std::int64_t micros :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'795'514'400'000'001},
        std::int64_t{253'402'300'799'999'999}, std::int64_t{-62'167'219'200'000'000}}) {
    CHECK(parsed(print_time({micros})) == micros);
  }
}

TEST_CASE("time: shorter forms") {
  const std::int64_t ten = 1'795'514'400'000'000;
  for (const char* text :
       {"2026-11-24T10:00:00Z", "2026-11-24T10:00:00", "2026-11-24 10:00:00", "2026-11-24 10:00",
        "2026-11-24T10:00:00.0Z", "2026-11-24T12:00:00+02", "2026-11-24T12:30:00+02:30",
        "2026-11-24T04:30:00-05:30", "2026-11-24 10:00:00.000000+00"}) {
    CAPTURE(text);
    CHECK(parsed(text) == ten);
  }
  CHECK(parsed("2026-11-24T10:00:00.25Z") == ten + 250'000);
}

TEST_CASE("time: a date alone is its midnight") {
  CHECK(parsed("2026-11-24") == 1'795'478'400'000'000);
  CHECK(parsed("2024-02-29") == 1'709'164'800'000'000);
}

TEST_CASE("time: so long before now") {
  CHECK(parsed("-90s") == now.value - 90'000'000);
  CHECK(parsed("-5m") == now.value - 300'000'000);
  CHECK(parsed("-2h") == now.value - 7'200'000'000);
  CHECK(parsed("-1d") == now.value - 86'400'000'000);
  CHECK(parsed("-0s") == now.value);
}

TEST_CASE("time: a malformed one is misconfigured and named") {
  for (const char* text : {"",
                           "-",
                           "-5",
                           "-s",
                           "-5w",
                           "--5m",
                           "-5 m",
                           "-99999999999s",
                           "-4294967295d5",
                           "tomorrow",
                           "2026",
                           "2026-11",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-02-29",
                           "2026-11-31",
                           "2026-11-24T",
                           "2026-11-24 ",
                           "2026-11-24T10",
                           "2026-11-24T24:00:00",
                           "2026-11-24T10:60:00",
                           "2026-11-24T10:00:60",
                           "2026-11-24T10:00:00.",
                           "2026-11-24T10:00:00.1234567",
                           "2026-11-24T10:00:00+2",
                           "2026-11-24T10:00:00+02:3",
                           "2026-11-24T10:00:00Zx",
                           "2026-11-24_10:00:00",
                           "02026-11-24"}) {
    CAPTURE(text);
    const auto time = parse_time(text, now);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == Code::misconfigured);
    CHECK(time.error().what.starts_with("'" + std::string(text) + "' is no time"));
  }
}

TEST_CASE("time: before all that can be counted is refused") {
  CHECK_FALSE(parse_time("-1d", {std::numeric_limits<std::int64_t>::min() + 1}));
}

TEST_CASE("clock: the real one is after this was written, and its durations do not go back") {
  const auto clock = real_clock();
  CHECK(clock->now() > UnixMicros{1'764'000'000'000'000});
  const auto first = clock->steady();
  CHECK(clock->steady() >= first);
}

}  // namespace
}  // namespace tidelog::testing
