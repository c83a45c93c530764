// Timelines (Postgres manual, "Timelines"): after a fail-over the log goes on under a new number,
// and what was written behind the switch point on the old one is not part of it. Used before
// streaming from a server that was promoted.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/result.h"

namespace tidelog::postgres {

struct TimelineSwitch {
  std::uint32_t timeline = 0;  // the one that was left
  Lsn at;
};

// A history file: lines of "number, X/Y, reason"; # begins a comment.
Result<std::vector<TimelineSwitch>> read_timeline_history(std::string_view text);

// Whether `position`, read on `timeline`, lies on the way to the server's current timeline.
bool leads_to(const std::vector<TimelineSwitch>& history, std::uint32_t timeline, Lsn position);

}  // namespace tidelog::postgres
