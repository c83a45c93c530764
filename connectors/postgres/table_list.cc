#include "connectors/postgres/table_list.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace tidelog::postgres {

namespace {

// A partitioned table logs what its leaves log, so it has an identity when all of them have one. To
// the server a primary key that is deferrable is none: two rows may have it for a while.
constexpr const char* tables_sql = R"(
select c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname), c.relkind, c.relpersistence,
       case when c.relispartition then pg_partition_root(c.oid)::oid else 0 end,
       has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'SELECT'),
       pg_has_role(c.relowner, 'USAGE'),
       c.relkind not in ('r', 'p') or not exists (
         select from pg_class l
          where l.relkind = 'r' and l.oid in (select c.oid union all select relid from pg_partition_tree(c.oid))
            and not (l.relreplident = 'f' or exists (
              select from pg_index i where i.indrelid = l.oid
                and (l.relreplident = 'd' and i.indisprimary and i.indimmediate
                     or l.relreplident = 'i' and i.indisreplident)))),
       (select sum(pg_stat_get_tuples_updated(l.oid) + pg_stat_get_tuples_deleted(l.oid)) > 0
          from (select c.oid union all select relid from pg_partition_tree(c.oid)) l(oid)),
       c.relrowsecurity and row_security_active(c.oid)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f')
   and n.nspname not like 'pg\_%' and n.nspname not in ('information_schema', 'tidelog')
 order by 2, 3)";

std::string_view name_of_kind(char kind) {
  if (kind == 'v') return "a view";
  if (kind == 'm') return "a materialized view";
  return "a foreign table";
}

Finding warning(std::string what, std::string mend) {
  return {Finding::Severity::warning, Code::misconfigured, std::move(what), std::move(mend)};
}

// What keeps a relation from having changes that can be captured.
std::optional<Finding> obstacle(const DatabaseTable& table) {
  if (table.kind != 'r' && table.kind != 'p') {
    return Finding{Finding::Severity::error, Code::misconfigured,
                   fmt::format("{} is {}: only tables have changes to capture", table.sql_name,
                               name_of_kind(table.kind)),
                   "name the tables that it reads"};
  }
  if (table.persistence == 't') {
    return Finding{Finding::Severity::error, Code::misconfigured,
                   table.sql_name + " is a temporary table: its changes are not logged",
                   "leave it out"};
  }
  if (table.persistence == 'u') {
    return Finding{Finding::Severity::error, Code::misconfigured,
                   table.sql_name + " is an unlogged table: its changes are not logged",
                   fmt::format("ALTER TABLE {} SET LOGGED;", table.sql_name)};
  }
  return std::nullopt;
}

// "its tables are: public.a, public.b, …"
std::string tables_nearby(const std::vector<DatabaseTable>& all, const TablePattern& pattern) {
  constexpr std::size_t shown_max = 8;
  std::vector<std::string> names;
  for (const DatabaseTable& table : all) {
    if (pattern.schema.matches(table.schema)) names.push_back(table.sql_name);
  }
  if (names.empty()) return "no tables are in a schema of that name";
  const bool more = names.size() > shown_max;
  names.resize(std::min(names.size(), shown_max));
  return fmt::format("that schema has {}{}", fmt::join(names, ", "), more ? ", …" : "");
}

Finding nothing_matches(const std::vector<DatabaseTable>& all, const TablePattern& pattern) {
  if (!pattern.literal()) return warning("the pattern " + pattern.text + " matches no table", "");
  return {Finding::Severity::error, Code::misconfigured,
          fmt::format("the table {} does not exist; {}", pattern.text, tables_nearby(all, pattern)),
          "correct its name in the configuration; letters are compared as they are"};
}

using Oids = absl::flat_hash_set<std::int64_t>;

void select_by(const TablePattern& pattern, const std::vector<DatabaseTable>& all,
               const TableChoice& choice, TableSelection& selection, Oids& selected) {
  bool any = false;
  for (const DatabaseTable& table : all) {
    if (!pattern.matches(table.schema, table.name)) continue;
    any = true;
    if (choice.leaves_out(table.schema, table.name)) continue;
    if (selected.contains(table.oid)) continue;
    const std::optional<Finding> found = obstacle(table);
    if (!found) {
      selected.insert(table.oid);
      selection.tables.push_back(table);
      selection.tables.back().named = pattern.literal();
    } else if (pattern.literal()) {
      selection.findings.push_back(*found);
    } else if (table.kind == 'r') {
      selection.findings.push_back(warning(found->what, found->mend));
    }
  }
  if (!any) selection.findings.push_back(nothing_matches(all, pattern));
}

}  // namespace

Result<std::vector<DatabaseTable>> list_tables(Connection& connection) {
  TRY(const QueryResult found, connection.query(tables_sql, {}));
  std::vector<DatabaseTable> tables;
  tables.reserve(found.rows());
  for (std::size_t row = 0; row < found.rows(); ++row) {
    DatabaseTable table;
    TRY(table.oid, found.integer(row, 0));
    table.schema = found.text(row, 1);
    table.name = found.text(row, 2);
    table.sql_name = found.text(row, 3);
    table.kind = found.text(row, 4).front();
    table.persistence = found.text(row, 5).front();
    TRY(table.partition_root, found.integer(row, 6));
    table.schema_usage = found.boolean(row, 7);
    table.selectable = found.boolean(row, 8);
    table.owned = found.boolean(row, 9);
    table.identity = found.boolean(row, 10);
    table.rewritten = found.boolean(row, 11);
    table.row_security = found.boolean(row, 12);
    tables.push_back(std::move(table));
  }
  return tables;
}

Result<TableChoice> captured_tables(const PostgresOptions& options) {
  TRY(TableChoice choice, parse_table_choice(options.tables, options.except));
  if (owns_publication(options)) choice.wanted.clear();
  return choice;
}

TableSelection select_tables(const std::vector<DatabaseTable>& all, const TableChoice& choice) {
  TableSelection selection;
  Oids selected;
  for (const bool literal : {true, false}) {  // so that a table which is named is known as named
    for (const TablePattern& pattern : choice.wanted) {
      if (pattern.literal() == literal) select_by(pattern, all, choice, selection, selected);
    }
  }
  std::erase_if(selection.tables, [&](const DatabaseTable& table) {
    return table.partition_root != 0 && selected.contains(table.partition_root);
  });
  return selection;
}

std::vector<Finding> check_exceptions(const std::vector<DatabaseTable>& all,
                                      const TableChoice& choice,
                                      const std::function<bool(const DatabaseTable&)>& comes) {
  std::vector<Finding> findings;
  for (const TablePattern& pattern : choice.except) {
    const bool any = std::ranges::any_of(
        all, [&](const DatabaseTable& table) { return pattern.matches(table.schema, table.name); });
    if (!any) findings.push_back(nothing_matches(all, pattern));
  }
  for (const DatabaseTable& table : all) {
    if (table.partition_root == 0 || !choice.leaves_out(table.schema, table.name)) continue;
    const auto root = std::ranges::find(all, table.partition_root, &DatabaseTable::oid);
    if (root == all.end() || choice.leaves_out(root->schema, root->name) || !comes(*root)) continue;
    findings.push_back({Finding::Severity::error, Code::misconfigured,
                        fmt::format("{} cannot be left out: it is a partition of {}, whose changes "
                                    "hold its own",
                                    table.sql_name, root->sql_name),
                        fmt::format("leave {} out as well and name the partitions that are wanted, "
                                    "or take {} from `except`",
                                    root->sql_name, table.sql_name)});
  }
  return findings;
}

std::vector<PublishedTable> published(const std::vector<DatabaseTable>& tables) {
  std::vector<PublishedTable> list;
  for (const DatabaseTable& table : tables) list.push_back({table.sql_name, table.kind == 'p'});
  return list;
}

}  // namespace tidelog::postgres
