#include "tests/ingest/simulated_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "core/source_position.h"
#include "core/value_codec.h"

namespace tidelog::testing {
namespace {

using Order = TableReader::Order;
using Kind = SimulatedChange::Kind;

constexpr std::size_t columns_added_max = 2;
constexpr std::size_t doing_max = 5;

std::string default_of(std::size_t column) { return fmt::format("default{}", column); }

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string encoded_key(std::int64_t key) {
  std::string out;
  put_value(out, Value(key));
  return out;
}

std::uint64_t events_of(const std::vector<SimulatedChange>& changes) {
  std::uint64_t count = 0;
  for (const SimulatedChange& change : changes) count += change.kind == Kind::move ? 2 : 1;
  return count;
}

}  // namespace

std::string encoded(const SimulatedRow& row, std::optional<std::int64_t> key,
                    std::size_t columns_added, bool without_big) {
  std::string out;
  if (key) put_value(out, Value(*key));
  put_value(out, Value(Text{row.small}));
  put_value(out, without_big ? Value(Unchanged{}) : Value(Text{row.big}));
  for (std::size_t i = 0; i < columns_added; ++i) {
    const std::string value = i < row.more.size() ? row.more[i] : default_of(i);
    put_value(out, Value(Text{value}));
  }
  return out;
}

SimulatedDatabase::SimulatedDatabase(SimulatedOptions options, std::uint64_t seed)
    : options_(std::move(options)), next_id_(700 + seed % 5) {
  Dice dice(seed);
  const std::size_t count = options_.tables.size();
  columns_added_.resize(count);
  columns_added_seen_.resize(count);
  current_.resize(count);
  for (std::size_t table = 0; table < count; ++table) {
    for (std::int64_t key = 1; key <= options_.keys; ++key) {
      if (!dice.one_in(3)) current_[table][key] = new_row(table, dice);
    }
  }
  seen_ = last_ = at_start_ = current_;
}

Schema SimulatedDatabase::schema_of(std::size_t table, std::size_t columns_added) const {
  const std::string& name = options_.tables[table].name;
  const bool keyed = options_.tables[table].order != Order::keyless;
  Schema schema{"public",
                name.substr(name.find('.') + 1),
                keyed ? ReplicaIdentity::primary_key : ReplicaIdentity::full,
                {}};
  if (keyed) schema.columns.push_back({"id", "bigint", ValueKind::int64, true, 20, -1});
  schema.columns.push_back({"small", "text", ValueKind::text, false, 25, -1});
  schema.columns.push_back({"big", "text", ValueKind::text, false, 25, -1});
  for (std::size_t i = 0; i < columns_added; ++i)
    schema.columns.push_back({fmt::format("more{}", i), "text", ValueKind::text, false, 25, -1});
  return schema;
}

std::uint64_t SimulatedDatabase::log_end() {
  const std::scoped_lock lock(mutex_);
  return inserted_;
}

void SimulatedDatabase::note(std::string what) { trace_.push_back(std::move(what)); }

std::string SimulatedDatabase::trace() const {
  return fmt::format("{}\n", fmt::join(trace_, "\n"));
}

// Of a table without keys many rows are equal.
std::string SimulatedDatabase::new_text(std::size_t table, Dice& dice, std::string_view what) {
  const bool is_any = options_.tables[table].order != Order::keyless;
  return fmt::format("{}{}", what, is_any ? next_text_++ : dice.below(2));
}

SimulatedRow SimulatedDatabase::new_row(std::size_t table, Dice& dice) {
  SimulatedRow row{new_text(table, dice, "s"), new_text(table, dice, "big"), {}};
  for (std::size_t i = 0; i < columns_added_[table]; ++i)
    row.more.push_back(new_text(table, dice, "m"));
  return row;
}

// -- what goes on --

void SimulatedDatabase::step(Dice& dice) {
  {
    const std::scoped_lock lock(mutex_);
    if (dice.one_in(8)) inserted_ += 8 * dice.below(20);  // what others write
    if (dice.one_in(5))
      flushed_ =
          std::max(flushed_, inserted_ - std::min<std::uint64_t>(dice.below(200), inserted_));
    if (doing_.empty() || (doing_.size() < doing_max && dice.one_in(3))) {
      begin(dice);
    } else {
      advance(dice.below(doing_.size()), dice);
    }
  }
  changed_.notify_all();
}

void SimulatedDatabase::begin(Dice& dice) {
  auto doing = std::make_unique<Doing>();
  doing->id = next_id_;
  next_id_ += 1 + dice.below(2);  // others, which change nothing
  doing->early = options_.commits_early && dice.one_in(3);
  doing_.push_back(std::move(doing));
}

void SimulatedDatabase::advance(std::size_t which, Dice& dice) {
  Doing& doing = *doing_[which];
  if (doing.stage == Stage::open) {
    if (!dice.one_in(4)) {
      const std::uint64_t count = 1 + dice.below(3);
      for (std::uint64_t i = 0; i < count; ++i) change(doing, dice);
      return;
    }
    if (dice.one_in(10)) {
      abort(doing);
      doing_.erase(doing_.begin() + static_cast<std::ptrdiff_t>(which));
      return;
    }
    log(doing, dice);
    if (!options_.is_standby) return;
  }
  if (!options_.is_standby && !dice.one_in(3)) return;
  if (!doing.early && flushed_ < doing.end)
    flushed_ = doing.end + dice.below(2) * (inserted_ - doing.end);
  show(doing);
  doing_.erase(doing_.begin() + static_cast<std::ptrdiff_t>(which));
}

bool SimulatedDatabase::locked_by_other(const Doing& doing, std::size_t table,
                                        std::int64_t key) const {
  return std::ranges::any_of(doing_, [&](const auto& other) {
    if (other.get() == &doing) return false;
    const auto locked = other->locked.find(table);
    return locked != other->locked.end() && locked->second.contains(key);
  });
}

bool SimulatedDatabase::may_touch(const Doing& doing, std::size_t table) const {
  return std::ranges::none_of(doing_, [&](const auto& other) {
    return other.get() != &doing && other->exclusive == table;
  });
}

bool SimulatedDatabase::is_alone(const Doing& doing, std::size_t table) const {
  return std::ranges::none_of(doing_, [&](const auto& other) {
    return other.get() != &doing && (other->locked.contains(table) || other->exclusive == table);
  });
}

void SimulatedDatabase::change(Doing& doing, Dice& dice) {
  const std::size_t table = dice.below(options_.tables.size());
  if (!may_touch(doing, table)) return;
  if (!doing.exclusive && dice.one_in(30) && is_alone(doing, table)) {
    change_table(doing, table, dice);
  } else {
    change_row(doing, table, dice);
  }
}

void SimulatedDatabase::change_table(Doing& doing, std::size_t table, Dice& dice) {
  const bool adds = options_.adds_columns && columns_added_[table] < columns_added_max &&
                    doing.locked.empty() && dice.one_in(2);
  if (!adds && !options_.truncates) return;
  doing.exclusive = table;
  if (adds) {
    doing.adds_column = true;
    ++columns_added_[table];
    return;
  }
  SimulatedChange change;
  change.kind = Kind::truncate;
  change.table = table;
  change.columns_added = columns_added_[table];
  for (const auto& [key, row] : current_[table]) doing.locked[table].insert(key);
  doing.locked[table].insert(-1);
  current_[table].clear();
  doing.changes.push_back(std::move(change));
}

void SimulatedDatabase::change_row(Doing& doing, std::size_t table, Dice& dice) {
  if (options_.tables[table].order != Order::keyless) {
    const std::int64_t key =
        1 + static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(options_.keys)));
    if (locked_by_other(doing, table, key)) return;
    if (current_[table].contains(key)) {
      change_present(doing, table, key, dice);
    } else {
      insert(doing, table, key, dice);
    }
    return;
  }
  if (current_[table].empty() || dice.one_in(3)) {
    insert(doing, table, next_hidden_key_++, dice);
    return;
  }
  const auto row = std::next(current_[table].begin(),
                             static_cast<std::ptrdiff_t>(dice.below(current_[table].size())));
  if (!locked_by_other(doing, table, row->first)) change_present(doing, table, row->first, dice);
}

void SimulatedDatabase::insert(Doing& doing, std::size_t table, std::int64_t key, Dice& dice) {
  SimulatedChange change;
  change.table = table;
  change.columns_added = columns_added_[table];
  change.key = key;
  change.row = new_row(table, dice);
  current_[table][key] = change.row;
  doing.locked[table].insert(key);
  doing.changes.push_back(std::move(change));
}

void SimulatedDatabase::change_present(Doing& doing, std::size_t table, std::int64_t key,
                                       Dice& dice) {
  SimulatedChange change;
  change.table = table;
  change.columns_added = columns_added_[table];
  change.key = change.old_key = key;
  change.before = current_[table][key];
  doing.locked[table].insert(key);
  if (dice.one_in(4)) {
    change.kind = Kind::remove;
    current_[table].erase(key);
    doing.changes.push_back(std::move(change));
    return;
  }
  change.kind = Kind::update;
  change.row = new_row(table, dice);
  change.same_big = dice.below(3) != 0;
  if (change.same_big) change.row.big = change.before.big;
  const std::int64_t other =
      1 + static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(options_.keys)));
  const bool moves = options_.tables[table].order != Order::keyless && dice.one_in(2) &&
                     !current_[table].contains(other) && !locked_by_other(doing, table, other);
  if (moves) {
    change.kind = Kind::move;
    change.key = other;
    current_[table].erase(key);
    doing.locked[table].insert(other);
  }
  current_[table][change.key] = change.row;
  doing.changes.push_back(std::move(change));
}

void SimulatedDatabase::apply(const SimulatedChange& change, std::vector<SimulatedRows>& tables) {
  SimulatedRows& rows = tables[change.table];
  switch (change.kind) {
    case Kind::truncate:
      rows.clear();
      return;
    case Kind::remove:
      rows.erase(change.key);
      return;
    case Kind::move:
      rows.erase(change.old_key);
      break;
    case Kind::insert:
    case Kind::update:
      break;
  }
  rows[change.key] = change.row;
}

// Its commit has a place in the log; nobody sees it yet.
void SimulatedDatabase::log(Doing& doing, Dice& dice) {
  doing.stage = Stage::logged;
  doing.commit = inserted_ + 8;
  doing.end = doing.commit + 8 * (1 + dice.below(10));
  inserted_ = doing.end;
  for (const SimulatedChange& change : doing.changes) apply(change, last_);
  note(fmt::format("{} logged {}..{}{}", doing.id, doing.commit, doing.end,
                   doing.early ? " early" : ""));
  for (const SimulatedChange& change : doing.changes) {
    constexpr std::string_view kinds[] = {"insert", "update", "remove", "move", "truncate"};
    note(fmt::format("   {} table {} key {} from {} {} {}{}",
                     kinds[static_cast<std::size_t>(change.kind)], change.table, change.key,
                     change.old_key, change.row.small, change.row.big,
                     change.same_big ? " (same)" : ""));
  }
  if (doing.changes.empty()) return;
  log_.push_back({std::to_string(doing.id), doing.commit, doing.end, doing.changes});
  logged_.push_back({std::to_string(doing.id), events_of(doing.changes), last_});
}

void SimulatedDatabase::show(Doing& doing) {
  for (const SimulatedChange& change : doing.changes) apply(change, seen_);
  if (doing.adds_column) ++columns_added_seen_[*doing.exclusive];
  note(fmt::format("{} visible, flushed {}", doing.id, flushed_));
}

void SimulatedDatabase::abort(Doing& doing) {
  if (doing.adds_column) --columns_added_[*doing.exclusive];
  for (const auto& [table, keys] : doing.locked) {
    for (const std::int64_t key : keys) {
      const auto row = seen_[table].find(key);
      if (row == seen_[table].end()) {
        current_[table].erase(key);
      } else {
        current_[table][key] = row->second;
      }
    }
  }
}

void SimulatedDatabase::quiesce() {
  {
    const std::scoped_lock lock(mutex_);
    Dice dice(next_id_);
    for (const auto& doing : doing_) {
      if (doing->stage == Stage::open) log(*doing, dice);
    }
    flushed_ = inserted_;
    for (const auto& doing : doing_) show(*doing);
    doing_.clear();
  }
  changed_.notify_all();
}

void SimulatedDatabase::rest(Dice& dice) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(dice.below(200)));
}

// "xmin:xmax:xip", as Postgres has it. `sure`: so many transactions of the log it surely shows.
std::string SimulatedDatabase::snapshot_text(std::size_t sure) const {
  std::vector<std::uint64_t> open;
  for (const auto& doing : doing_) open.push_back(doing->id);
  for (std::size_t i = sure; options_.is_standby && i < log_.size(); ++i)
    open.push_back(number_of(log_[i].id));
  std::ranges::sort(open);
  const std::uint64_t oldest = open.empty() ? next_id_ : open.front();
  return fmt::format("{}:{}:{}", oldest, next_id_, fmt::join(open, ","));
}

// -- what tidelog sees of it --

class SimulatedReader final : public TableReader {
 public:
  SimulatedReader(SimulatedDatabase& database, std::size_t table, std::uint64_t seed)
      : database_(database), table_(table), dice_(seed) {}

  Order order() const override { return database_.options_.tables[table_].order; }
  std::uint64_t rows_estimated() const override { return 20; }
  std::uint64_t bytes_estimated() const override { return 20 << 20; }

  Result<std::vector<std::string>> divide(std::uint64_t parts_max) override {
    std::vector<std::string> places;
    std::uint64_t place = 0;
    while (places.size() + 1 < parts_max && dice_.below(5) != 0)
      places.push_back(std::to_string(place += 1 + dice_.below(8)));
    return places;
  }

  Result<Chunk> read(const Range& range, std::uint64_t rows_max, Sink& sink) override {
    const bool is_whole = order() != Order::by_key;
    const auto after = static_cast<std::int64_t>(number_of(range.next));
    const std::int64_t up_to =
        range.end.empty() ? INT64_MAX : static_cast<std::int64_t>(number_of(range.end));
    const std::size_t most =
        is_whole ? SIZE_MAX : std::min<std::size_t>(rows_max, 1 + dice_.below(5));
    take_snapshot(sink);
    Chunk chunk{end_, std::string(range.next), is_whole};
    SimulatedRows some;
    const auto end = rows_.upper_bound(up_to);
    auto row = is_whole ? rows_.begin() : rows_.upper_bound(after);
    for (; row != rows_.end() && (is_whole || row->first <= up_to); ++row) {
      if (some.size() == most) break;
      some.insert(*row);
    }
    if (!is_whole) {
      if (!some.empty()) chunk.next = std::to_string(some.rbegin()->first);
      const bool none_left = some.empty() || row == end;
      chunk.last = some.empty() || (none_left && dice_.one_in(2));
    }
    TRY(const auto cut_behind, give(some, sink));
    if (cut_behind && !is_whole) {
      chunk.next = std::to_string(*cut_behind);
      chunk.last = false;
    }
    return chunk;
  }

  Result<Chunk> read_keys(std::span<const StoredKey> keys, Sink& sink) override {
    take_snapshot(sink);
    SimulatedRows some;
    for (const StoredKey& stored : keys) {
      TRY(const auto values, read_row(stored.key, 1));
      const auto row = rows_.find(std::get<std::int64_t>(values[0].variant()));
      if (row != rows_.end()) some.insert(*row);
    }
    TRY(const auto cut_behind, give(some, sink));
    return Chunk{end_, {}, !cut_behind};
  }

 private:
  void take_snapshot(Sink& sink) {
    Snapshot snapshot;
    {
      const std::scoped_lock lock(database_.mutex_);
      rows_ = database_.seen_[table_];
      columns_added_ = database_.columns_added_seen_[table_];
      const std::size_t logged = database_.log_.size();
      const std::size_t unsure = order() == Order::by_key ? dice_.below(4) : 0;
      sure_ = std::max(sure_, logged - std::min(logged, unsure));
      snapshot.transactions = database_.snapshot_text(sure_);
      snapshot.place = encode(Lsn{database_.inserted_});
      end_ = snapshot.place;
      snapshot.time = {static_cast<std::int64_t>(database_.inserted_)};
      database_.note(fmt::format("reader {}: snapshot {} end {}", table_, snapshot.transactions,
                                 database_.inserted_));
    }
    sink.snapshot(snapshot);
  }

  // Up to a row with which there is no more room: gives its key.
  Result<std::optional<std::int64_t>> give(const SimulatedRows& rows, Sink& sink) {
    std::optional<std::int64_t> cut_behind;
    const bool keyed = order() != Order::keyless;
    while (dice_.one_in(2)) database_.rest(dice_);
    TRY(const auto version, sink.schema(database_.schema_of(table_, columns_added_)));
    EventBody event;
    event.type = EventType::load;
    event.stream = version.stream;
    event.schema = version.schema;
    std::string shown;
    for (const auto& [id, row] : rows) {
      if (database_.options_.fails && dice_.one_in(100))
        return fail(Code::unavailable, "the reader's connection broke");
      const std::string key = encoded_key(id);
      const std::string body =
          encoded(row, keyed ? std::optional(id) : std::nullopt, columns_added_, false);
      if (keyed) event.key = key;
      event.body = body;
      TRY(const bool goes_on, sink.row(event));
      ++event.ordinal;
      shown += fmt::format(" {}={}/{}", id, row.small, row.big);
      if (goes_on) continue;
      cut_behind = id;
      break;
    }
    const std::scoped_lock lock(database_.mutex_);
    database_.note(fmt::format("reader {}: gave{}", table_, shown));
    return cut_behind;
  }

  SimulatedDatabase& database_;
  const std::size_t table_;
  Dice dice_;
  SimulatedRows rows_;  // as the snapshot has them
  std::string end_;     // of the log, when it was taken
  std::size_t sure_ = 0;
  std::size_t columns_added_ = 0;
};

class SimulatedReaders final : public TableReaders {
 public:
  SimulatedReaders(SimulatedDatabase& database, std::uint64_t seed)
      : database_(database), dice_(seed) {}

  Result<std::unique_ptr<TableReader>> open(const TableToLoad& table,
                                            std::stop_token stop) override {
    std::unique_lock lock(database_.mutex_);
    const auto& tables = database_.options_.tables;
    const auto found = std::ranges::find(tables, table.table, &SimulatedTable::name);
    if (found == tables.end()) return fail(Code::misconfigured, "no table " + table.table);
    if (database_.options_.fails && dice_.one_in(6))
      return fail(Code::unavailable, "no connection for a reader");
    const std::uint64_t barrier = database_.options_.is_standby ? 0 : database_.next_id_;
    database_.note(
        fmt::format("reader {}: waits for all before {}", found - tables.begin(), barrier));
    database_.changed_.wait(lock, stop, [&] {
      return std::ranges::all_of(database_.doing_,
                                 [&](const auto& doing) { return doing->id >= barrier; });
    });
    if (stop.stop_requested()) return fail(Code::cancelled, "asked to stop");
    return std::unique_ptr<TableReader>(std::make_unique<SimulatedReader>(
        database_, static_cast<std::size_t>(found - tables.begin()), dice_.below(UINT32_MAX)));
  }

  Result<bool> includes(std::string_view snapshot, const Streamed& transaction) const override {
    const std::size_t first = snapshot.find(':');
    const std::size_t second = snapshot.find(':', first + 1);
    const std::uint64_t id = number_of(transaction.id);
    if (id < number_of(snapshot.substr(0, first))) return true;
    if (id >= number_of(snapshot.substr(first + 1, second - first - 1))) return false;
    const std::string open = fmt::format(",{},", snapshot.substr(second + 1));
    return open.find(fmt::format(",{},", id)) == std::string::npos;
  }

  Result<bool> passed(std::string_view resume, std::string_view place) const override {
    if (resume.empty()) return false;
    TRY(const PostgresResume reached, read_postgres_resume(resume));
    TRY(const Lsn lsn, read_postgres_lsn(place));
    return reached.end_lsn >= lsn;
  }

 private:
  SimulatedDatabase& database_;
  Dice dice_;  // guarded by the database's mutex
};

class SimulatedSource final : public Source {
 public:
  SimulatedSource(SimulatedDatabase& database, std::uint64_t seed)
      : database_(database), readers_(database, seed + 1), dice_(seed) {}

  Result<Next> prepare(std::string_view /*stored*/) override { return Next::stream; }
  std::string beginning_position() const override { return {}; }
  Result<Begun> begin() override {
    return fail(Code::misconfigured, "it was begun by whoever made the store");
  }
  Result<std::vector<Schema>> describe(const std::vector<std::string>& /*tables*/) override {
    return std::vector<Schema>();
  }
  Result<std::vector<std::string>> new_tables() override { return std::vector<std::string>(); }
  Status capture(const std::vector<std::string>& /*tables*/) override { return {}; }
  TableReaders& table_readers() override { return readers_; }
  void wake() override {
    {
      const std::scoped_lock lock(database_.mutex_);
      is_woken_ = true;
    }
    database_.changed_.notify_all();
  }

  Status stream(std::string_view stored, ChangeHandler& handler, std::stop_token stop) override {
    versions_.clear();
    reached_ = 0;
    if (!stored.empty()) {
      TRY(const auto resume, read_postgres_resume(stored));
      reached_ = resume.end_lsn.value;
    }
    note(fmt::format("stream from {}", reached_));
    while (!stop.stop_requested()) {
      if (database_.options_.fails && dice_.one_in(150))
        return fail(Code::unavailable, "the stream's connection broke");
      if (behind_ == 0 && dice_.one_in(40)) behind_ = dice_.below(30);
      if (behind_ != 0) {
        --behind_;
        database_.rest(dice_);
        continue;
      }
      if (const auto next = take()) {
        TRY_DO(give(*next, handler));
      } else {
        TRY_DO(nothing_to_give(handler, stop));
      }
    }
    return {};
  }

 private:
  void note(std::string what) {
    const std::scoped_lock lock(database_.mutex_);
    database_.note(std::move(what));
  }

  std::optional<SimulatedDatabase::Streamed> take() {
    const std::scoped_lock lock(database_.mutex_);
    const auto& log = database_.log_;
    const auto next =
        std::ranges::upper_bound(log, reached_, {}, &SimulatedDatabase::Streamed::end);
    if (next == log.end() || next->end > database_.flushed_) return std::nullopt;
    return *next;
  }

  static std::string resume_at(std::uint64_t lsn) {
    return encode(PostgresResume{PostgresResume::Phase::streaming, 7, 1, {lsn}, "slot"});
  }

  Status nothing_to_give(ChangeHandler& handler, const std::stop_token& stop) {
    std::uint64_t end = 0;
    {
      const std::scoped_lock lock(database_.mutex_);
      end = database_.flushed_;
      // What came meanwhile has not been given.
      const auto next =
          std::ranges::upper_bound(database_.log_, reached_, {}, &SimulatedDatabase::Streamed::end);
      if (next != database_.log_.end() && next->end <= end) return {};
    }
    if (end > reached_ && !dice_.one_in(3)) {
      reached_ = end;
      TRY_DO(handler.progress(resume_at(end)));
    }
    TRY_DO(handler.idle());
    std::unique_lock lock(database_.mutex_);
    database_.changed_.wait_for(lock, stop, std::chrono::milliseconds(1),
                                [&] { return is_woken_ || database_.flushed_ > reached_; });
    is_woken_ = false;
    return {};
  }

  Status give(const SimulatedDatabase::Streamed& transaction, ChangeHandler& handler) {
    const std::string position = encode(Lsn{transaction.commit});
    Transaction about;
    about.id = transaction.id;
    about.commit_time = {static_cast<std::int64_t>(transaction.commit)};
    about.position = position;
    TRY_DO(handler.begin(about));
    std::uint32_t ordinal = 0;
    for (const SimulatedChange& change : transaction.changes) {
      if (database_.options_.fails && dice_.one_in(400))
        return fail(Code::unavailable, "the stream's connection broke in a transaction");
      if (dice_.one_in(20)) database_.rest(dice_);
      TRY_DO(give(change, ordinal++, handler));
    }
    note(fmt::format("{} streamed", transaction.id));
    TRY_DO(handler.commit(resume_at(transaction.end)));
    reached_ = transaction.end;
    return dice_.one_in(4) ? handler.idle() : Status();
  }

  // The ids of a relation are asked for anew when it is another one, as a decoder does.
  Result<ChangeHandler::Version> version_of(const SimulatedChange& change, ChangeHandler& handler) {
    const auto known = versions_.find(change.table);
    if (known != versions_.end() && known->second.first == change.columns_added)
      return known->second.second;
    TRY(const auto version,
        handler.schema(database_.options_.tables[change.table].name,
                       database_.schema_of(change.table, change.columns_added)));
    versions_.insert_or_assign(change.table, std::pair(change.columns_added, version));
    return version;
  }

  Status give(const SimulatedChange& change, std::uint32_t ordinal, ChangeHandler& handler) {
    TRY(const auto version, version_of(change, handler));
    const bool keyed = database_.options_.tables[change.table].order != TableReader::Order::keyless;
    EventBody event;
    event.stream = version.stream;
    event.ordinal = ordinal;
    if (change.kind == Kind::truncate) {
      event.type = EventType::truncate;
      return handler.event(event);
    }
    event.schema = version.schema;
    return keyed ? give_keyed(change, event, handler) : give_keyless(change, event, handler);
  }

  static Status give_keyed(const SimulatedChange& change, EventBody& event,
                           ChangeHandler& handler) {
    const std::string key = encoded_key(change.key);
    const std::string old_key = encoded_key(change.old_key);
    const std::string row = encoded(change.row, change.key, change.columns_added, change.same_big);
    event.key = key;
    if (change.kind == Kind::remove || change.kind == Kind::move) {
      event.type = EventType::remove;
      event.key = old_key;
      event.moved = change.kind == Kind::move;
      event.before_kind = Before::key;
      event.before = old_key;
      TRY_DO(handler.event(event));
      if (change.kind == Kind::remove) return {};
    }
    event.type = change.kind == Kind::update ? EventType::update : EventType::insert;
    event.key = key;
    event.body = row;
    return handler.event(event);
  }

  static Status give_keyless(const SimulatedChange& change, EventBody& event,
                             ChangeHandler& handler) {
    const std::string row = encoded(change.row, std::nullopt, change.columns_added, false);
    const std::string before = encoded(change.before, std::nullopt, change.columns_added, false);
    if (change.kind != Kind::insert) {
      event.before_kind = Before::row;
      event.before = before;
    }
    event.type = change.kind == Kind::insert   ? EventType::insert
                 : change.kind == Kind::update ? EventType::update
                                               : EventType::remove;
    if (change.kind != Kind::remove) event.body = row;
    return handler.event(event);
  }

  SimulatedDatabase& database_;
  SimulatedReaders readers_;
  Dice dice_;
  std::uint64_t reached_ = 0;
  bool is_woken_ = false;     // guarded by the database's mutex
  std::uint64_t behind_ = 0;  // for so long it gives nothing
  std::map<std::size_t, std::pair<std::size_t, ChangeHandler::Version>> versions_;
};

std::unique_ptr<Source> SimulatedDatabase::connect(std::uint64_t seed) {
  return std::make_unique<SimulatedSource>(*this, seed);
}

}  // namespace tidelog::testing
