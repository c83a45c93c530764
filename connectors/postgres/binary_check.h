// Whether all that a source captures can be read in binary form, before it is asked for. Used by
// the checks of tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "core/result.h"

namespace tidelog::postgres {

struct SentTable {
  std::string oid;
  std::string columns;  // that are sent, as an array literal; empty: all
};

// A warning that names the first column that cannot, unless it is left out of what is stored.
Result<std::optional<Finding>> check_binary(Connection& connection, const PostgresOptions& options,
                                            const std::vector<SentTable>& tables);

}  // namespace tidelog::postgres
