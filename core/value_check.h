// Which values have a stored form: what value_codec.cc writes and accepts, and value_text.cc lets
// through.
#pragma once

#include <string_view>

#include "core/calendar.h"
#include "core/value.h"

namespace tidelog {

// Month and day are not checked against each other: MySQL can store 31 February. Zero months and
// days are MySQL's alone, and so are years 0 to 9999 beside them.
constexpr bool is_storable(const Date& date) {
  if (date.infinity != Infinity::none) return true;
  if (date.month > 12 || date.day > 31) return false;
  return (date.month != 0 && date.day != 0) || (date.year >= 0 && date.year <= 9999);
}

constexpr bool is_micros_of_day(std::int64_t micros) {
  return micros >= 0 && micros < micros_per_day;
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// -? digits (. digits)?, or NaN, Infinity, -Infinity
constexpr bool is_decimal(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t first = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at == first) return text == "NaN" || text == "Infinity" || text == "-Infinity";
  if (at == text.size()) return true;
  if (text[at] != '.') return false;
  const std::size_t fraction = ++at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return at == text.size() && at > fraction;
}

}  // namespace tidelog
