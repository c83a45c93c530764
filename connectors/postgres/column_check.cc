#include "connectors/postgres/column_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/transform_rules.h"
#include "connectors/tables/table_pattern.h"

namespace tidelog::postgres {

namespace {

// A row for each column, by table and place.
constexpr const char* columns_sql = R"(
select w.place, c.oid, c.relreplident, a.attname
  from unnest($1::text[], $2::text[]) with ordinality as w(schema, name, place)
  join pg_namespace n on n.nspname = w.schema
  join pg_class c on c.relnamespace = n.oid and c.relname = w.name
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 order by w.place, a.attnum)";

constexpr std::size_t shown_max = 12;

struct TableColumns {
  CheckedTable table;
  std::string oid;
  ReplicaIdentity identity = ReplicaIdentity::primary_key;
  std::vector<std::string> names;
  std::string name() const { return table.schema + "." + table.table; }
};

bool has_errors(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, [](const Finding& finding) {
    return finding.severity == Finding::Severity::error;
  });
}

Finding finding(Finding::Severity severity, std::string what, std::string mend) {
  return {severity, Code::misconfigured, std::move(what), std::move(mend)};
}

class ColumnCheck {
 public:
  ColumnCheck(Connection& connection, const PostgresOptions& options,
              const std::vector<CheckedTable>& captured)
      : connection_(connection), options_(options), captured_(captured) {}

  Result<std::vector<Finding>> run() && {
    TRY(rules_, TransformRules::parse(options_.transforms));
    for (const KeyOverride& key : options_.keys) {
      TRY(TablePattern pattern, parse_table_pattern(key.table));
      key_tables_.push_back(std::move(pattern));
    }
    TRY_DO(read_tables());
    check_key_patterns();
    for (const TransformRules::Rule& rule : rules_.rules()) check_rule(rule);
    TRY_DO(check_relations());
    return std::move(findings_);
  }

 private:
  bool has_key_override(const CheckedTable& table) const {
    return std::ranges::any_of(key_tables_, [&](const TablePattern& pattern) {
      return pattern.matches(table.schema, table.table);
    });
  }

  // By a rule that is for no other table.
  bool is_named(const CheckedTable& table) const {
    return std::ranges::any_of(rules_.rules(), [&](const TransformRules::Rule& rule) {
      return std::ranges::any_of(rule.columns, [&](const ColumnPattern& pattern) {
        return pattern.table.literal() && pattern.table.matches(table.schema, table.table);
      });
    });
  }

  // Those that the configuration says something about.
  Status read_tables() {
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    for (const CheckedTable& table : captured_) {
      if (!rules_.concern(table.schema, table.table) && !has_key_override(table)) continue;
      schemas.push_back(table.schema);
      names.push_back(table.table);
      tables_.emplace_back().table = table;
    }
    if (tables_.empty()) return {};
    TRY(const QueryResult found,
        connection_.query(columns_sql, {array_literal(schemas), array_literal(names)}));
    for (std::size_t row = 0; row < found.rows(); ++row) {
      TRY(const std::int64_t place, found.integer(row, 0));
      TableColumns& table = tables_.at(static_cast<std::size_t>(place - 1));
      table.oid = found.text(row, 1);
      table.identity = identity_of(found.text(row, 2));
      table.names.emplace_back(found.text(row, 3));
    }
    return {};
  }

  void check_key_patterns() {
    for (const TablePattern& pattern : key_tables_) {
      const bool any = std::ranges::any_of(captured_, [&](const CheckedTable& table) {
        return pattern.matches(table.schema, table.table);
      });
      if (any) continue;
      findings_.push_back(finding(
          pattern.literal() ? Finding::Severity::error : Finding::Severity::warning,
          fmt::format("`keys` has {}, and no table that is captured is called so", pattern.text),
          "correct the table's name, or take it from `keys`"));
    }
  }

  // What fits nothing was meant for something that would be stored as it is.
  void check_rule(const TransformRules::Rule& rule) {
    for (const ColumnPattern& pattern : rule.columns) {
      std::vector<const TableColumns*> meant;
      bool has_column = false;
      for (const TableColumns& table : tables_) {
        if (!pattern.table.matches(table.table.schema, table.table.table)) continue;
        meant.push_back(&table);
        has_column = has_column || std::ranges::any_of(table.names, [&](const std::string& name) {
                       return pattern.column.matches(name);
                     });
      }
      if (!has_column) no_column(pattern, meant);
    }
  }

  void no_column(const ColumnPattern& pattern, const std::vector<const TableColumns*>& meant) {
    if (meant.empty()) {
      findings_.push_back(
          finding(Finding::Severity::error,
                  fmt::format("`transforms` has {}, and no table that is captured is called so",
                              pattern.text),
                  "correct the table's name, or take the column from `transforms`"));
      return;
    }
    std::vector<std::string> names = meant.front()->names;
    const bool more = names.size() > shown_max;
    names.resize(std::min(names.size(), shown_max));
    const bool is_literal = pattern.column.literal();
    findings_.push_back(finding(
        is_literal ? Finding::Severity::error : Finding::Severity::warning,
        fmt::format("`transforms` has {}, and no such column is there; {} has {}{}", pattern.text,
                    meant.front()->name(), fmt::join(names, ", "), more ? ", …" : ""),
        is_literal ? fmt::format("correct the column's name; one that is gone, and is still in "
                                 "changes that are to be read, is written as a pattern: {}*",
                                 pattern.text)
                   : ""));
  }

  using Published = std::map<std::pair<std::string, std::string>, CapturedTable>;

  // What the stream would say of a table, before it has to.
  Status check_relations() {
    if (has_errors(findings_)) return {};  // that is told already, and better
    Published published;
    std::optional<SqlRelationCatalog> catalog;
    for (const TableColumns& table : tables_) {
      if (table.table.is_in_change || table.oid.empty() || !may_be_wrong(table)) continue;
      if (!catalog) {
        catalog.emplace(options_);
        TRY(std::vector<CapturedTable> all, find_captured_tables(connection_, options_));
        for (CapturedTable& one : all) {
          std::pair name(one.schema.table_schema, one.schema.table);
          published.emplace(std::move(name), std::move(one));
        }
      }
      TRY_DO(check_relation(table, published, *catalog));
    }
    return {};
  }

  bool may_be_wrong(const TableColumns& table) const {
    if (has_key_override(table.table) || is_named(table.table)) return true;
    return std::ranges::any_of(table.names, [&](const std::string& name) {
      const auto decision = rules_.of(table.table.schema, table.table.table, name);
      return decision.is_left_out ||
             (changes_values(decision.kind) && decision.kind != Transform::hashed);
    });
  }

  Status check_relation(const TableColumns& table, const Published& published,
                        SqlRelationCatalog& catalog) {
    CapturedTable described;
    const auto known = published.find({table.table.schema, table.table.table});
    if (known != published.end()) described = known->second;
    described.name = table.name();
    described.oid = table.oid;
    described.schema.table_schema = table.table.schema;
    described.schema.table = table.table.table;
    described.schema.identity = table.identity;
    auto done = describe(connection_, catalog, described);
    if (done) return {};
    if (done.error().code != Code::misconfigured) return done;
    findings_.push_back(finding(Finding::Severity::error, done.error().what, ""));
    return {};
  }

  Connection& connection_;
  const PostgresOptions& options_;
  const std::vector<CheckedTable>& captured_;
  TransformRules rules_;
  std::vector<TablePattern> key_tables_;
  std::vector<TableColumns> tables_;
  std::vector<Finding> findings_;
};

}  // namespace

Result<std::vector<Finding>> check_columns(Connection& connection, const PostgresOptions& options,
                                           const std::vector<CheckedTable>& captured) {
  if (options.keys.empty() && options.transforms.empty()) return std::vector<Finding>();
  return ColumnCheck(connection, options, captured).run();
}

}  // namespace tidelog::postgres
