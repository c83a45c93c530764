#include "connectors/postgres/retained_wal.h"

#include <fmt/format.h>

#include "connectors/postgres/slot.h"

namespace tidelog {

std::optional<std::string> over_ceiling(const PostgresOptions& options,
                                        std::optional<std::uint64_t> retained_bytes) {
  if (!options.retained_wal || !retained_bytes) return std::nullopt;
  if (*retained_bytes <= options.retained_wal->bytes_max) return std::nullopt;
  return fmt::format(
      "the slot {} holds back {} MiB of the server's log, and `retained_wal` allows {} MiB",
      postgres::slot_name(options), *retained_bytes >> 20, options.retained_wal->bytes_max >> 20);
}

namespace postgres {

std::optional<std::uint64_t> retained_bytes(const Slot& slot, Lsn server_end) {
  if (slot.restart == Lsn{}) return std::nullopt;
  return server_end > slot.restart ? server_end.value - slot.restart.value : 0;
}

}  // namespace postgres
}  // namespace tidelog
