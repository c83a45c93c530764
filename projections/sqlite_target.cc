#include "projections/sqlite_target.h"

#include <algorithm>
#include <utility>

#include "projections/row_shape.h"

namespace tidelog {
namespace {

constexpr std::int64_t application_id = 0x746C6F67;  // "tlog", in the file's header
constexpr std::int64_t layout_version = 1;

constexpr const char* make_layout =
    "CREATE TABLE tidelog_checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), streams TEXT NOT NULL,"
    " next_position INTEGER NOT NULL, last_position INTEGER NOT NULL, last_event TEXT NOT NULL,"
    " store TEXT NOT NULL);"
    "CREATE TABLE tidelog_tables (stream TEXT PRIMARY KEY, table_name TEXT NOT NULL UNIQUE COLLATE "
    "NOCASE,"
    " \"schema\" BLOB NOT NULL, late_columns TEXT NOT NULL);"
    "CREATE TABLE tidelog_not_known (position INTEGER NOT NULL, stream TEXT NOT NULL, rows TEXT "
    "NOT NULL,"
    " columns TEXT NOT NULL);";

// Names that hold any byte but zero, in one text. Each ends with a line end, so that none and one
// empty name differ.
std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += name + "\n";
  return all;
}

std::vector<std::string> split(std::string_view all) {
  std::vector<std::string> names;
  while (!all.empty()) {
    const auto end = std::min(all.find('\n'), all.size());
    names.emplace_back(all.substr(0, end));
    all.remove_prefix(std::min(end + 1, all.size()));
  }
  return names;
}

std::int64_t as_integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }

Result<std::int64_t> one_integer(SqliteDatabase& database, const std::string& sql) {
  TRY(auto query, database.prepare(sql));
  TRY(const bool found, query.step());
  const std::int64_t number = found ? query.integer(0) : 0;
  query.reset();
  return number;
}

}  // namespace

Result<std::unique_ptr<SqliteTarget>> SqliteTarget::open(const std::string& path) {
  TRY(auto database, SqliteDatabase::open(path));
  std::unique_ptr<SqliteTarget> target(new SqliteTarget(std::move(database)));
  TRY_DO(target->prepare_file());
  return target;
}

Status SqliteTarget::prepare_file() {
  TRY_DO(database_.execute("BEGIN IMMEDIATE"));
  TRY(const bool ours, has_checkpoint_table());
  if (ours) {
    TRY_DO(check_file());
  } else {
    TRY(const std::int64_t objects, one_integer(database_, "SELECT count(*) FROM sqlite_master"));
    if (objects > 0) {
      return fail(
          Code::misconfigured,
          database_.path() + " holds a database that tidelog did not make; choose a new file");
    }
    TRY_DO(database_.execute(make_layout));
    TRY_DO(database_.execute("PRAGMA application_id = " + std::to_string(application_id) +
                             "; PRAGMA user_version = " + std::to_string(layout_version)));
  }
  TRY_DO(database_.execute("COMMIT"));
  // Only now, as the file keeps the first: it is ours. A write-ahead log that is synced when it is
  // folded into the file: after a loss of power the last commits may be missing, rows and
  // checkpoint alike, and the next replay makes them again.
  return database_.execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768;");
}

Result<bool> SqliteTarget::has_checkpoint_table() {
  TRY(const std::int64_t count, one_integer(database_,
                                            "SELECT count(*) FROM sqlite_master WHERE type = "
                                            "'table' AND name = 'tidelog_checkpoint'"));
  return count > 0;
}

Status SqliteTarget::check_file() {
  TRY(const std::int64_t id, one_integer(database_, "PRAGMA application_id"));
  if (id != application_id)
    return fail(Code::misconfigured,
                database_.path() + " was not made by tidelog; choose a new file");
  TRY(const std::int64_t version, one_integer(database_, "PRAGMA user_version"));
  if (version == layout_version) return {};
  return fail(Code::unsupported, database_.path() + " has layout " + std::to_string(version) +
                                     ", this version of tidelog knows " +
                                     std::to_string(layout_version));
}

Result<Checkpoint> SqliteTarget::read_checkpoint(std::string& streams) {
  TRY(auto query, database_.prepare("SELECT streams, next_position, last_position, last_event, "
                                    "store FROM tidelog_checkpoint"));
  Checkpoint checkpoint;
  TRY(checkpoint.exists, query.step());
  if (!checkpoint.exists) return checkpoint;
  streams = query.text(0);
  checkpoint.next = {static_cast<std::uint64_t>(query.integer(1))};
  checkpoint.last = {static_cast<std::uint64_t>(query.integer(2))};
  checkpoint.last_event = query.text(3);
  checkpoint.store = query.text(4);
  query.reset();
  return checkpoint;
}

Result<Checkpoint> SqliteTarget::begin(const std::vector<std::string>& streams) {
  streams_ = joined(streams);
  std::string present;
  TRY(committed_, read_checkpoint(present));
  if (committed_.exists && present != streams_) {
    const auto shown = [](const std::string& names) {
      return names.empty() ? "all streams\n" : names;
    };
    return fail(Code::conflict, database_.path() + " holds a replay of other streams; there:\n" +
                                    shown(present) + "asked for:\n" + shown(streams_));
  }
  TRY_DO(load_tables());
  return committed_;
}

Status SqliteTarget::load_tables() {
  TRY(auto query,
      database_.prepare("SELECT stream, table_name, \"schema\", late_columns FROM tidelog_tables"));
  for (;;) {
    TRY(const bool found, query.step());
    if (!found) return {};
    TRY(auto schema, read_schema(query.text(2)));
    auto entry = std::make_unique<StreamTable>();
    entry->table = std::make_unique<SqliteTable>(database_, query.text(1), std::move(schema));
    entry->late = split(query.text(3));
    tables_.emplace(query.text(0), std::move(entry));
  }
}

// The transaction that commit() ends. Only here is it known that nobody else has replayed into the
// file meanwhile.
Status SqliteTarget::start_transaction() {
  if (in_transaction_) return {};
  TRY_DO(database_.execute("BEGIN IMMEDIATE"));
  in_transaction_ = true;
  std::string streams;
  TRY(const Checkpoint now, read_checkpoint(streams));
  if (now == committed_) return {};
  return fail(Code::conflict, database_.path() + ": another replay into this file is under way");
}

Status SqliteTarget::commit(const Checkpoint& checkpoint) {
  TRY_DO(start_transaction());
  TRY_DO(finish_move());
  TRY(auto write,
      database_.prepare("INSERT OR REPLACE INTO tidelog_checkpoint VALUES (1, ?, ?, ?, ?, ?)"));
  write.bind_text(1, streams_);
  write.bind(2, as_integer(checkpoint.next.value));
  write.bind(3, as_integer(checkpoint.last.value));
  write.bind_text(4, checkpoint.last_event);
  write.bind_text(5, checkpoint.store);
  TRY_DO(write.run());
  TRY_DO(database_.execute("COMMIT"));
  in_transaction_ = false;
  committed_ = checkpoint;
  return {};
}

Status SqliteTarget::apply(const Event& event, const Schema* schema) {
  TRY_DO(start_transaction());
  const bool second_half = moving_ && event.moved && event.type == EventType::insert;
  if (!second_half) TRY_DO(finish_move());
  switch (event.type) {
    case EventType::load:
    case EventType::insert:
    case EventType::update:
    case EventType::remove:
    case EventType::schema:
      if (schema == nullptr)
        return fail(Code::corrupt,
                    "event " + std::to_string(event.position.value) + " has no schema");
      return apply_row(event, *schema);
    case EventType::truncate:
      if (const auto known = tables_.find(event.stream_name); known != tables_.end()) {
        return known->second->table->clear();
      }
      return {};
    case EventType::undecoded:
      return fail(Code::unsupported, "event " + std::to_string(event.position.value) + " of " +
                                         std::string(event.stream_name) +
                                         " was stored undecoded: its row is not known");
    case EventType::ddl:
    case EventType::message:
    case EventType::gap:
    case EventType::application:
    case EventType::erased:
    case EventType::stream_truncated:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
    case EventType::load_step:
      return {};
  }
  return fail(Code::corrupt, "an event of no known type");
}

namespace {

Status check_row(const Event& event, const Schema& schema) {
  const bool needs_body = event.type != EventType::remove;
  const bool needs_before = event.type == EventType::update || event.type == EventType::remove;
  if (needs_body && !event.body) return fail(Code::corrupt, "a new row without its values");
  if (schema.has_key() && !event.key) return fail(Code::corrupt, "a row without its key");
  if (!schema.has_key() && needs_before && event.before_kind != Before::row) {
    return fail(Code::corrupt,
                "a table without a key logs the whole old row, and this event has none");
  }
  return {};
}

}  // namespace

Status SqliteTarget::apply_row(const Event& event, const Schema& schema) {
  const auto applied = [&]() -> Status {
    TRY(StreamTable * table, table_of(event, schema));
    if (event.type == EventType::schema) return {};
    TRY_DO(check_row(event, schema));
    if (event.type == EventType::update) return update(*table, event);
    if (event.type == EventType::remove) return remove(*table, event);
    return insert(*table, event);
  }();
  if (applied) return {};
  return fail_in(
      "event " + std::to_string(event.position.value) + " of " + std::string(event.stream_name),
      applied.error());
}

Status SqliteTarget::insert(StreamTable& to, const Event& event) {
  const bool pair = moving_ && moving_->from == &to && event.moved &&
                    (event.before_kind != Before::key || event.before == moving_->key);
  if (pair) return move(to, event);
  TRY_DO(finish_move());
  return put(to, *event.body, event);
}

// Adds or replaces the row, and notes what of it is not known.
Status SqliteTarget::put(StreamTable& to, std::string_view row, const Event& event) {
  not_known_.clear();
  TRY_DO(to.table->put(row, not_known_));
  if (not_known_.empty()) return {};
  for (const std::string& column : not_known_) {
    if (std::find(to.late.begin(), to.late.end(), column) == to.late.end())
      to.late.push_back(column);
  }
  TRY_DO(note_not_known(event, "one row"));
  return remember_schema(event.stream_name, to.table->schema());
}

Status SqliteTarget::update(StreamTable& to, const Event& event) {
  std::string filled;
  std::string_view row = *event.body;
  const Schema& schema = to.table->schema();
  TRY(const bool partial, has_unchanged(row, schema));
  if (partial && event.before_kind == Before::row) {
    TRY_DO(put_filled(filled, {row, &schema}, {event.before, &schema}));
    row = filled;
  }
  if (!schema.has_key()) {
    TRY(const bool removed, to.table->remove_equal(event.before, {}));
    if (!removed && !to.late.empty()) TRY_DO(to.table->remove_equal(event.before, to.late));
    return put(to, row, event);
  }
  TRY(const bool still_partial, has_unchanged(row, schema));
  if (still_partial) {
    TRY(const bool found, to.table->update(*event.key, row));
    if (found) return {};
  }
  return put(to, row, event);
}

Status SqliteTarget::remove(StreamTable& from, const Event& event) {
  if (!from.table->schema().has_key()) {
    TRY(const bool removed, from.table->remove_equal(event.before, {}));
    if (!removed && !from.late.empty()) TRY_DO(from.table->remove_equal(event.before, from.late));
    return {};
  }
  if (event.moved) {
    moving_ = Moving{&from, std::string(*event.key)};
    return {};
  }
  TRY_DO(from.table->remove(*event.key));
  return {};
}

// The second half of a moved pair: the row changes its key and keeps what was not sent.
Status SqliteTarget::move(StreamTable& in, const Event& event) {
  const Moving from = *std::exchange(moving_, std::nullopt);
  TRY(const bool found, in.table->update(from.key, *event.body));
  return found ? Status{} : put(in, *event.body, event);
}

// A first half whose second half did not follow is a delete.
Status SqliteTarget::finish_move() {
  if (!moving_) return {};
  const Moving from = *std::exchange(moving_, std::nullopt);
  TRY_DO(from.from->table->remove(from.key));
  return {};
}

Result<SqliteTarget::StreamTable*> SqliteTarget::table_of(const Event& event,
                                                          const Schema& schema) {
  const auto known = tables_.find(event.stream_name);
  if (known == tables_.end()) return make_table(event, schema);
  StreamTable& table = *known->second;
  if (table.schema == event.schema) return &table;
  if (table.table->schema() != schema) TRY_DO(change_table(table, event, schema));
  table.schema = event.schema;
  return &table;
}

Result<SqliteTarget::StreamTable*> SqliteTarget::make_table(const Event& event,
                                                            const Schema& schema) {
  TRY(std::string name, free_name(event.stream_name, schema));
  auto entry = std::make_unique<StreamTable>();
  entry->table = std::make_unique<SqliteTable>(database_, name, schema);
  entry->schema = event.schema;
  TRY_DO(entry->table->create());
  TRY(auto write, database_.prepare("INSERT INTO tidelog_tables VALUES (?, ?, ?, '')"));
  std::string stored;
  put_schema(stored, schema);
  write.bind_text(1, event.stream_name);
  write.bind_text(2, name);
  write.bind_bytes(3, stored);
  TRY_DO(write.run());
  return tables_.emplace(std::string(event.stream_name), std::move(entry)).first->second.get();
}

Status SqliteTarget::change_table(StreamTable& table, const Event& event, const Schema& schema) {
  TRY_DO(finish_move());
  not_known_.clear();
  TRY(const bool kept, table.table->change_schema(schema, not_known_));
  if (!kept) table.late.clear();
  if (kept) table.late.insert(table.late.end(), not_known_.begin(), not_known_.end());
  TRY_DO(remember_schema(event.stream_name, schema));
  if (not_known_.empty()) return {};
  return note_not_known(event, kept ? "all before" : "none was kept: the key is new");
}

Status SqliteTarget::remember_schema(std::string_view stream, const Schema& schema) {
  TRY(auto write,
      database_.prepare(
          "UPDATE tidelog_tables SET \"schema\" = ?, late_columns = ? WHERE stream = ?"));
  std::string stored;
  put_schema(stored, schema);
  const std::string late = joined(tables_.find(stream)->second->late);
  write.bind_bytes(1, stored);
  write.bind_text(2, late);
  write.bind_text(3, stream);
  return write.run();
}

Status SqliteTarget::note_not_known(const Event& event, std::string_view rows) {
  TRY(auto write, database_.prepare("INSERT INTO tidelog_not_known VALUES (?, ?, ?, ?)"));
  const std::string columns = joined(not_known_);
  write.bind(1, as_integer(event.position.value));
  write.bind_text(2, event.stream_name);
  write.bind_text(3, rows);
  write.bind_text(4, columns);
  return write.run();
}

Result<bool> SqliteTarget::is_taken(const std::string& name) {
  TRY(auto query,
      database_.prepare("SELECT count(*) FROM sqlite_master WHERE name = ? COLLATE NOCASE"));
  query.bind_text(1, name);
  TRY_DO(query.step());
  const bool taken = query.integer(0) > 0;
  query.reset();
  return taken;
}

// The shortest name that is free: orders, public.orders, shop.public.orders. Streams come in the
// order of the history, so that a replay from its beginning always gives the same names.
Result<std::string> SqliteTarget::free_name(std::string_view stream, const Schema& schema) {
  for (const std::string& name :
       {schema.table, schema.table_schema + "." + schema.table, std::string(stream)}) {
    const bool reserved = name.empty() || sqlite3_strnicmp(name.c_str(), "sqlite_", 7) == 0 ||
                          sqlite3_strnicmp(name.c_str(), "tidelog_", 8) == 0;
    if (reserved) continue;
    TRY(const bool taken, is_taken(name));
    if (!taken) return name;
  }
  return fail(Code::conflict,
              database_.path() + ": no table name is free for the stream " + std::string(stream));
}

}  // namespace tidelog
