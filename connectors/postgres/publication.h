// The publication: which tables the server sends. Ours is made for exactly the tables of the
// configuration; one that is named there is only looked at. Used by preflight and the source.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "core/result.h"

namespace tidelog::postgres {

// A row of pg_publication, with what it sends.
struct Publication {
  std::string name;
  bool all_tables = false;
  bool complete = false;   // inserts, updates, deletes and truncates
  bool alterable = false;  // tables may be added to it by us, here
  struct Table {
    std::string schema;
    std::string table;
    auto operator<=>(const Table&) const = default;
  };
  std::vector<Table> tables;  // sorted, byte by byte
  bool has(std::string_view schema, std::string_view table) const;
};

Result<std::optional<Publication>> find_publication(Connection& connection,
                                                    const std::string& name);

// A table as statements name it.
struct PublishedTable {
  std::string sql_name;      // quoted where needed
  bool partitioned = false;  // its partitions belong to it; an ordinary table's children do not
};

// CREATE PUBLICATION … FOR TABLE …; a partition's changes come as its root's.
std::string create_publication_sql(const std::string& name,
                                   const std::vector<PublishedTable>& tables);
std::string add_tables_sql(const std::string& name, const std::vector<PublishedTable>& tables);
std::string publish_everything_sql(const std::string& name);

}  // namespace tidelog::postgres
