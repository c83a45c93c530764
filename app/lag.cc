#include "app/lag.h"

#include <algorithm>

namespace tidelog {

void Lag::look(std::uint64_t server_end, std::uint64_t missing, UnixMicros now) {
  const std::uint64_t stored_end = server_end - std::min(missing, server_end);
  if (stored_end >= looked_end_) {
    level_at_ = looked_at_;
    looked_end_ = server_end;
    looked_at_ = now;
  }
  missing_ = missing;
}

std::optional<double> Lag::seconds(UnixMicros last_commit, UnixMicros now) const {
  if (!missing_) return std::nullopt;
  if (*missing_ == 0) return 0.0;
  const std::int64_t since = std::max(last_commit.value, level_at_.value);
  if (since == 0) return std::nullopt;
  return static_cast<double>(std::max<std::int64_t>(now.value - since, 0)) / 1e6;
}

}  // namespace tidelog
