#include "connectors/postgres/publication.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidelog::postgres {

namespace {

constexpr std::string_view everything = "'insert, update, delete, truncate'";

std::string list_of(const std::vector<PublishedTable>& tables) {
  std::string list;
  for (const PublishedTable& table : tables) {
    if (!list.empty()) list += ", ";
    list += (table.partitioned ? "" : "ONLY ") + table.sql_name;
  }
  return list;
}

}  // namespace

bool Publication::has(std::string_view schema, std::string_view table) const {
  const auto found =
      std::ranges::lower_bound(tables, std::pair(schema, table), {}, [](const Table& t) {
        return std::pair<std::string_view, std::string_view>(t.schema, t.table);
      });
  return found != tables.end() && found->schema == schema && found->table == table;
}

Result<std::optional<Publication>> find_publication(Connection& connection,
                                                    const std::string& name) {
  TRY(const QueryResult found, connection.query(R"(
select puballtables, pubinsert and pubupdate and pubdelete and pubtruncate,
       not puballtables and not pg_is_in_recovery() and pg_has_role(pubowner, 'usage')
  from pg_publication where pubname = $1)",
                                                {name}));
  if (found.rows() == 0) return std::optional<Publication>();
  Publication publication;
  publication.name = name;
  publication.all_tables = found.boolean(0, 0);
  publication.complete = found.boolean(0, 1);
  publication.alterable = found.boolean(0, 2);
  TRY(const QueryResult tables,
      connection.query("select schemaname, tablename from pg_publication_tables "
                       "where pubname = $1 order by 1, 2",
                       {name}));
  for (std::size_t row = 0; row < tables.rows(); ++row) {
    publication.tables.push_back(
        {std::string(tables.text(row, 0)), std::string(tables.text(row, 1))});
  }
  std::ranges::sort(publication.tables);  // the server's order is that of a collation
  return std::optional(std::move(publication));
}

std::string create_publication_sql(const std::string& name,
                                   const std::vector<PublishedTable>& tables) {
  return fmt::format(
      "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = {}, publish_via_partition_root = true)",
      quote_identifier(name), list_of(tables), everything);
}

std::string add_tables_sql(const std::string& name, const std::vector<PublishedTable>& tables) {
  return fmt::format("ALTER PUBLICATION {} ADD TABLE {}", quote_identifier(name), list_of(tables));
}

std::string publish_everything_sql(const std::string& name) {
  return fmt::format("ALTER PUBLICATION {} SET (publish = {})", quote_identifier(name), everything);
}

}  // namespace tidelog::postgres
