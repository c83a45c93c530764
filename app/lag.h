// Lag: how far a source is behind its database, from looks at both ends a few seconds apart. For
// `source status`.
#pragma once

#include <cstdint>
#include <optional>

#include "core/ids.h"

namespace tidelog {

// One thread at a time.
class Lag {
 public:
  // At `now` the database's log ended at `server_end`, of which so much was not stored yet: bytes,
  // or whatever that database counts in.
  void look(std::uint64_t server_end, std::uint64_t missing, UnixMicros now);
  // The database did not answer.
  void not_known() { missing_.reset(); }

  std::optional<std::uint64_t> missing() const { return missing_; }
  // Since when something may be missing, told from both the last stored commit and the last look
  // whose whole log is stored by now: tables that rest while others write are not behind.
  std::optional<double> seconds(UnixMicros last_commit, UnixMicros now) const;

 private:
  std::optional<std::uint64_t> missing_;
  std::uint64_t looked_end_ = 0;
  UnixMicros looked_at_;
  UnixMicros level_at_;  // all that the log held then is stored
};

}  // namespace tidelog
