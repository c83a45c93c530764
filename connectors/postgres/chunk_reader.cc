#include "connectors/postgres/chunk_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "connectors/postgres/copy_text.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/table_list.h"
#include "connectors/postgres/wait.h"

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

// A table that was rewritten between the snapshot and our lock looks empty to the snapshot. The
// catalog's rows are the snapshot's, pg_relation_filenode tells the file of now.
constexpr const char* rewritten_sql = R"(
select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r'
   and (c.oid = any ($1::oid[]) or c.oid in
        (select t.relid from unnest($1::oid[]) w(oid), pg_partition_tree(w.oid) t))
   and c.relfilenode is distinct from pg_relation_filenode(c.oid)
 limit 1)";

ReplicaIdentity identity_of(std::string_view letter) {
  if (letter == "i") return ReplicaIdentity::index;
  if (letter == "f") return ReplicaIdentity::full;
  if (letter == "n") return ReplicaIdentity::nothing;
  return ReplicaIdentity::primary_key;
}

}  // namespace

Result<std::unique_ptr<ChunkReader>> SnapshotReader::open(const PostgresOptions& options,
                                                          const std::string& snapshot,
                                                          const PostgresResume& resume) {
  TRY(Connection connection, Connection::open(options, Connection::Kind::sql));
  std::unique_ptr<SnapshotReader> reader(new SnapshotReader(std::move(connection), encode(resume)));
  TRY_DO(reader->import_snapshot(snapshot));
  TRY_DO(reader->find_tables(options));
  TRY_DO(reader->lock_tables());
  TRY_DO(reader->describe_tables(options));
  return std::unique_ptr<ChunkReader>(std::move(reader));
}

Status SnapshotReader::import_snapshot(const std::string& snapshot) {
  TRY_DO(connection_.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  TRY_DO(connection_.command("SET TRANSACTION SNAPSHOT " + quote_literal(snapshot)));
  TRY(const QueryResult time,
      connection_.query("select (extract(epoch from transaction_timestamp()) * 1000000)::int8",
                        {}));
  TRY(snapshot_time_.value, time.integer(0, 0));
  return {};
}

Status SnapshotReader::find_tables(const PostgresOptions& options) {
  TRY(const TableChoice captured, captured_tables(options));
  const bool lists = connection_.server_version() >= column_lists_version;
  const std::string sql = fmt::format(
      fmt::runtime(tables_sql), lists ? "p.attnames::text, coalesce(p.rowfilter, '')" : "'', ''");
  TRY(const QueryResult found, connection_.query(sql, {publication_name(options)}));
  for (std::size_t row = 0; row < found.rows(); ++row) {
    if (!captured.has(found.text(row, 1), found.text(row, 2))) continue;
    Table table;
    table.name = fmt::format("{}.{}", found.text(row, 1), found.text(row, 2));
    table.schema = {std::string(found.text(row, 1)),
                    std::string(found.text(row, 2)),
                    identity_of(found.text(row, 4)),
                    {}};
    TRY(const std::int64_t estimated, found.integer(row, 5));
    table.rows_estimated = static_cast<std::uint64_t>(estimated);
    tables_.push_back(std::move(table));
    const std::string_view only = found.text(row, 3) == "p" ? "" : "ONLY ";
    origins_.push_back(
        {fmt::format("{}{}", only, found.text(row, 6)), std::string(found.text(row, 8))});
    oids_.emplace_back(found.text(row, 0));
    column_lists_.emplace_back(found.text(row, 7));
  }
  return {};
}

Status SnapshotReader::lock_tables() {
  for (const Origin& origin : origins_) {
    TRY_DO(connection_.command(fmt::format("LOCK TABLE {} IN ACCESS SHARE MODE", origin.from)));
  }
  TRY(const QueryResult rewritten, connection_.query(rewritten_sql, {array_literal(oids_)}));
  if (rewritten.rows() == 0) return {};
  return fail(Code::unavailable,
              fmt::format("{} was altered or truncated while the load began, so the load must "
                          "begin again",
                          rewritten.text(0, 0)));
}

// Through the same catalog as a streamed RELATION, so that both give the same schema.
Status SnapshotReader::describe_tables(const PostgresOptions& options) {
  SqlRelationCatalog catalog(options);
  const std::string generated =
      connection_.server_version() >= published_generated_version ? "t" : "f";
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    Schema& schema = tables_[i].schema;
    Relation relation{0, schema.table_schema, schema.table, schema.identity, {}};
    std::from_chars(oids_[i].data(), oids_[i].data() + oids_[i].size(), relation.oid);
    TRY(const QueryResult found,
        connection_.query(columns_sql, {oids_[i], column_lists_[i], generated}));
    for (std::size_t row = 0; row < found.rows(); ++row) {
      TRY(const std::int64_t type, found.integer(row, 1));
      TRY(const std::int64_t modifier, found.integer(row, 2));
      relation.columns.push_back({found.boolean(row, 3), std::string(found.text(row, 0)),
                                  static_cast<std::uint32_t>(type),
                                  static_cast<std::int32_t>(modifier)});
    }
    TRY(schema, catalog.schema_of(relation, {}));
  }
  return {};
}

std::string SnapshotReader::copy_sql(const Table& table, const Origin& origin) const {
  std::string columns;
  for (const Column& column : table.schema.columns) {
    if (!columns.empty()) columns += ", ";
    columns += quote_identifier(column.name);
  }
  const std::string where = origin.filter.empty() ? "" : " WHERE " + origin.filter;
  return fmt::format("COPY (SELECT {} FROM {}{}) TO STDOUT", columns, origin.from, where);
}

Status SnapshotReader::read(const Table& table, ChangeHandler::Version version,
                            ChangeHandler& handler, std::stop_token stop) {
  const auto same = std::ranges::find(tables_, table.name, &Table::name);
  if (same == tables_.end()) return fail(Code::not_found, "the load knows no table " + table.name);
  const Origin& origin = origins_[static_cast<std::size_t>(same - tables_.begin())];
  const StopSignal signal(std::move(stop));
  EventBody event;
  event.type = EventType::load;
  event.stream = version.stream;
  event.schema = version.schema;
  TRY_DO(connection_.start_copy(copy_sql(*same, origin)));
  fields_.resize(same->schema.columns.size());
  for (;;) {
    if (signal.requested()) return fail(Code::cancelled, "asked to stop");
    TRY(const std::optional<Connection::CopyRow> row, connection_.next_copy_row(signal));
    if (!row) return {};
    const auto loaded = load_row(*row, *same, event, handler);
    Connection::release(*row);
    TRY_DO(loaded);
  }
}

Status SnapshotReader::load_row(Connection::CopyRow row, const Table& table, EventBody& event,
                                ChangeHandler& handler) {
  if (auto split = split_copy_line(row.bytes, row.size, fields_); !split) {
    return fail_in("loading " + table.name, std::move(split).error());
  }
  if (auto encoded = row_.encode(table.schema, fields_, nullptr); !encoded) {
    return fail_in("loading", std::move(encoded).error());
  }
  event.ordinal = next_ordinal_++;
  TRY(const std::string_view key, row_.key(table.schema));
  event.key.reset();
  if (!key.empty()) event.key = key;
  event.body = row_.row();
  return handler.event(event);
}

}  // namespace tidelog::postgres
