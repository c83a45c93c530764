#include "connectors/postgres/chunk_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/wait.h"

namespace tidelog::postgres {

namespace {

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
  TRY(captured_, find_captured_tables(connection_, options));
  return {};
}

Status SnapshotReader::lock_tables() {
  std::vector<std::string> oids;
  for (const CapturedTable& table : captured_) {
    oids.push_back(table.oid);
    TRY_DO(connection_.command(fmt::format("LOCK TABLE {} IN ACCESS SHARE MODE", table.from)));
  }
  TRY(const QueryResult rewritten, connection_.query(rewritten_sql, {array_literal(oids)}));
  if (rewritten.rows() == 0) return {};
  return fail(Code::unavailable,
              fmt::format("{} was altered or truncated while the load began, so the load must "
                          "begin again",
                          rewritten.text(0, 0)));
}

Status SnapshotReader::describe_tables(const PostgresOptions& options) {
  SqlRelationCatalog catalog(options);
  for (CapturedTable& table : captured_) {
    TRY_DO(describe(connection_, catalog, table));
    tables_.push_back({table.name, table.schema, table.rows_estimated});
  }
  return {};
}

Status SnapshotReader::read(const Table& table, ChangeHandler::Version version,
                            ChangeHandler& handler, std::stop_token stop) {
  const auto same = std::ranges::find(captured_, table.name, &CapturedTable::name);
  if (same == captured_.end())
    return fail(Code::not_found, "the load knows no table " + table.name);
  const StopSignal signal(std::move(stop));
  EventBody event;
  event.stream = version.stream;
  event.schema = version.schema;
  TRY_DO(connection_.start_copy(fmt::format("COPY ({}) TO STDOUT", select_sql(*same, {}))));
  for (;;) {
    if (signal.requested()) return fail(Code::cancelled, "asked to stop");
    TRY(const std::optional<Connection::CopyRow> row, connection_.next_copy_row(signal));
    if (!row) return {};
    const auto loaded = load_row(*row, *same, event, handler);
    Connection::release(*row);
    TRY_DO(loaded);
  }
}

Status SnapshotReader::load_row(Connection::CopyRow row, const CapturedTable& table,
                                EventBody& event, ChangeHandler& handler) {
  TRY_DO(row_.read(row, table, event));
  event.ordinal = next_ordinal_++;
  return handler.event(event);
}

}  // namespace tidelog::postgres
