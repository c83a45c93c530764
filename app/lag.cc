#include "app/lag.h"

#include <algorithm>

namespace tidelog {

void Lag::look(Lsn server_end, std::uint64_t bytes, UnixMicros now) {
  const std::uint64_t stored_end = server_end.value - std::min(bytes, server_end.value);
  if (stored_end >= looked_end_.value) {
    level_at_ = looked_at_;
    looked_end_ = server_end;
    looked_at_ = now;
  }
  bytes_ = bytes;
}

std::optional<double> Lag::seconds(UnixMicros last_commit, UnixMicros now) const {
  if (!bytes_) return std::nullopt;
  if (*bytes_ == 0) return 0.0;
  const std::int64_t since = std::max(last_commit.value, level_at_.value);
  if (since == 0) return std::nullopt;
  return static_cast<double>(std::max<std::int64_t>(now.value - since, 0)) / 1e6;
}

}  // namespace tidelog
