#include "connectors/postgres/replica_identity.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <optional>

#include "connectors/postgres/captured_tables.h"
#include "connectors/tables/table_pattern.h"

namespace tidelog::postgres {

namespace {

// A row for each table; of a partitioned one also for each partition: these log old rows by their
// own identity, and what is published as the root's is sent by the root's. Of its index for the
// identity, if it has one: its name; and of the one that is wanted, which in a partition belongs to
// the root's: its name, and whether it can be it (Postgres manual, ALTER TABLE, "REPLICA
// IDENTITY").
constexpr const char* identities_sql = R"(
select c.oid, format('%I.%I', n.nspname, l.relname), l.relreplident,
       (select x.relname from pg_index i join pg_class x on x.oid = i.indexrelid
         where i.indrelid = l.oid and i.indisreplident),
       pg_has_role(l.relowner, 'USAGE'), u.relname,
       coalesce(i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
                and not exists (select from unnest(i.indkey::int2[]) k
                                  left join pg_attribute a on a.attrelid = l.oid and a.attnum = k
                                 where a.attnotnull is not true), false)
  from unnest($1::oid[], $2::text[]) with ordinality as w(oid, index, place)
  join pg_class c on c.oid = w.oid
  join pg_class l on l.relkind in ('r', 'p')
   and l.oid in (select c.oid union all select relid from pg_partition_tree(c.oid))
  join pg_namespace n on n.oid = l.relnamespace
  left join (pg_index ri join pg_class rx on rx.oid = ri.indexrelid)
    on ri.indrelid = c.oid and rx.relname = w.index
  left join (pg_index i join pg_class u on u.oid = i.indexrelid)
    on i.indrelid = l.oid
   and (i.indexrelid = ri.indexrelid
        or i.indexrelid in (select relid from pg_partition_tree(ri.indexrelid)))
 order by w.place, l.oid)";

// Whoever comes to the table while the lock is waited for waits, too.
constexpr std::string_view lock_limit = "SET lock_timeout = '300ms'";

std::string words_of(ReplicaIdentity identity, std::string_view index) {
  switch (identity) {
    case ReplicaIdentity::primary_key:
      return "DEFAULT";
    case ReplicaIdentity::index:
      return "USING INDEX " + quote_identifier(std::string(index));
    case ReplicaIdentity::full:
      return "FULL";
    case ReplicaIdentity::nothing:
      return "NOTHING";
  }
  return "DEFAULT";
}

}  // namespace

Result<std::vector<IdentityChange>> identity_changes(Connection& connection,
                                                     const PostgresOptions& options,
                                                     const std::vector<DatabaseTable>& tables) {
  std::vector<IdentityChange> changes;
  std::vector<std::string> oids;
  std::vector<std::string> indexes;
  absl::flat_hash_map<std::int64_t, const IdentityRule*> rules;
  if (options.identities.empty()) return changes;
  for (const DatabaseTable& table : tables) {
    TRY(const IdentityRule* const rule,
        first_that_fits(options.identities, table.schema, table.name));
    if (rule == nullptr) continue;
    rules[table.oid] = rule;
    oids.push_back(std::to_string(table.oid));
    indexes.push_back(rule->wanted.index);
  }
  if (oids.empty()) return changes;
  TRY(const QueryResult found,
      connection.query(identities_sql, {array_literal(oids), array_literal(indexes)}));
  for (std::size_t row = 0; row < found.rows(); ++row) {
    IdentityChange change;
    TRY(change.table, found.integer(row, 0));
    const IdentityRule::Wanted& wanted = rules.at(change.table)->wanted;
    const bool is_index = wanted.identity == ReplicaIdentity::index;
    if (identity_of(found.text(row, 2)) == wanted.identity &&
        (!is_index || (!found.is_null(row, 3) && found.text(row, 3) == found.text(row, 5)))) {
      continue;
    }
    change.sql_name = found.text(row, 1);
    const std::string index(found.is_null(row, 5) ? std::string_view(wanted.index)
                                                  : found.text(row, 5));
    change.statement = fmt::format("ALTER TABLE {} REPLICA IDENTITY {}", change.sql_name,
                                   words_of(wanted.identity, index));
    change.is_ours = found.boolean(row, 4);
    change.logs_old_rows = is_index || wanted.identity == ReplicaIdentity::full;
    if (is_index && !found.boolean(row, 6)) {
      change.obstacle = fmt::format(
          "{} has no unique index {} over columns that are not null, without a condition and not "
          "deferrable",
          change.sql_name, quote_identifier(index));
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

Status set_identities(Connection& connection, const std::vector<IdentityChange>& changes) {
  TRY_DO(connection.command(std::string(lock_limit)));
  for (const IdentityChange& change : changes) {
    auto done = connection.command(change.statement);
    if (!done) return fail_in(change.statement, std::move(done).error());
  }
  return {};
}

}  // namespace tidelog::postgres
