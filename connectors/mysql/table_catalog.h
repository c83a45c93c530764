// What a server's catalog says of a table, as a table map with full metadata would say it: so rows
// that are read and rows of the log have one schema. For the reader of existing rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/statement.h"
#include "connectors/mysql/table_map.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

namespace tidelog::mysql {

struct CatalogTable {
  TableMap map;
  std::vector<std::string> types;  // DATA_TYPE of each column: "int", "uuid"
  std::string engine;              // "InnoDB"
  // A unique index that has whole key columns in rising order, and no others: its columns as places
  // in the map. Empty: there is none.
  std::string key_index;
  std::vector<std::size_t> key_order;
  std::uint64_t rows_estimated = 0;
  std::uint64_t bytes_estimated = 0;
};

// Misconfigured: there is no such table that we may see. Unsupported: a type that is not known, or
// system versioning; with the table and column.
Result<CatalogTable> look_up_table(Connection& connection, const NamedTable& named,
                                   const StopSignal& stop);

// `name` as the server reads it in any sql_mode; `database`.`table`.
std::string quote_name(std::string_view name);
std::string quote_name(const NamedTable& named);

}  // namespace tidelog::mysql
