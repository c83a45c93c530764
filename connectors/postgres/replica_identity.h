// The replica identities that the configuration wants tables to have. Used by preflight, which says
// what is missing, and by the source, which sees to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/table_list.h"
#include "core/result.h"

namespace tidelog::postgres {

// A table that has another identity than it is to have. Of a partitioned table also one for each
// partition.
struct IdentityChange {
  std::int64_t table = 0;     // oid of the captured table
  std::string sql_name;       // of the one that is changed
  std::string statement;      // ALTER TABLE … REPLICA IDENTITY …
  bool is_ours = true;        // we may do that
  bool logs_old_rows = true;  // then updates and deletes can be logged
  std::string obstacle;       // why nobody can; empty: nothing is in the way
};

Result<std::vector<IdentityChange>> identity_changes(Connection& connection,
                                                     const PostgresOptions& options,
                                                     const std::vector<DatabaseTable>& tables);

// Waits for each table's lock no longer than a moment: Code::timeout then.
Status set_identities(Connection& connection, const std::vector<IdentityChange>& changes);

}  // namespace tidelog::postgres
