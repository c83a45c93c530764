// Clock: every reading of time goes through here, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMicros now() = 0;                                // the wall clock; may go back
  virtual std::chrono::steady_clock::time_point steady() = 0;  // for durations
};

std::unique_ptr<Clock> real_clock();

// "2026-11-24T10:00:00.000001Z"; always six fractional digits.
std::string print_time(UnixMicros time);
// The same form, with fewer or no fractional digits, a space for the T, an offset (+02, +02:00) or
// Z or none (UTC) after it; a date alone is its midnight. Also "-90s", "-5m", "-2h", "-1d": that
// long before `now`.
Result<UnixMicros> parse_time(std::string_view text, UnixMicros now);

}  // namespace tidelog
