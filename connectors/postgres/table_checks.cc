#include "connectors/postgres/table_checks.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/binary_check.h"
#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/column_check.h"
#include "connectors/tables/table_pattern.h"

namespace tidelog::postgres {
namespace {

class TableChecks {
 public:
  TableChecks(Checkup& up, const TableChoice& choice) : up_(up), choice_(choice) {}

  Status run() {
    TRY_DO(check_tables());
    TRY_DO(check_identities());
    TRY_DO(check_publication());
    return up_.options.binary ? check_binary_form() : Status();
  }

 private:
  Status check_tables() {
    const bool wants_all = choice_.wanted.empty();
    if (wants_all && owns_publication(up_.options)) {
      up_.misconfigured("no tables are configured", "name them: tables: [public.orders]");
      return {};
    }
    if (wants_all && choice_.except.empty()) return {};
    TRY(tables_, list_tables(*up_.sql));
    TableSelection selection = select_tables(tables_, choice_);
    selected_ = std::move(selection.tables);
    for (Finding& finding : selection.findings) up_.found.findings.push_back(std::move(finding));
    if (selected_.empty() && !wants_all && first_error(up_.found.findings)) {
      up_.misconfigured("no table matches the configured patterns",
                        "correct the tables of the source");
    }
    return {};
  }

  Status check_identities() {
    if (up_.options.identities.empty()) return {};
    TRY(const std::vector<DatabaseTable> tables, captured_now());
    TRY_DO(check_identity_patterns(tables));
    TRY(std::vector<IdentityChange> changes, identity_changes(*up_.sql, up_.options, tables));
    for (IdentityChange& change : changes) {
      if (!change.obstacle.empty()) {
        up_.misconfigured(change.obstacle, "correct `replica_identity`");
      } else if (up_.found.is_standby || !change.is_ours) {
        up_.misconfigured(
            fmt::format(
                "{} has another replica identity than is configured, and {}", change.sql_name,
                up_.found.is_standby
                    ? "a standby cannot change that"
                    : fmt::format("role {} does not own it", quote_identifier(up_.sql->user()))),
            change.statement + ";");
      } else {
        expect_identity(change);
        up_.found.identities.push_back(std::move(change));
      }
    }
    return {};
  }

  // Those that are configured, or, without such, that the publication has.
  Result<std::vector<DatabaseTable>> captured_now() {
    if (!choice_.wanted.empty()) return selected_;
    TRY(const std::optional<Publication> publication, find_publication(*up_.sql, up_.publication));
    TRY(std::vector<DatabaseTable> tables, list_tables(*up_.sql));
    std::erase_if(tables, [&](const DatabaseTable& table) {
      return !publication || !publication->has(table.schema, table.name) ||
             !choice_.has(table.schema, table.name);
    });
    return tables;
  }

  Status check_identity_patterns(const std::vector<DatabaseTable>& tables) {
    for (const IdentityRule& rule : up_.options.identities) {
      TRY(const TablePattern pattern, parse_table_pattern(rule.table));
      if (std::ranges::any_of(tables, [&](const DatabaseTable& table) {
            return pattern.matches(table.schema, table.name);
          }))
        continue;
      up_.add(pattern.literal() ? Finding::Severity::error : Finding::Severity::warning,
              Code::misconfigured,
              fmt::format("`replica_identity` has {}, and no table that is captured is called so",
                          pattern.text),
              "correct the table's name, or take it from `replica_identity`");
    }
    return {};
  }

  // What it will be like then.
  void expect_identity(const IdentityChange& change) {
    in_change_.insert(change.table);
    const auto table = std::ranges::find(selected_, change.table, &DatabaseTable::oid);
    if (table != selected_.end()) table->identity = table->identity || change.logs_old_rows;
  }

  // At the first look an error; later a column may have gone of which there is still something to
  // be read.
  Status check_columns_of_tables() {
    if (up_.options.keys.empty() && up_.options.transforms.empty()) return {};
    TRY(const std::vector<DatabaseTable> tables, captured_now());
    std::vector<CheckedTable> captured;
    for (const DatabaseTable& table : tables)
      captured.push_back({table.schema, table.name, in_change_.contains(table.oid)});
    TRY(std::vector<Finding> findings, check_columns(*up_.sql, up_.options, captured));
    for (Finding& finding : findings) {
      if (up_.last_reader != 0) finding.severity = Finding::Severity::warning;
      up_.found.findings.push_back(std::move(finding));
    }
    return {};
  }

  // A publication of the user's own says which columns are sent.
  Status check_binary_form() {
    std::vector<SentTable> tables;
    if (owns_publication(up_.options)) {
      for (const DatabaseTable& table : selected_)
        tables.push_back({std::to_string(table.oid), ""});
    } else {
      TRY(std::vector<CapturedTable> captured, find_captured_tables(*up_.sql, up_.options));
      for (CapturedTable& table : captured)
        tables.push_back({std::move(table.oid), std::move(table.column_list)});
    }
    TRY(up_.found.as_text, check_binary(*up_.sql, up_.options, tables));
    return {};
  }

  Status check_publication() {
    TRY(const std::optional<Publication> publication, find_publication(*up_.sql, up_.publication));
    check_exceptions_of(publication);
    TRY_DO(check_columns_of_tables());
    for (const DatabaseTable& table : selected_) {
      check_rights(table);
      check_identity(table, publication && publication->has(table.schema, table.name));
    }
    if (!publication) return check_missing_publication();
    if (!publication->complete) {
      const auto severity =
          owns_publication(up_.options) ? Finding::Severity::error : Finding::Severity::warning;
      up_.add(
          severity, Code::misconfigured,
          fmt::format("the publication {} leaves out some of insert, update, delete and truncate",
                      up_.publication),
          publish_everything_sql(up_.publication) + ";");
    }
    check_membership(*publication);
    return {};
  }

  // While streaming, what was right at the start may have been dropped or attached since.
  void check_exceptions_of(const std::optional<Publication>& publication) {
    const auto comes = [&](const DatabaseTable& root) {
      if (publication && publication->has(root.schema, root.name)) return true;
      return owns_publication(up_.options) && choice_.has(root.schema, root.name);
    };
    for (Finding& finding : check_exceptions(tables_, choice_, comes)) {
      if (up_.is_streaming) finding.severity = Finding::Severity::warning;
      up_.found.findings.push_back(std::move(finding));
    }
  }

  // Only the load reads tables.
  void check_rights(const DatabaseTable& table) {
    if (up_.is_streaming) return;
    const std::string role = quote_identifier(up_.sql->user());
    if (!table.schema_usage) {
      up_.misconfigured(
          fmt::format("role {} may not look into the schema of {}", role, table.sql_name),
          fmt::format("GRANT USAGE ON SCHEMA {} TO {};", quote_identifier(table.schema), role));
    }
    if (!table.selectable) {
      up_.misconfigured(fmt::format("role {} may not read {}", role, table.sql_name),
                        fmt::format("GRANT SELECT ON {} TO {};", table.sql_name, role));
    }
    if (table.row_security) {
      up_.misconfigured(
          fmt::format("row security would hide rows of {} from role {}", table.sql_name, role),
          fmt::format("ALTER ROLE {} BYPASSRLS;", role));
    }
  }

  // The server refuses updates and deletes of a published table that has no replica identity. So
  // publishing one that is updated would break the application; one that is only inserted into is
  // fine.
  void check_identity(const DatabaseTable& table, bool is_published) {
    if (table.identity) return;
    const std::string mend = fmt::format(
        "ALTER TABLE {0} ADD PRIMARY KEY (…); or: ALTER TABLE {0} REPLICA IDENTITY FULL;",
        table.sql_name);
    if (table.rewritten && !is_published && owns_publication(up_.options)) {
      up_.misconfigured(
          fmt::format(
              "{} has no primary key or other replica identity, and it is updated or deleted from; "
              "once published, the server would refuse that",
              table.sql_name),
          mend);
      return;
    }
    up_.warning(fmt::format("{} has no primary key or other replica identity: the server refuses "
                            "updates and deletes of "
                            "it while it is published",
                            table.sql_name),
                mend);
  }

  Status check_missing_publication() {
    const std::string create = create_publication_sql(up_.publication, published(selected_)) + ";";
    if (!owns_publication(up_.options)) {
      up_.misconfigured(
          fmt::format("the publication {} does not exist", up_.publication),
          selected_.empty() ? "create it, or correct its name in the configuration" : create);
      return {};
    }
    if (up_.is_streaming) {
      up_.misconfigured(
          fmt::format("the publication {} was dropped; changes made without it are not sent",
                      up_.publication),
          create + " " + std::string(begin_again));
      return {};
    }
    TRY(const QueryResult right,
        up_.sql->query("select has_database_privilege(current_database(), 'CREATE')", {}));
    if (!right.boolean(0, 0)) {
      up_.misconfigured(
          fmt::format("role {} may not create the publication {}",
                      quote_identifier(up_.sql->user()), up_.publication),
          fmt::format("GRANT CREATE ON DATABASE {} TO {}; or let the tables' owner run: {}",
                      quote_identifier(up_.sql->database()), quote_identifier(up_.sql->user()),
                      create));
    }
    for (const DatabaseTable& table : selected_) check_ownership(table, create);
    return {};
  }

  void check_ownership(const DatabaseTable& table, const std::string& statement) {
    if (table.owned) return;
    up_.misconfigured(fmt::format("role {} may not publish {}, because it does not own it",
                                  quote_identifier(up_.sql->user()), table.sql_name),
                      "let its owner or a superuser run: " + statement);
  }

  void check_membership(const Publication& publication) {
    for (const DatabaseTable& table : selected_) {
      if (publication.has(table.schema, table.name)) continue;
      check_absent_table(table, publication.alterable);
    }
    if (!owns_publication(up_.options)) return;
    for (const Publication::Table& table : publication.tables) {
      if (choice_.has(table.schema, table.table)) continue;
      const std::string name = quote_identifier(table.schema) + "." + quote_identifier(table.table);
      const bool is_excepted = choice_.leaves_out(table.schema, table.table);
      up_.warning(is_excepted
                      ? fmt::format("{} is sent in vain: it is to be left out", name)
                      : fmt::format("{} is captured, though it is no longer configured", name),
                  fmt::format("ALTER PUBLICATION {} DROP TABLE {};",
                              quote_identifier(up_.publication), name));
    }
  }

  void check_absent_table(const DatabaseTable& table, bool alterable) {
    std::string mend = add_tables_sql(up_.publication, published({table})) + ";";
    if (!owns_publication(up_.options) && table.kind == 'p') {
      mend += fmt::format(" and: ALTER PUBLICATION {} SET (publish_via_partition_root = true);",
                          quote_identifier(up_.publication));
    }
    if (owns_publication(up_.options) && !up_.is_streaming) {
      check_ownership(table, mend);  // the load adds it
    } else if (owns_publication(up_.options) && alterable && table.owned) {
      up_.found.new_tables.push_back(table);  // the source adds it, and loads its rows
    } else if (table.named) {
      up_.misconfigured(fmt::format("{} is not in the publication {}: its changes are not sent",
                                    table.sql_name, up_.publication),
                        mend + " Rows that it has already are loaded by: tidelog source load");
    } else if (owns_publication(up_.options)) {
      up_.warning(fmt::format("{} is new and not in the publication {}: its changes are not sent",
                              table.sql_name, up_.publication),
                  mend);
    }
  }

  Checkup& up_;
  const TableChoice& choice_;
  std::vector<DatabaseTable> tables_;  // all of the database
  std::vector<DatabaseTable> selected_;
  absl::flat_hash_set<std::int64_t> in_change_;  // tables that get another replica identity
};

}  // namespace

Status check_captured_tables(Checkup& up, const TableChoice& choice) {
  return TableChecks(up, choice).run();
}

}  // namespace tidelog::postgres
