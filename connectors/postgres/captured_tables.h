// The captured tables as their existing rows are read: what the publication sends of each, how it
// is written in SQL, and its schema as a streamed RELATION would give it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/row_encoder.h"
#include "connectors/postgres/row_transform.h"
#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/source.h"

namespace tidelog::postgres {

struct CapturedTable {
  std::string name;  // "public.orders"
  Schema schema;     // without columns, until describe()
  std::uint64_t rows_estimated = 0;
  std::string oid;
  std::string from;         // "ONLY public.orders"
  std::string select;       // rows are read from this query instead; empty: from the table
  std::string filter;       // the publication's row filter; empty: none
  std::string column_list;  // as an array literal; empty: all columns
  // Of rows with the schema's columns, until describe(); nothing: they are stored as they are.
  std::optional<RowTransform> transform = {};
};

// As the server writes it in pg_class: d default, i index, f full, n nothing.
ReplicaIdentity identity_of(std::string_view letter);

// By schema and name.
Result<std::vector<CapturedTable>> find_captured_tables(Connection& connection,
                                                        const PostgresOptions& options);

// The columns of its schema, through the same catalog as a RELATION.
Status describe(Connection& connection, RelationCatalog& catalog, CapturedTable& table);

// Of captured tables by their names, in this order.
Result<std::vector<Schema>> schemas_of(Connection& connection, const PostgresOptions& options,
                                       const std::vector<std::string>& tables);

// SELECT of all columns of the schema, with the publication's row filter and these conditions.
std::string select_sql(const CapturedTable& table, const std::vector<std::string>& conditions);

// Rows of COPY … TO STDOUT, as `load` events. One thread.
class CopiedRow {
 public:
  // The event borrows from here and from the row. Its stream and ordinal are the caller's.
  Status read(Connection::CopyRow row, CapturedTable& table, EventBody& event);
  // The column's text in the row that was read last, as the server sent it.
  std::string_view text(std::size_t column) const { return fields_[column].bytes; }

 private:
  Tuple fields_;
  EncodedRow row_;
};

}  // namespace tidelog::postgres
