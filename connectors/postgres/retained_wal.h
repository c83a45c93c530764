// What a slot holds back of the server's log, against what the configuration allows
// (`retained_wal`). Used by preflight, and by `run` while it works.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "connectors/postgres/options.h"
#include "core/ids.h"

namespace tidelog {

// What to say when it is more than allowed; nothing when it is not, or there is no ceiling.
std::optional<std::string> over_ceiling(const PostgresOptions& options,
                                        std::optional<std::uint64_t> retained_bytes);

namespace postgres {

struct Slot;

// Nothing when the server keeps none of its log for the slot any more.
std::optional<std::uint64_t> retained_bytes(const Slot& slot, Lsn server_end);

}  // namespace postgres
}  // namespace tidelog
