#include "connectors/mysql/table_reader.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/preflight.h"
#include "connectors/mysql/row_snapshot.h"
#include "connectors/mysql/selected_row.h"
#include "connectors/mysql/system_databases.h"
#include "connectors/mysql/table_catalog.h"
#include "connectors/tables/stream_names.h"
#include "connectors/tables/table_pattern.h"
#include "core/bytes.h"
#include "core/value_codec.h"

namespace tidelog::mysql {

namespace {

// What can be compared in the order that its index has: no labels, which an index has by number,
// and no fractions that are not told in full.
bool has_order(ValueKind kind) {
  constexpr ValueKind ordered[] = {ValueKind::int64, ValueKind::uint64,    ValueKind::decimal,
                                   ValueKind::text,  ValueKind::bytes,     ValueKind::date,
                                   ValueKind::time,  ValueKind::timestamp, ValueKind::timestamp_tz};
  return std::ranges::find(ordered, kind) != std::end(ordered);
}

// Whether a text is the same after it was made UTF-8 and back.
bool comes_back(const ColumnFormat& format) {
  if (format.charset == nullptr || format.charset->is_binary() || format.charset->is_utf8())
    return true;
  return format.charset->name() == "ascii" || format.charset->name() == "latin1";
}

class MysqlTableReader final : public TableReader {
 public:
  MysqlTableReader(Connection connection, const ConnectionOptions& options, NamedTable named,
                   std::string where, std::stop_token stop)
      : connection_(std::move(connection)),
        options_(options),
        named_(std::move(named)),
        where_(std::move(where)),
        stop_(std::move(stop)),
        snapshots_(connection_, stop_) {}

  Status prepare() {
    TRY_DO(connection_.query(session_sql, stop_));
    TRY_DO(connection_.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", stop_));
    TRY_DO(show_all());
    TRY_DO(look_at_table());
    return snapshots_.wait_for_commits();
  }

  Order order() const override { return order_; }
  std::uint64_t rows_estimated() const override { return table_.rows_estimated; }
  std::uint64_t bytes_estimated() const override { return table_.bytes_estimated; }

  // By the numbers of the first key column, evenly: each place is that of a row.
  Result<std::vector<std::string>> divide(std::uint64_t parts_max) override {
    std::vector<std::string> places;
    if (order_ != Order::by_key || parts_max < 2) return places;
    const std::size_t first = table_.key_order.front();
    if (kind_of(first) != ValueKind::int64 && kind_of(first) != ValueKind::uint64) return places;
    const std::string name = key_names().front();
    TRY(const std::vector<TextRow> ends,
        connection_.query(fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}", name, from()), stop_));
    if (ends.size() != 1 || !ends[0][0] || !ends[0][1]) return places;
    const double low = number_of(*ends[0][0]);
    const double step = (number_of(*ends[0][1]) - low) / static_cast<double>(parts_max);
    for (std::uint64_t part = 1; part < parts_max; ++part) {
      TRY(std::string place, place_from(low + step * static_cast<double>(part)));
      if (!place.empty() && (places.empty() || places.back() != place))
        places.push_back(std::move(place));
    }
    return places;
  }

  Result<Chunk> read(const Range& range, std::uint64_t rows_max, Sink& sink) override {
    return read_chunk(sink, [&](ChangeHandler::Version version) -> Result<Chunk> {
      TRY(const std::string query, chunk_query(range, rows_max));
      TRY(const Selected selected, select(query, version, {}, sink));
      Chunk chunk;
      chunk.last = order_ != Order::by_key || (selected.rows < rows_max && !selected.is_cut);
      chunk.next = range.next;
      if (selected.rows != 0) chunk.next = place_of_row();
      const bool has_moved = chunk.last || chunk.next != range.next;
      if (selected.rows == 0 || has_moved) return chunk;
      return fail(Code::corrupt, described() + ": a chunk ends where it began");
    });
  }

  // The server's collation may find more than the very keys.
  Result<Chunk> read_keys(std::span<const StoredKey> keys, Sink& sink) override {
    return read_chunk(sink, [&](ChangeHandler::Version version) -> Result<Chunk> {
      TRY(const std::string condition, is_one_of(keys));
      Keys wanted;
      for (const StoredKey& stored : keys) wanted.insert(stored.key);
      TRY_DO(select(select_sql({where_, condition}, ""), version, wanted, sink));
      return Chunk();
    });
  }

 private:
  struct Selected {
    std::uint64_t rows = 0;
    bool is_cut = false;
  };
  using Keys = absl::flat_hash_set<std::string_view>;

  // MySQL's catalog tells sizes of a day ago, and may hide the key that it made.
  Status show_all() {
    constexpr unsigned caches_statistics_from = 80000;
    constexpr unsigned makes_keys_from = 80030;
    if (connection_.is_mariadb()) return {};
    if (connection_.version().number >= caches_statistics_from)
      TRY_DO(connection_.query("SET SESSION information_schema_stats_expiry = 0", stop_));
    if (connection_.version().number >= makes_keys_from) {
      TRY_DO(connection_.query("SET SESSION show_gipk_in_create_table_and_information_schema = 1",
                               stop_));
    }
    return {};
  }

  static double number_of(const std::string& text) {
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  ValueKind kind_of(std::size_t column) const { return format_.schema.columns[column].kind; }

  Status look_at_table() {
    TRY(table_, look_up_table(connection_, named_, stop_));
    if (table_.engine != "InnoDB") {
      return fail(
          Code::unsupported,
          fmt::format("{} is a table of {}, which has no snapshots: ALTER TABLE {} ENGINE = "
                      "InnoDB, or set `initial_load: none` for it",
                      described(), table_.engine, from()));
    }
    TRY(format_, format_of(table_.map, nullptr, connection_.version().flavour));
    return choose_order();
  }

  Status choose_order() {
    order_ = format_.schema.has_key() ? Order::whole : Order::keyless;
    if (order_ == Order::keyless && !where_.empty()) {
      return fail(Code::misconfigured,
                  described() +
                      " has no key, so its rows can only be loaded all at once: without "
                      "a condition");
    }
    const bool has_index =
        !table_.key_order.empty() && std::ranges::all_of(table_.key_order, [&](std::size_t column) {
          return has_order(kind_of(column)) && comes_back(format_.columns[column]);
        });
    if (has_index) order_ = Order::by_key;
    return {};
  }

  // In a transaction of its own, which the session is out of afterwards, whatever happens.
  template <class Work>
  Result<Chunk> read_chunk(Sink& sink, Work work) {
    Result<Chunk> chunk = [&]() -> Result<Chunk> {
      TRY(const ChangeHandler::Version version, begin_chunk(sink));
      return work(version);
    }();
    if (!chunk && chunk.error().code == Code::cancelled) return chunk;  // in the middle of a call
    const auto rolled_back = connection_.query("ROLLBACK", stop_);      // it wrote nothing
    if (!chunk) return chunk;
    TRY_DO(rolled_back);
    TRY(chunk->end, snapshots_.end());
    return chunk;
  }

  // The first look at the table keeps others from altering it, until the transaction ends; and who
  // may see only some of the columns has no right to it.
  Result<ChangeHandler::Version> begin_chunk(Sink& sink) {
    TRY(const Snapshot snapshot, order_ == Order::by_key ? snapshots_.begin() : exact_snapshot());
    TRY_DO(connection_.query(fmt::format("SELECT * FROM {} LIMIT 0", from()), stop_));
    sink.snapshot(snapshot);
    const Order before = order_;
    const std::vector<std::string> names = key_names();
    TRY_DO(look_at_table());
    if (order_ != before || names != key_names()) {
      return fail(Code::unavailable, "the keys of " + described() + " changed while it was loaded");
    }
    return sink.schema(format_.schema);
  }

  // One that shows nothing but what it is named by, as far as the table goes. MySQL's need somebody
  // to keep writers off meanwhile: whoever wrote to the table has done so for all to see, and is
  // executed, once it is locked.
  Result<Snapshot> exact_snapshot() {
    std::optional<Connection> lock;
    if (!connection_.is_mariadb()) {
      TRY(lock, lock_table());
    }
    TRY(Snapshot snapshot, snapshots_.begin());
    if (lock || snapshots_.is_exact()) return snapshot;
    return fail(Code::unavailable,
                fmt::format("{} has no key that an index has in order, others were writing to the "
                            "server when it was looked at, and we may not lock it for a moment: "
                            "GRANT LOCK TABLES ON {}.* to the source's user",
                            described(), quote_name(named_.database)));
  }

  // For as long as the connection is there. Nothing: we have no right to. It waits for those who
  // write, who do not wait for it until it is there.
  Result<std::optional<Connection>> lock_table() {
    TRY(Connection lock, Connection::open(options_, stop_));
    TRY_DO(lock.query("SET SESSION lock_wait_timeout = 30", stop_));
    const auto locked = lock.query(fmt::format("LOCK TABLES {} READ", from()), stop_);
    if (locked) return std::optional<Connection>(std::move(lock));
    if (locked.error().code == Code::misconfigured) return std::optional<Connection>();
    return error_of(locked);
  }

  std::string described() const { return full_name(named_); }
  std::string from() const { return quote_name(named_); }

  // In the index's order.
  std::vector<std::string> key_names() const {
    std::vector<std::string> names;
    for (const std::size_t column : table_.key_order)
      names.push_back(quote_name(format_.schema.columns[column].name));
    return names;
  }

  std::string select_sql(const std::vector<std::string>& conditions,
                         std::string_view behind) const {
    std::string all;
    for (const std::string& condition : conditions) {
      if (condition.empty()) continue;
      all += fmt::format("{} ({})", all.empty() ? " WHERE" : " AND", condition);
    }
    // A chunk is a small part of its range: read from the index, not sorted out of what is left.
    const std::string index = order_ == Order::by_key
                                  ? fmt::format(" FORCE INDEX ({})", quote_name(table_.key_index))
                                  : "";
    return fmt::format("SELECT {} FROM {}{}{}{}", selection_of(table_, format_), from(), index, all,
                       behind);
  }

  Result<std::string> chunk_query(const Range& range, std::uint64_t rows_max) const {
    if (order_ != Order::by_key) return select_sql({where_}, "");
    std::vector<std::string> conditions{where_};
    for (const auto& [place, compare, at_end] :
         {std::tuple(range.next, ">", ">"), std::tuple(range.end, "<", "<=")}) {
      if (place.empty()) continue;
      TRY(const std::vector<std::string> values, read_place(place));
      conditions.push_back(compared(values, compare, at_end));
    }
    return select_sql(conditions,
                      fmt::format(" ORDER BY {} LIMIT {}", fmt::join(key_names(), ", "), rows_max));
  }

  // (a, b) > (1, 2), as the server looks it up in an index only if it is said like this:
  // a > 1 OR (a = 1 AND b > 2).
  std::string compared(const std::vector<std::string>& values, std::string_view compare,
                       std::string_view at_end) const {
    const std::vector<std::string> names = key_names();
    std::string text;
    for (std::size_t i = names.size(); i-- > 0;) {
      const bool is_last = i + 1 == names.size();
      std::string here = fmt::format("{} {} {}", names[i], is_last ? at_end : compare, values[i]);
      if (!is_last) {
        here = fmt::format("{} OR ({} = {} AND ({}))", here, names[i], values[i], text);
      }
      text = std::move(here);
    }
    return text;
  }

  // The first row from this number on.
  Result<std::string> place_from(double number) {
    const std::string first = key_names().front();
    std::string place;
    const Status read = connection_.each_row(
        select_sql({fmt::format("{} >= {:.0f}", first, number)},
                   fmt::format(" ORDER BY {} LIMIT 1", fmt::join(key_names(), ", "))),
        stop_, [&](std::span<const std::optional<std::string_view>> values) -> Result<bool> {
          TRY_DO(row_.read(values, format_));
          place = place_of_row();
          return false;
        });
    TRY_DO(read);
    return place;
  }

  // Where a chunk begins: after the row that was read last. Sized name and stored value of each
  // column of the index.
  std::string place_of_row() const {
    std::string out;
    for (const std::size_t column : table_.key_order) {
      put_sized(out, format_.schema.columns[column].name);
      put_sized(out, row_.value(column));
    }
    return out;
  }

  tl::unexpected<Error> must_load_anew() const {
    return fail(Code::misconfigured, "the key by which " + described() +
                                         " was being loaded is no longer there: the table must be "
                                         "loaded anew");
  }

  // As SQL literals.
  Result<std::vector<std::string>> read_place(std::string_view place) const {
    ByteReader in(place);
    std::vector<std::string> values;
    bool same = true;
    for (const std::size_t column : table_.key_order) {
      same = same && in.sized() == format_.schema.columns[column].name;
      ByteReader stored(in.sized());
      TRY(std::string literal, literal_of(read_value(stored)));
      same = same && !stored.failed();
      values.push_back(std::move(literal));
    }
    if (in.failed() || in.remaining() != 0 || !same) return must_load_anew();
    return values;
  }

  Result<std::string> is_one_of(std::span<const StoredKey> keys) const {
    std::vector<std::string> conditions;
    for (const StoredKey& stored : keys) {
      std::vector<std::string> equals;
      ByteReader in(stored.key);
      for (const Column& column : stored.schema.columns) {
        if (!column.key) continue;
        TRY(const std::string literal, literal_of(read_value(in)));
        equals.push_back(fmt::format("{} = {}", quote_name(column.name), literal));
      }
      if (in.failed() || in.remaining() != 0)
        return fail(Code::corrupt, "a key of " + described() + " does not fit its schema");
      conditions.push_back(fmt::format("({})", fmt::join(equals, " AND ")));
    }
    return fmt::format("{}", fmt::join(conditions, " OR "));
  }

  Result<Selected> select(const std::string& query, ChangeHandler::Version version,
                          const Keys& wanted, Sink& sink) {
    EventBody event;
    event.type = tidelog::EventType::load;
    event.stream = version.stream;
    event.schema = version.schema;
    Selected selected;
    const Status done = connection_.each_row(
        query, stop_, [&](std::span<const std::optional<std::string_view>> values) -> Result<bool> {
          if (auto read = row_.read(values, format_); !read)
            return fail_in("loading", std::move(read).error());
          const std::string_view key = row_.key(format_.schema);
          if (!wanted.empty() && !wanted.contains(key)) return true;
          event.key.reset();
          if (!key.empty()) event.key = key;
          event.body = row_.row();
          event.ordinal = static_cast<std::uint32_t>(selected.rows++);
          TRY(const bool has_room, sink.row(event));
          selected.is_cut = !has_room;
          return has_room;
        });
    TRY_DO(done);
    return selected;
  }

  Connection connection_;
  const ConnectionOptions& options_;
  const NamedTable named_;
  const std::string where_;
  const StopSignal stop_;
  RowSnapshots snapshots_;
  CatalogTable table_;
  TableFormat format_;
  Order order_ = Order::whole;
  SelectedRow row_;
};

using TablesByName = RecentTables<NamedTable>::ByName;

// By the names of their streams.
Result<TablesByName> name_captured_tables(Connection& connection, const MysqlOptions& options,
                                          const StopSignal& stop) {
  TRY(const std::vector<NamedTable> captured, list_captured_tables(connection, options, stop));
  StreamNames names;
  TablesByName by_name;
  for (const NamedTable& named : captured) {
    TRY(std::string name, names.take(named.database, named.table));
    by_name.emplace(std::move(name), named);
  }
  return by_name;
}

tl::unexpected<Error> not_captured(const MysqlOptions& options, const std::string& table) {
  return fail(Code::misconfigured,
              fmt::format("the source {} does not capture a table {} that its user may see: a "
                          "table is named with its database",
                          options.name, table));
}

}  // namespace

Result<std::vector<NamedTable>> list_captured_tables(Connection& connection,
                                                     const MysqlOptions& options,
                                                     const StopSignal& stop) {
  TRY(const TableChoice choice, parse_table_choice(options.tables, options.except));
  TRY(const std::vector<TextRow> all,
      connection.query("SELECT table_schema, table_name, table_type FROM information_schema.tables "
                       "ORDER BY 1, 2",
                       stop));
  std::vector<NamedTable> captured;
  for (const TextRow& row : all) {
    if (row.size() < 3 || !row[0] || !row[1] || !row[2]) continue;
    if (is_system_database(*row[0]) || !choice.has(*row[0], *row[1])) continue;
    const bool is_table = *row[2] == "BASE TABLE" || *row[2] == "SYSTEM VERSIONED";
    if (is_table) captured.push_back({*row[0], *row[1]});
  }
  return captured;
}

Result<std::vector<Schema>> describe_tables(Connection& connection, const MysqlOptions& options,
                                            const std::vector<std::string>& tables,
                                            const StopSignal& stop) {
  TRY(const TablesByName captured, name_captured_tables(connection, options, stop));
  std::vector<Schema> schemas;
  for (const std::string& table : tables) {
    const auto named = captured.find(table);
    if (named == captured.end()) return not_captured(options, table);
    TRY(const CatalogTable found, look_up_table(connection, named->second, stop));
    TRY(TableFormat format, format_of(found.map, nullptr, connection.version().flavour));
    schemas.push_back(std::move(format.schema));
  }
  return schemas;
}

Result<std::unique_ptr<TableReader>> MysqlTableReaders::open(const TableToLoad& table,
                                                             std::stop_token stop) {
  const StopSignal signal(stop);
  TRY(Connection connection, Connection::open(options_.connection, signal));
  TRY_DO(check_stream(connection, signal));
  TRY(NamedTable named, find(connection, table.table, signal));
  auto reader = std::make_unique<MysqlTableReader>(std::move(connection), options_.connection,
                                                   std::move(named), table.where, std::move(stop));
  TRY_DO(reader->prepare());
  return std::unique_ptr<TableReader>(std::move(reader));
}

Result<NamedTable> MysqlTableReaders::find(Connection& connection, const std::string& table,
                                           const StopSignal& stop) {
  TRY(const auto found,
      captured_.find(table, [&] { return name_captured_tables(connection, options_, stop); }));
  if (found) return *found;
  return not_captured(options_, table);
}

void MysqlTableReaders::set_stream(const MysqlResume& resume) {
  const std::scoped_lock lock(mutex_);
  stream_ = resume;
}

// Behind one address there may be several servers.
Status MysqlTableReaders::check_stream(Connection& connection, const StopSignal& stop) {
  std::optional<MysqlResume> stream;
  {
    const std::scoped_lock lock(mutex_);
    stream = stream_;
  }
  if (!stream) return fail(Code::unavailable, "the stream has not begun yet");
  TRY(const std::string identity, identity_of(connection, stop));
  if (identity != stream->server) {
    return fail(Code::unavailable,
                fmt::format("the server is {}, and the stream is of {}", identity, stream->server));
  }
  if (!std::holds_alternative<MysqlResume::Place>(stream->executed)) return {};
  return fail(Code::misconfigured,
              "existing rows cannot be loaded beside a stream that goes on by file and offset: "
              "set gtid_mode to ON, and begin the source anew");
}

Result<bool> MysqlTableReaders::includes(std::string_view snapshot,
                                         const Streamed& transaction) const {
  return snapshot_includes(snapshot, transaction.position);
}

Result<bool> MysqlTableReaders::passed(std::string_view resume, std::string_view place) const {
  return has_passed(resume, place);
}

}  // namespace tidelog::mysql
