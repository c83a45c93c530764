// The tables of the database, and which of them the configuration means. Used by preflight and the
// source.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/publication.h"
#include "connectors/tables/table_pattern.h"
#include "core/result.h"

namespace tidelog::postgres {

// A relation that rows can be read from, as pg_class and friends describe it.
struct DatabaseTable {
  std::int64_t oid = 0;
  std::string schema;
  std::string name;
  std::string sql_name;  // quoted where needed
  char kind = 'r';       // relkind: r table, p partitioned, v view, m materialized view, f foreign
  char persistence = 'p';           // relpersistence: p permanent, u unlogged, t temporary
  std::int64_t partition_root = 0;  // of a partition; 0: it is none
  bool schema_usage = true;         // we may look into its schema
  bool selectable = true;           // we may read and lock it
  bool owned = true;                // we may add it to a publication
  bool identity = true;             // updates and deletes of it can be logged
  bool rewritten = false;           // it has seen updates or deletes
  bool row_security = false;        // a policy would hide rows from us
  bool named = false;               // by a pattern without wildcards
};

// All but the system's own, by schema and name.
Result<std::vector<DatabaseTable>> list_tables(Connection& connection);

struct TableSelection {
  std::vector<DatabaseTable> tables;
  std::vector<Finding>
      findings;  // patterns that mean nothing, or something that has no changes to capture
};
// Of the tables that the publication sends: what our own holds was configured, also once it is
// renamed; one that was named is narrowed by the patterns.
Result<TableChoice> captured_tables(const PostgresOptions& options);

// Pure. Of what is wanted by name or pattern: a partition is left out when its root is in.
TableSelection select_tables(const std::vector<DatabaseTable>& all, const TableChoice& choice);

// What was to be left out, but comes all the same: by a misspelt name, or as its root's changes.
// `comes`: whether a partitioned table's changes are sent as its own.
std::vector<Finding> check_exceptions(const std::vector<DatabaseTable>& all,
                                      const TableChoice& choice,
                                      const std::function<bool(const DatabaseTable&)>& comes);

std::vector<PublishedTable> published(const std::vector<DatabaseTable>& tables);

}  // namespace tidelog::postgres
