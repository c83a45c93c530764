// Whether what the configuration says of columns can be: the keys and the transforms of a source,
// compared with the columns that its tables have. Used by preflight.
#pragma once

#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "core/result.h"

namespace tidelog::postgres {

struct CheckedTable {
  std::string schema;
  std::string table;
  // Its replica identity is going to be another one: what its key is cannot be said yet.
  bool is_in_change = false;
};

// Errors for what would store values that were not to be stored, or stop the stream.
Result<std::vector<Finding>> check_columns(Connection& connection, const PostgresOptions& options,
                                           const std::vector<CheckedTable>& captured);

}  // namespace tidelog::postgres
