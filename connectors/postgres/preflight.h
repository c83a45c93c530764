// Everything that must hold on the server before we load or stream, looked at without changing
// anything. Used by Source::prepare, which stops at the first error, and by `tidelog check`, which
// prints them all, each with the statement that mends it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/publication.h"
#include "connectors/postgres/replica_identity.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/table_list.h"
#include "core/source_position.h"

namespace tidelog::postgres {

// What was found, and what prepare goes on with when no finding is an error.
struct Preflight {
  std::vector<Finding> findings;
  std::uint64_t system_id = 0;
  std::uint32_t timeline = 0;
  bool is_standby = false;
  std::optional<Slot> slot;
  std::vector<DatabaseTable> new_tables;  // configured, not yet in our publication, and ours to add
  std::vector<IdentityChange>
      identities;                         // configured, and ours to set: what to look at again then
  std::optional<Finding> as_text;         // why `binary`, which was asked for, is not to be had
  std::optional<Connection> replication;  // ready for a replication command
};

// `stored` is the position in the store, nothing for none. `last_reader` is the process id of our
// own last walsender, which may still hold the slot (0: none).
Preflight check_server(const PostgresOptions& options, const std::optional<PostgresResume>& stored,
                       std::int64_t last_reader);

}  // namespace tidelog::postgres
