// Random transactions against a model in memory: the fold of the store, and a SQLite file that is
// replayed step by step and killed in between, must equal it at every position.
#include <algorithm>
#include <map>
#include <random>

#include "projections/replay.h"
#include "projections/sqlite_target.h"
#include "projections/state.h"
#include "tests/projections/script.h"
#include "tests/projections/sqlite_file.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

// What the database would hold: by column name, text as the fold shows it.
struct Row {
  std::int64_t id = 0;
  std::string note;
  std::string price;
};

Schema full_orders() {
  Schema schema = orders();
  schema.identity = ReplicaIdentity::full;
  schema.columns[0].key = false;
  return schema;
}

Values values_of(const Row& row) { return {row.id, Text{row.note}, Decimal{row.price}}; }

std::string line_of(const Row& row) {
  return std::to_string(row.id) + "|" + row.note + "|" + row.price;
}
std::string sql_line_of(const Row& row) {
  return std::to_string(row.id) + "|'" + row.note + "'|'" + row.price + "'";
}

// One table with a key and one without, changed at random.
class Shop {
 public:
  explicit Shop(std::uint32_t seed) : random_(seed) {}

  std::vector<Change> transaction() {
    changes_.clear();
    const std::uint32_t count = 1 + number() % 8;
    for (std::uint32_t i = 0; i < count; ++i) {
      number() % 3 == 0 ? change_keyless() : change_keyed();
    }
    return std::move(changes_);
  }

  Lines keyed(std::string (*line)(const Row&)) const {
    Lines lines;
    for (const auto& [id, row] : keyed_) lines.push_back(line(row));
    return lines;
  }
  Lines keyless(std::string (*line)(const Row&)) const {
    Lines lines;
    for (const Row& row : keyless_) lines.push_back(line(row));
    return lines;
  }

 private:
  std::uint32_t number() { return static_cast<std::uint32_t>(random_()); }
  std::string some_text() {
    return std::string(number() % 20, static_cast<char>('a' + number() % 3));
  }
  std::string some_price() { return std::to_string(number() % 3) + ".50"; }

  void change_keyed() {
    const std::int64_t id = number() % 20;
    const auto at = keyed_.find(id);
    if (at == keyed_.end()) {
      keyed_[id] = {id, some_text(), some_price()};
      changes_.push_back(added(orders(), values_of(keyed_[id])));
    } else if (const std::uint32_t choice = number() % 20; choice == 0) {
      changes_.push_back(truncated());
      keyed_.clear();
    } else if (choice < 6) {
      changes_.push_back(removed(orders(), {id}));
      keyed_.erase(at);
    } else if (choice < 10) {
      move(at->second);
    } else {
      update(at->second);
    }
  }

  // What is not changed is not sent, as with TOAST.
  Values changed(Row& row) {
    Values values = values_of(row);
    if (number() % 2 == 0) {
      values[1] = Unchanged{};
    } else {
      row.note = some_text();
      values[1] = Text{row.note};
    }
    row.price = some_price();
    values[2] = Decimal{row.price};
    return values;
  }

  void update(Row& row) { changes_.push_back(updated(orders(), changed(row))); }

  void move(const Row& old) {
    Row row = old;
    row.id = 20 + number() % 20;
    if (keyed_.contains(row.id)) return;
    changes_.push_back(moved_away(orders(), {old.id}));
    changes_.push_back(moved_here(orders(), {old.id}, changed(row)));
    keyed_.erase(old.id);
    keyed_[row.id] = row;
  }

  void change_keyless() {
    const std::string stream = "shop.public.lines";
    if (keyless_.size() < 3 || number() % 2 == 0) {
      keyless_.push_back(
          {static_cast<std::int64_t>(number() % 2), some_text().substr(0, 1), some_price()});
      changes_.push_back(added(full_orders(), values_of(keyless_.back())).of(stream));
      return;
    }
    Row& row = keyless_[number() % keyless_.size()];
    const Row before = row;
    if (number() % 2 == 0) {
      std::swap(row, keyless_.back());
      keyless_.pop_back();
      changes_.push_back(removed_row(full_orders(), values_of(before)).of(stream));
    } else {
      const Values after = changed(row);
      changes_.push_back(updated_from(full_orders(), values_of(before), after).of(stream));
    }
  }

  std::mt19937 random_;
  std::map<std::int64_t, Row> keyed_;
  std::vector<Row> keyless_;
  std::vector<Change> changes_;
};

Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

struct Expected {
  Position end;
  Lines keyed, keyless, sql_keyed, sql_keyless;
};

// Passes everything on, and dies at a chosen call.
class DyingTarget : public Target {
 public:
  DyingTarget(Target& target, std::uint64_t calls_left)
      : target_(target), calls_left_(calls_left) {}
  Result<Checkpoint> begin(const std::vector<std::string>& streams) override {
    return target_.begin(streams);
  }
  Status apply(const Event& event, const Schema* schema) override {
    if (calls_left_-- == 0) return fail(Code::failed, "killed");
    return target_.apply(event, schema);
  }
  Status commit(const Checkpoint& checkpoint) override {
    if (calls_left_-- == 0) return fail(Code::failed, "killed");
    return target_.commit(checkpoint);
  }

 private:
  Target& target_;
  std::uint64_t calls_left_;
};

// Replays up to `end`, killed after so many calls, if it takes that many.
void replay_and_die(StoreScript& script, const SqliteFile& file, Position end,
                    std::uint64_t calls) {
  auto reader = script.reader();
  auto target = must(SqliteTarget::open(file.path()));
  DyingTarget dying(*target, calls);
  ReplayOptions options;
  options.end = end;
  options.commit_events = 10;
  const auto replayed = replay(*reader, dying, options, nullptr, {});
  if (!replayed && replayed.error().what != "killed") FAIL(replayed.error().what);
}

}  // namespace

TEST_CASE("projections: fold, SQLite and model agree at every position of a random history") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  Shop shop(seed);
  StoreScript script;
  std::vector<Expected> history;
  for (int i = 0; i < 120; ++i) {
    const Position end = script.commit(shop.transaction());
    history.push_back({end, shop.keyed(line_of), sorted(shop.keyless(line_of)),
                       sorted(shop.keyed(sql_line_of)), sorted(shop.keyless(sql_line_of))});
  }
  const SqliteFile file;
  std::mt19937 random(seed);
  for (const Expected& expected : history) {
    CAPTURE(expected.end.value);
    auto reader = script.reader();
    const auto names = must(reader->stream_names());
    const auto has = [&](const char* name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (has("shop.public.orders")) {
      const auto fold = must(state_at(*reader, "shop.public.orders", expected.end, nullptr));
      CHECK(rows_of(*fold) == expected.keyed);
      CHECK(fold->contradictions().count == 0);
      CHECK(fold->contradictions().before_history == 0);
    }
    if (has("shop.public.lines")) {
      CHECK(sorted(rows_of(*must(state_at(*reader, "shop.public.lines", expected.end, nullptr)))) ==
            expected.keyless);
    }
    if (random() % 2 == 0) continue;  // the next replay takes several transactions at once
    replay_and_die(script, file, expected.end, random() % 8);
    replay_and_die(script, file, expected.end, ~std::uint64_t{0});
    // Each was made by its stream's first event, which may be still to come.
    const auto tables = file.query("SELECT table_name FROM tidelog_tables");
    for (const std::string& table : tables) {
      const bool keyed = file.query("SELECT stream FROM tidelog_tables WHERE table_name = '" +
                                    table + "'") == Lines{"shop.public.orders"};
      CHECK(file.rows(table) == (keyed ? expected.sql_keyed : expected.sql_keyless));
    }
    CHECK(file.query("SELECT next_position FROM tidelog_checkpoint") ==
          Lines{std::to_string(expected.end.value)});
  }
}

TEST_CASE("projections: a SQLite replay that is killed at any call resumes exactly") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  Shop shop(seed);
  StoreScript script;
  Position end;
  for (int i = 0; i < 12; ++i) end = script.commit(shop.transaction());
  for (std::uint64_t call = 0; call <= end.value + 2; ++call) {
    CAPTURE(call);
    const SqliteFile file;
    replay_and_die(script, file, end, call);
    replay_and_die(script, file, end, ~std::uint64_t{0});
    Lines all = file.rows("orders");
    for (const std::string& table :
         file.query("SELECT table_name FROM tidelog_tables WHERE table_name <> 'orders'")) {
      const Lines more = file.rows(table);
      all.insert(all.end(), more.begin(), more.end());
    }
    Lines expected = shop.keyed(sql_line_of);
    const Lines keyless = shop.keyless(sql_line_of);
    expected.insert(expected.end(), keyless.begin(), keyless.end());
    CHECK(sorted(all) == sorted(expected));
  }
}

}  // namespace tidelog::testing
