#include "connectors/postgres/captured_tables.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <utility>

#include "connectors/postgres/copy_text.h"
#include "connectors/postgres/table_list.h"
#include "connectors/tables/stream_names.h"
#include "connectors/tables/table_pattern.h"

namespace tidelog::postgres {

namespace {

constexpr int column_lists_version = 150'000;         // and row filters
constexpr int published_generated_version = 180'000;  // generated columns may be published

// The publication decides: its tables, its column lists, its row filters.
constexpr const char* tables_sql = R"(
select c.oid, n.nspname, c.relname, c.relkind, c.relreplident, greatest(c.reltuples, 0)::int8,
       format('%I.%I', n.nspname, c.relname), {}
  from pg_publication_tables p
  join pg_namespace n on n.nspname = p.schemaname
  join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
 where p.pubname = $1 order by 2, 3)";

// Flags as pgoutput sends them: a full identity flags every column, an index or primary key its
// own.
constexpr const char* columns_sql = R"(
select a.attname, a.atttypid, a.atttypmod,
       c.relreplident = 'f' or exists (
         select from pg_index i where i.indrelid = c.oid
            and (c.relreplident = 'd' and i.indisprimary and i.indimmediate
                 or c.relreplident = 'i' and i.indisreplident)
            and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
  from pg_class c join pg_attribute a on a.attrelid = c.oid
 where c.oid = $1::oid and a.attnum > 0 and not a.attisdropped
   and ($2 = '' or a.attname = any (nullif($2, '')::name[])) and (a.attgenerated = '' or $3::bool)
 order by a.attnum)";

}  // namespace

ReplicaIdentity identity_of(std::string_view letter) {
  if (letter == "i") return ReplicaIdentity::index;
  if (letter == "f") return ReplicaIdentity::full;
  if (letter == "n") return ReplicaIdentity::nothing;
  return ReplicaIdentity::primary_key;
}

Result<std::vector<CapturedTable>> find_captured_tables(Connection& connection,
                                                        const PostgresOptions& options) {
  TRY(const TableChoice captured, captured_tables(options));
  const bool lists = connection.server_version() >= column_lists_version;
  const std::string sql = fmt::format(
      fmt::runtime(tables_sql), lists ? "p.attnames::text, coalesce(p.rowfilter, '')" : "'', ''");
  TRY(const QueryResult found, connection.query(sql, {publication_name(options)}));
  std::vector<CapturedTable> tables;
  StreamNames names;
  for (std::size_t row = 0; row < found.rows(); ++row) {
    if (!captured.has(found.text(row, 1), found.text(row, 2))) continue;
    CapturedTable table;
    TRY(table.name, names.take(found.text(row, 1), found.text(row, 2)));
    table.schema = {std::string(found.text(row, 1)),
                    std::string(found.text(row, 2)),
                    identity_of(found.text(row, 4)),
                    {}};
    TRY(const std::int64_t estimated, found.integer(row, 5));
    table.rows_estimated = static_cast<std::uint64_t>(estimated);
    table.oid = found.text(row, 0);
    const std::string_view only = found.text(row, 3) == "p" ? "" : "ONLY ";
    table.from = fmt::format("{}{}", only, found.text(row, 6));
    table.column_list = found.text(row, 7);
    table.filter = found.text(row, 8);
    TRY(const SelectOverride* const chosen,
        first_that_fits(options.selects, table.schema.table_schema, table.schema.table));
    if (chosen != nullptr) table.select = chosen->select;
    tables.push_back(std::move(table));
  }
  return tables;
}

Status describe(Connection& connection, RelationCatalog& catalog, CapturedTable& table) {
  const Schema& schema = table.schema;
  Relation relation{0, schema.table_schema, schema.table, schema.identity, {}};
  std::from_chars(table.oid.data(), table.oid.data() + table.oid.size(), relation.oid);
  const std::string generated =
      connection.server_version() >= published_generated_version ? "t" : "f";
  TRY(const QueryResult found,
      connection.query(columns_sql, {table.oid, table.column_list, generated}));
  for (std::size_t row = 0; row < found.rows(); ++row) {
    TRY(const std::int64_t type, found.integer(row, 1));
    TRY(const std::int64_t modifier, found.integer(row, 2));
    relation.columns.push_back({found.boolean(row, 3), std::string(found.text(row, 0)),
                                static_cast<std::uint32_t>(type),
                                static_cast<std::int32_t>(modifier)});
  }
  TRY(table.schema, catalog.schema_of(relation, {}, {latest}));
  TRY(const std::unique_ptr<RowTransform> transform, catalog.transform_of(relation));
  table.transform.reset();
  if (transform) table.transform = transform->without_left_out();
  return {};
}

std::string select_sql(const CapturedTable& table, const std::vector<std::string>& conditions) {
  std::string columns;
  for (const Column& column : table.schema.columns) {
    if (!columns.empty()) columns += ", ";
    columns += quote_identifier(column.name);
  }
  std::string where;
  const auto add = [&where](const std::string& condition) {
    if (!condition.empty())
      where += fmt::format("{} ({})", where.empty() ? " WHERE" : " AND", condition);
  };
  add(table.filter);
  for (const std::string& condition : conditions) add(condition);
  if (table.select.empty()) return fmt::format("SELECT {} FROM {}{}", columns, table.from, where);
  return fmt::format("SELECT {} FROM ({}) AS chosen{}", columns, table.select, where);
}

Result<std::vector<Schema>> schemas_of(Connection& connection, const PostgresOptions& options,
                                       const std::vector<std::string>& tables) {
  TRY(std::vector<CapturedTable> captured, find_captured_tables(connection, options));
  std::map<std::string_view, CapturedTable*> by_name;
  for (CapturedTable& table : captured) by_name.emplace(table.name, &table);
  SqlRelationCatalog catalog(options);
  std::vector<Schema> schemas;
  for (const std::string& name : tables) {
    const auto found = by_name.find(name);
    if (found == by_name.end())
      return fail(Code::unavailable, fmt::format("the table {} is no longer published", name));
    TRY_DO(describe(connection, catalog, *found->second));
    schemas.push_back(std::move(found->second->schema));
  }
  return schemas;
}

Status CopiedRow::read(Connection::CopyRow row, CapturedTable& table, EventBody& event) {
  fields_.resize(table.schema.columns.size());
  if (auto split = split_copy_line(row.bytes, row.size, fields_); !split)
    return fail_in("loading " + table.name, std::move(split).error());
  const Tuple* stored = &fields_;
  if (table.transform) {
    TRY(stored, table.transform->stored(fields_));
  }
  if (auto encoded = row_.encode(table.schema, {}, *stored, nullptr); !encoded)
    return fail_in("loading", std::move(encoded).error());
  TRY(const std::string_view key, row_.key(table.schema));
  event.type = EventType::load;
  event.key.reset();
  if (!key.empty()) event.key = key;
  event.body = row_.row();
  return {};
}

}  // namespace tidelog::postgres
