#include "connectors/postgres/table_reader.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/connection.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/socket/wait.h"
#include "core/bytes.h"
#include "core/keyed_hash.h"
#include "core/source_position.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "core/value_transform.h"

namespace tidelog::postgres {

namespace {

constexpr std::chrono::milliseconds look_again{50};

// A chunk is a small part of its range: read from the index, not sorted out of all that is left,
// whatever the planner takes the table for (Postgres manual, "Query Planning"). And a server at
// work has other uses for its processors than parallel plans, or compiling a plan for each chunk.
constexpr const char* planning_sql =
    "SET enable_sort = off; SET enable_incremental_sort = off; "
    "SET max_parallel_workers_per_gather = 0; SET jit = off";

// A key that tells all rows apart and that an index has in order: the replica identity's index, or
// the primary key, if they can be used.
constexpr const char* order_sql = R"(
select a.attname, format_type(a.atttypid, a.atttypmod)
  from (select i.indexrelid, i.indrelid, i.indkey, i.indnkeyatts
          from pg_index i
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam and m.amname = 'btree'
         where i.indrelid = $1::oid and i.indisunique and i.indisvalid and i.indimmediate
           and i.indpred is null and i.indexprs is null
           and not exists (select from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k
                             join pg_attribute n on n.attrelid = i.indrelid and n.attnum = k
                            where not n.attnotnull)
         order by i.indisreplident desc, i.indisprimary desc, i.indnkeyatts, i.indexrelid
         limit 1) best
  cross join unnest((best.indkey::int2[])[0:best.indnkeyatts - 1]) with ordinality k (attnum, place)
  join pg_attribute a on a.attrelid = best.indrelid and a.attnum = k.attnum
 order by k.place)";

// The place is behind all that the snapshot includes: it was inserted into the log before, or, on a
// standby, replayed from it.
constexpr const char* snapshot_sql = R"(
select pg_current_snapshot(),
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end,
       (extract(epoch from clock_timestamp()) * 1000000)::int8, pg_is_in_recovery())";

// Of a standby, which is asked before a snapshot is taken; null on a primary.
constexpr const char* replayed_sql =
    "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end";
// A snapshot of a standby is named by where it had replayed the log: a transaction is seen there
// once its commit is replayed, and not streamed before. Its own list of transactions says nothing
// (Postgres source, pg_current_snapshot: a snapshot that was taken during recovery has it
// elsewhere).
constexpr char replayed_mark = '@';

// A commit with synchronous_commit = off is seen before it is on disk, and so before it is
// streamed; the server's WAL writer sees to it within three of its delays (Postgres manual,
// "Asynchronous Commit"). What was inserted behind the last commit may stay off the disk for long.
constexpr const char* settled_sql = R"(
select least(pg_current_wal_flush_lsn(), $1::pg_lsn),
       pg_current_wal_flush_lsn() >= $1::pg_lsn
       or (extract(epoch from clock_timestamp()) * 1000000)::int8 > $2::int8
          + 4000 * (select setting::int8 from pg_settings where name = 'wal_writer_delay'))";

// The transactions of this database that have written and not ended, prepared ones among them. A
// snapshot does not list those that are newer than the last one that ended.
constexpr const char* open_sql = R"(
select coalesce(array_agg(l.transactionid), '{}')::text
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
                  left join pg_prepared_xacts p on p.transaction = l.transactionid
 where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
   and coalesce(a.datname, p.database, current_database()) = current_database())";
constexpr const char* still_open_sql = R"(
select exists (select from pg_locks where locktype = 'transactionid' and mode = 'ExclusiveLock'
                  and granted and transactionid = any ($1::xid[])))";

// The keys of some pages' rows, in order, evenly chosen.
constexpr const char* divide_sql = R"(
select distinct on (tile) {1}
  from (select {0}, ntile({2}) over (order by {0}) as tile from {3} tablesample system ({4})) sample
 where tile > 1 order by tile, {0})";
constexpr std::uint64_t page_bytes = 8192;
constexpr std::uint64_t pages_a_part = 32;  // that are looked at

// With what is stored outside of the rows (TOAST).
constexpr const char* size_sql =
    "select coalesce(sum(pg_table_size(t.relid)), pg_table_size($1::oid))::int8 "
    "from pg_partition_tree($1::oid) t";

std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Bounds {
  std::uint64_t oldest_open = 0;  // xmin: everything before it has ended
  std::uint64_t next = 0;         // xmax: nothing from it on had begun
  std::string_view open;          // "771,780"
};

Result<Bounds> read_bounds(std::string_view snapshot) {
  const std::size_t first = snapshot.find(':');
  const std::size_t second =
      first == std::string_view::npos ? first : snapshot.find(':', first + 1);
  if (second != std::string_view::npos) {
    const auto oldest = read_number(snapshot.substr(0, first));
    const auto next = read_number(snapshot.substr(first + 1, second - first - 1));
    if (oldest && next) return Bounds{*oldest, *next, snapshot.substr(second + 1)};
  }
  return fail(Code::corrupt, fmt::format("\"{}\" is no snapshot", snapshot));
}

struct OrderColumn {
  std::string name;
  std::string type;       // for a cast
  std::size_t index = 0;  // in the schema
};

std::string tuple_of(const std::vector<std::string>& items) {
  return fmt::format("({})", fmt::join(items, ", "));
}

// Where a chunk begins: after the row with these values. Sized name and text of each column.
std::string encode_place(const std::vector<OrderColumn>& order,
                         const std::vector<std::string>& values) {
  std::string out;
  for (std::size_t i = 0; i < order.size(); ++i) {
    put_sized(out, order[i].name);
    put_sized(out, values[i]);
  }
  return out;
}

// A place is stored in the log. One of values that are hashed there is sealed with the hash's key.
constexpr char sealed_mark = '\0';  // no name of a column is so short

class PostgresTableReader final : public TableReader {
 public:
  PostgresTableReader(Connection connection, const PostgresOptions& options, CapturedTable table,
                      std::string where, std::stop_token stop)
      : connection_(std::move(connection)),
        catalog_(options),
        table_(std::move(table)),
        where_(std::move(where)),
        stop_(std::move(stop)) {}

  Status prepare() {
    TRY_DO(connection_.command(planning_sql));
    TRY_DO(look_at_table());
    TRY_DO(choose_order());
    TRY(const QueryResult size, connection_.query(size_sql, {table_.oid}));
    TRY(const std::int64_t bytes, size.integer(0, 0));
    bytes_ = static_cast<std::uint64_t>(bytes);
    return wait_for_open_transactions();
  }

  Order order() const override { return order_; }
  std::uint64_t rows_estimated() const override { return table_.rows_estimated; }
  std::uint64_t bytes_estimated() const override { return bytes_; }

  Result<std::vector<std::string>> divide(std::uint64_t parts_max) override {
    std::vector<std::string> places;
    if (order_ != Order::by_key) return places;
    const std::uint64_t pages = std::max<std::uint64_t>(bytes_ / page_bytes, 1);
    const double percent = std::min(
        100.0, 100.0 * static_cast<double>(pages_a_part * parts_max) / static_cast<double>(pages));
    std::vector<std::string> texts;
    const std::vector<std::string> names = order_names();
    for (const std::string& name : names) texts.push_back(name + "::text");
    TRY(const QueryResult found, without_values(connection_.command(fmt::format(
                                     fmt::runtime(divide_sql), fmt::join(names, ", "),
                                     fmt::join(texts, ", "), parts_max, table_.from, percent))));
    std::vector<std::string> values(columns_.size());
    for (std::size_t row = 0; row < found.rows(); ++row) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = found.text(row, i);
      TRY(std::string place, place_of(values));
      places.push_back(std::move(place));
    }
    return places;
  }

  Result<Chunk> read(const Range& range, std::uint64_t rows_max, Sink& sink) override {
    return read_chunk(sink, [&](ChangeHandler::Version version) -> Result<Chunk> {
      TRY(const std::string query, chunk_query(range, rows_max));
      TRY(const Copied copied, copy(query, version, {}, sink));
      Chunk chunk;
      chunk.last = order_ != Order::by_key || (copied.rows < rows_max && !copied.is_cut);
      chunk.next = range.next;
      if (copied.rows != 0) {
        TRY(chunk.next, place_of(last_values_));
      }
      return chunk;
    });
  }

  Result<Chunk> read_keys(std::span<const StoredKey> keys, Sink& sink) override {
    return read_chunk(sink, [&](ChangeHandler::Version version) -> Result<Chunk> {
      TRY(const std::string condition, is_one_of(keys));
      TRY_DO(copy(select_sql(table_, {where_, condition}), version, keys_to_find(keys), sink));
      return Chunk();
    });
  }

 private:
  struct Copied {
    std::uint64_t rows = 0;
    bool is_cut = false;
  };

  // What the configuration says of a column that is not there, a person puts right; the load waits
  // for that.
  Status look_at_table() {
    auto done = describe(connection_, catalog_, table_);
    if (done || done.error().code != Code::misconfigured) return done;
    return fail(Code::unavailable, std::move(done).error().what);
  }

  // By a key that an index has, if the events have keys, too: else rows that changed meanwhile
  // could not be told from others.
  Status choose_order() {
    columns_.clear();
    order_ = table_.schema.has_key() ? Order::whole : Order::keyless;
    if (order_ == Order::keyless && !where_.empty()) {
      return fail(Code::misconfigured,
                  table_.name +
                      " has no key, so its rows can only be loaded all at once: without a "
                      "condition");
    }
    if (order_ == Order::keyless) return {};
    TRY(const QueryResult found, connection_.query(order_sql, {table_.oid}));
    for (std::size_t row = 0; row < found.rows(); ++row) {
      OrderColumn column{std::string(found.text(row, 0)), std::string(found.text(row, 1)), 0};
      const auto place = std::ranges::find(table_.schema.columns, column.name, &Column::name);
      if (place == table_.schema.columns.end()) {  // not published, and so no key
        columns_.clear();
        return {};
      }
      // A row that moves in this order must be one that changes its key.
      if (!place->key) {
        columns_.clear();
        return {};
      }
      column.index = static_cast<std::size_t>(place - table_.schema.columns.begin());
      columns_.push_back(std::move(column));
    }
    if (!columns_.empty()) order_ = Order::by_key;
    return {};
  }

  // On a standby there are none that the stream has brought and nobody sees.
  Status wait_for_open_transactions() {
    TRY(const QueryResult replayed, connection_.command(replayed_sql));
    is_standby_ = !replayed.is_null(0, 0);
    if (is_standby_) return {};
    TRY(const QueryResult open, connection_.command(open_sql));
    const std::string transactions(open.text(0, 0));
    return ask_until([&]() -> Result<bool> {
      TRY(const QueryResult found, connection_.query(still_open_sql, {transactions}));
      return !found.boolean(0, 0);
    });
  }

  Status wait_until_settled(Chunk& chunk) {
    if (is_standby_) {
      chunk.end = encode(inserted_);
      return {};
    }
    return ask_until([&]() -> Result<bool> {
      TRY(const QueryResult found,
          connection_.query(settled_sql, {print_lsn(inserted_), std::to_string(taken_.value)}));
      TRY(const Lsn end, parse_lsn(found.text(0, 0)));
      chunk.end = encode(end);
      return found.boolean(0, 1);
    });
  }

  // Asks the server again and again.
  template <class Ask>
  Status ask_until(Ask is_done) {
    const StopSignal signal(stop_);
    for (;;) {
      TRY(const bool done, is_done());
      if (done) return {};
      pause_for(look_again, signal);
      if (signal.requested()) return fail(Code::cancelled, "asked to stop");
    }
  }

  // In a transaction of its own, which the session is out of afterwards, whatever happens.
  template <class Work>
  Result<Chunk> read_chunk(Sink& sink, Work work) {
    TRY_DO(look_at_standby());
    TRY_DO(connection_.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    Result<Chunk> chunk = [&]() -> Result<Chunk> {
      TRY(const ChangeHandler::Version version, begin_chunk(sink));
      return work(version);
    }();
    if (!chunk) {
      // The first error is the one to tell.
      if (connection_.usable()) static_cast<void>(connection_.command("ROLLBACK"));
      return chunk;
    }
    TRY_DO(connection_.command("ROLLBACK"));  // it wrote nothing, and may have been cut
    TRY_DO(wait_until_settled(*chunk));
    return chunk;
  }

  Status look_at_standby() {
    replayed_.reset();
    if (!is_standby_) return {};
    TRY(const QueryResult replayed, connection_.command(replayed_sql));
    if (!replayed.is_null(0, 0)) {
      TRY(replayed_, parse_lsn(replayed.text(0, 0)));
    }
    return {};
  }

  // The lock before the snapshot: a table that is rewritten in between would look empty.
  Result<ChangeHandler::Version> begin_chunk(Sink& sink) {
    TRY_DO(connection_.command(fmt::format("LOCK TABLE {} IN ACCESS SHARE MODE", table_.from)));
    TRY(const QueryResult taken, connection_.command(snapshot_sql));
    TRY(inserted_, parse_lsn(taken.text(0, 1)));
    is_standby_ = taken.boolean(0, 3);
    Snapshot snapshot;
    TRY(snapshot.transactions, included_in(taken));
    snapshot.place = encode(inserted_);
    TRY(snapshot.time.value, taken.integer(0, 2));
    taken_ = snapshot.time;
    sink.snapshot(snapshot);
    TRY_DO(look_at_table());
    const Order before = order_;
    const std::vector<OrderColumn> columns = columns_;
    TRY_DO(choose_order());
    if (order_ != before ||
        !std::ranges::equal(columns, columns_, {}, &OrderColumn::name, &OrderColumn::name)) {
      return fail(Code::unavailable, "the keys of " + table_.name + " changed while it was loaded");
    }
    return sink.schema(table_.schema);
  }

  // What is replayed while a standby takes the snapshot may be in it or not. To apply it once more
  // does no harm to a chunk whose rows are at hand by their keys; another one needs to know.
  Result<std::string> included_in(const QueryResult& taken) const {
    if (!is_standby_) return std::string(taken.text(0, 0));
    if (!replayed_) return fail(Code::unavailable, "the server has become a standby");
    if (order_ != Order::by_key && *replayed_ != inserted_) {
      return fail(Code::unavailable,
                  fmt::format("{} has no key that an index has in order, and the standby replayed "
                              "changes while it was looked at",
                              table_.name));
    }
    return replayed_mark + print_lsn(*replayed_);
  }

  std::vector<std::string> order_names() const {
    std::vector<std::string> names;
    for (const OrderColumn& column : columns_) names.push_back(quote_identifier(column.name));
    return names;
  }

  Result<std::string> chunk_query(const Range& range, std::uint64_t rows_max) const {
    if (order_ != Order::by_key) return select_sql(table_, {where_});
    const std::vector<std::string> names = order_names();
    std::vector<std::string> conditions{where_};
    for (const auto& [place, compare] : {std::pair(range.next, ">"), std::pair(range.end, "<=")}) {
      if (place.empty()) continue;
      TRY(const std::vector<std::string> values, read_place(place));
      conditions.push_back(fmt::format("{} {} {}", tuple_of(names), compare, tuple_of(values)));
    }
    return fmt::format("{} ORDER BY {} LIMIT {}", select_sql(table_, conditions),
                       fmt::join(names, ", "), rows_max);
  }

  // Empty: places are stored as they are.
  std::string_view sealing_key() const {
    if (!table_.transform) return {};
    for (const OrderColumn& column : columns_) {
      const std::string_view key = table_.transform->key_of_hash(column.index);
      if (!key.empty()) return key;
    }
    return {};
  }

  Result<std::string> place_of(const std::vector<std::string>& values) const {
    std::string place = encode_place(columns_, values);
    const std::string_view key = sealing_key();
    if (key.empty()) return place;
    TRY(const std::string sealed, seal(key, place));
    return sealed_mark + sealed;
  }

  tl::unexpected<Error> must_load_anew() const {
    return fail(Code::misconfigured, "the key by which " + table_.name +
                                         " was being loaded is no longer there, or is hashed in "
                                         "another way: the table must be loaded anew");
  }

  // As SQL literals.
  Result<std::vector<std::string>> read_place(std::string_view stored) const {
    const bool is_sealed = stored.starts_with(sealed_mark);
    std::string place(stored);
    if (is_sealed == sealing_key().empty()) return must_load_anew();
    if (is_sealed) {
      auto opened = open_sealed(sealing_key(), stored.substr(1));
      if (!opened) return must_load_anew();
      place = *std::move(opened);
    }
    ByteReader in(place);
    std::vector<std::string> values;
    bool same = true;
    for (const OrderColumn& column : columns_) {
      same = same && in.sized() == column.name;
      values.push_back(fmt::format("{}::{}", quote_literal(std::string(in.sized())), column.type));
    }
    if (in.failed() || in.remaining() != 0 || !same) return must_load_anew();
    return values;
  }

  bool is_transformed_alike(const Column& stored) const {
    const auto now = std::ranges::find(table_.schema.columns, stored.name, &Column::name);
    if (now == table_.schema.columns.end()) return true;  // the server will say so
    return is_stored_alike(stored, *now);
  }

  // A hashed value cannot be asked for: rows with every value are read, and looked through.
  Result<std::string> is_one_of(std::span<const StoredKey> keys) const {
    std::vector<std::string> conditions;
    for (const StoredKey& stored : keys) {
      std::vector<std::string> equals;
      ByteReader in(stored.key);
      for (const Column& column : stored.schema.columns) {
        if (!column.key) continue;
        std::string text;
        print_value(text, read_value(in));
        if (!is_transformed_alike(column)) return must_load_anew();
        if (changes_values(column.transform)) continue;
        equals.push_back(fmt::format("{} = {}::{}", quote_identifier(column.name),
                                     quote_literal(text), column.type));
      }
      if (in.failed() || in.remaining() != 0)
        return fail(Code::corrupt, "a key of " + table_.name + " does not fit its schema");
      if (equals.empty()) return std::string("true");
      conditions.push_back(fmt::format("({})", fmt::join(equals, " AND ")));
    }
    return fmt::format("{}", fmt::join(conditions, " OR "));
  }

  // To look for among the rows that are read; empty: the server has done that.
  using Keys = absl::flat_hash_set<std::string_view>;
  Keys keys_to_find(std::span<const StoredKey> keys) const {
    Keys found;
    if (sealing_key().empty()) return found;
    for (const StoredKey& stored : keys) found.insert(stored.key);
    return found;
  }

  // What the server says may quote values that must not be stored, or told.
  template <class Answer>
  Answer without_values(Answer answer) const {
    if (answer || !table_.transform || action_for(answer.error().code) == Action::retry)
      return answer;
    return fail(answer.error().code,
                fmt::format("the server cannot read {}; what it says is not repeated here, as it "
                            "may have values of columns that are transformed: see the server's log",
                            table_.name));
  }

  Result<Copied> copy(const std::string& query, ChangeHandler::Version version, const Keys& wanted,
                      Sink& sink) {
    const StopSignal signal(stop_);
    TRY_DO(without_values(connection_.start_copy_of(query)));
    TRY(const Copied copied, copy_rows(version, wanted, sink, signal));
    if (copied.is_cut) TRY_DO(connection_.abandon_copy(signal));
    return copied;
  }

  Result<Copied> copy_rows(ChangeHandler::Version version, const Keys& wanted, Sink& sink,
                           const StopSignal& signal) {
    CopiedRow encoded;  // rows may be very large: it goes before the chunk is waited for
    EventBody event;
    event.stream = version.stream;
    event.schema = version.schema;
    Copied copied;
    for (;;) {
      TRY(const std::optional<Connection::CopyRow> row,
          without_values(connection_.next_copy_row(signal)));
      if (!row) return copied;
      event.ordinal = static_cast<std::uint32_t>(copied.rows);
      const Result<Taken> taken = take(encoded, *row, event, wanted, sink);
      Connection::release(*row);
      TRY(const Taken result, taken);
      if (result != Taken::not_wanted) ++copied.rows;
      if (result != Taken::last) continue;
      copied.is_cut = true;
      return copied;
    }
  }

  enum class Taken : std::uint8_t { one, last, not_wanted };  // last: there is room for no more
  Result<Taken> take(CopiedRow& encoded, Connection::CopyRow row, EventBody& event,
                     const Keys& wanted, Sink& sink) {
    TRY_DO(encoded.read(row, table_, event));
    if (!wanted.empty() && !wanted.contains(event.key.value_or(""))) return Taken::not_wanted;
    last_values_.resize(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i)
      last_values_[i].assign(encoded.text(columns_[i].index));
    TRY(const bool has_room, sink.row(event));
    return has_room ? Taken::one : Taken::last;
  }

  Connection connection_;
  SqlRelationCatalog catalog_;
  CapturedTable table_;
  const std::string where_;
  const std::stop_token stop_;
  Order order_ = Order::whole;
  std::vector<OrderColumn> columns_;
  std::uint64_t bytes_ = 0;
  std::optional<Lsn> replayed_;           // of a standby, before the last snapshot was taken
  bool is_standby_ = false;               // when it was looked at last
  Lsn inserted_;                          // the end of the log then
  UnixMicros taken_;                      // by the server's clock
  std::vector<std::string> last_values_;  // of the columns of the order
};

}  // namespace

Result<std::unique_ptr<TableReader>> PostgresTableReaders::open(const TableToLoad& table,
                                                                std::stop_token stop) {
  PostgresOptions options = options_;
  options.stop = stop;
  TRY(Connection connection, Connection::open(options, Connection::Kind::sql));
  TRY_DO(check_server(connection));
  TRY(CapturedTable captured, find(connection, table.table));
  auto reader = std::make_unique<PostgresTableReader>(std::move(connection), options_,
                                                      std::move(captured), table.where, stop);
  TRY_DO(reader->prepare());
  return std::unique_ptr<TableReader>(std::move(reader));
}

// Behind one address there may be several. (Postgres manual, "Control Data Functions"; where these
// are not for everybody, it is not known.)
Status PostgresTableReaders::check_server(Connection& connection) const {
  const auto found = connection.command("SELECT system_identifier FROM pg_control_system()");
  if (!found) {
    return action_for(found.error().code) == Action::retry ? Status(error_of(found)) : Status();
  }
  const std::string expected = std::to_string(system_id_);
  if (expected == "0" || found->text(0, 0) == expected) return {};
  return fail(Code::unavailable, fmt::format("the server has the system id {}, and {} is streamed",
                                             found->text(0, 0), expected));
}

Result<CapturedTable> PostgresTableReaders::find(Connection& connection, const std::string& table) {
  using ByName = RecentTables<CapturedTable>::ByName;
  TRY(auto found, captured_.find(table, [&]() -> Result<ByName> {
    TRY(std::vector<CapturedTable> all, find_captured_tables(connection, options_));
    ByName by_name;
    for (CapturedTable& one : all) by_name.emplace(one.name, std::move(one));
    return by_name;
  }));
  if (found) return *std::move(found);
  return fail(Code::misconfigured,
              fmt::format("the source {} does not capture a table {}: a table is named with its "
                          "schema, and must be in the publication {}",
                          options_.name, table, publication_name(options_)));
}

Result<bool> PostgresTableReaders::includes(std::string_view snapshot,
                                            const Streamed& transaction) const {
  if (!snapshot.starts_with(replayed_mark)) return snapshot_includes(snapshot, transaction.id);
  TRY(const Lsn replayed, parse_lsn(snapshot.substr(1)));
  TRY(const Lsn commit, read_postgres_lsn(transaction.position));
  return commit < replayed;
}

Result<bool> PostgresTableReaders::passed(std::string_view resume, std::string_view place) const {
  if (resume.empty()) return false;
  TRY(const PostgresResume reached, read_postgres_resume(resume));
  TRY(const Lsn lsn, read_postgres_lsn(place));
  return reached.end_lsn >= lsn;
}

Result<bool> snapshot_includes(std::string_view snapshot, std::string_view transaction) {
  TRY(const Bounds bounds, read_bounds(snapshot));
  const auto low = read_number(transaction);
  if (!low || *low > UINT32_MAX) {
    // A logical message outside of a transaction has none, and changes no row.
    if (transaction.empty()) return true;
    return fail(Code::corrupt, fmt::format("\"{}\" is no transaction's number", transaction));
  }
  // The one with these low bits that is nearest to the snapshot's.
  constexpr std::uint64_t round = 1ULL << 32;
  std::uint64_t full = (bounds.next & ~(round - 1)) | *low;
  if (full > bounds.next + round / 2 && full >= round) full -= round;
  if (full + round / 2 < bounds.next) full += round;
  if (full < bounds.oldest_open) return true;
  if (full >= bounds.next) return false;
  std::string_view open = bounds.open;
  while (!open.empty()) {
    const std::size_t comma = std::min(open.find(','), open.size());
    if (read_number(open.substr(0, comma)) == full) return false;
    open.remove_prefix(std::min(comma + 1, open.size()));
  }
  return true;
}

}  // namespace tidelog::postgres
