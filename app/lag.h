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
  // At `now` the database's log ended at `server_end`, of which `bytes` were not stored yet.
  void look(Lsn server_end, std::uint64_t bytes, UnixMicros now);
  // The database did not answer.
  void not_known() { bytes_.reset(); }

  std::optional<std::uint64_t> bytes() const { return bytes_; }
  // Since when something may be missing, told from both the last stored commit and the last look
  // whose whole log is stored by now: tables that rest while others write are not behind.
  std::optional<double> seconds(UnixMicros last_commit, UnixMicros now) const;

 private:
  std::optional<std::uint64_t> bytes_;
  Lsn looked_end_;
  UnixMicros looked_at_;
  UnixMicros level_at_;  // all that the log held then is stored
};

}  // namespace tidelog
