// The proof of "exactly once": a workload on several connections, while tidelog is killed at
// random. In the end the store's fold is the database's tables, no event came twice, transactions
// are whole, states at remembered positions are the copies taken at those moments, and a reader
// beside it all never saw an event that later was gone.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/disk.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"
#include "projections/first_load.h"
#include "projections/state.h"
#include "tests/support/child_process.h"
#include "tests/support/postgres_server.h"
#include "tests/support/seed.h"
#include "tests/support/tidelog_process.h"

namespace tidelog::testing {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().what);
}

using Table = std::multiset<std::vector<std::string>>;

constexpr int worker_count = 4;
const std::vector<std::string> table_names = {"accounts", "moves", "ticks"};

Table table_of(PostgresServer& server, const std::string& query) {
  Table table;
  for (auto& row : server.sql(query)) table.insert(std::move(row));
  return table;
}

// The session's forms are those that tidelog asks for, so that texts can be compared.
const std::string session_forms =
    "set datestyle = 'ISO'; set intervalstyle = 'iso_8601'; set timezone = 'UTC'; "
    "set extra_float_digits = 3; set bytea_output = 'hex';";

Table state_of(StoreReader& reader, const std::string& table, Position end) {
  const auto fold = must(state_at(reader, "shop.public." + table, end, nullptr));
  CHECK(fold->contradictions().count == 0);
  Table rows;
  must(fold->for_each([&](const TableRow& row) -> Status {
    std::vector<std::string> texts;
    for (const Value& value : must(read_row(row.row, row.schema->columns.size()))) {
      texts.emplace_back();
      print_value(texts.back(), value);
    }
    rows.insert(std::move(texts));
    return {};
  }));
  return rows;
}

// How the server sends what the workers do, and what the source is told.
struct Scenario {
  PostgresServer::Options server;
  std::string keys;       // of the source
  bool prepares = false;  // some transactions are prepared, and end later
};

// Random transactions: some large, some rolled back in part or whole, some that change keys. Each
// that commits puts as many rows into `moves` as that table's `total` says, so that half of one
// would show.
class Worker {
 public:
  Worker(const std::string& url, unsigned seed, int number, bool prepares)
      : session_(url), random_(seed), number_(number), prepares_(prepares) {
    // One that is prepared keeps its locks, and no server looks for a circle through it: so each
    // worker has its own rows, and waits little for others.
    if (prepares_) session_.sql("set lock_timeout = '50ms'");
  }

  void transaction() {
    const auto statements = static_cast<int>(pick(1, 12));
    const std::string tag = std::to_string(number_) + "-" + std::to_string(++count_);
    std::string sql = "begin;";
    for (int i = 1; i <= statements; ++i) sql += move(tag, i, statements) + change();
    if (pick(1, 20) == 1) sql += bulk();
    if (prepares_ && pick(1, 3) == 1) return prepare(sql, tag);
    sql += pick(1, 10) == 1 ? "rollback" : "commit";
    // Deadlocks and key conflicts between workers are part of life: such a transaction rolls back.
    if (!session_.query(sql)) static_cast<void>(session_.query("rollback"));
    if (!prepared_.empty() && pick(1, 3) == 1) end_prepared();
  }

  // The last of what it prepared.
  void end() {
    while (!prepared_.empty()) end_prepared();
  }

 private:
  void prepare(const std::string& sql, const std::string& tag) {
    if (session_.query(sql + "prepare transaction '" + tag + "'")) {
      prepared_.push_back(tag);
    } else {
      static_cast<void>(session_.query("rollback"));
    }
    if (prepared_.size() > 3) end_prepared();
  }
  void end_prepared() {
    session_.sql((pick(1, 4) == 1 ? "rollback prepared '" : "commit prepared '") +
                 prepared_.front() + "'");
    prepared_.erase(prepared_.begin());
  }

  std::uint64_t pick(std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random_);
  }
  std::string id() {
    const auto own = static_cast<std::uint64_t>(number_);
    return std::to_string(prepares_ ? pick(1, 1'250) * worker_count - own : pick(1, 5000));
  }

  static std::string move(const std::string& tag, int index, int total) {
    return "insert into moves (tag, index, total) values ('" + tag + "', " + std::to_string(index) +
           ", " + std::to_string(total) + ");";
  }

  std::string change() {
    switch (pick(0, 7)) {
      case 0:
        return "insert into accounts values (" + std::to_string(pick(5001, 900000)) +
               ", 'né ' || random(), random() * 100, now()) on conflict do nothing;";
      case 1:
        return "delete from accounts where id = " + id() + ";";
      case 2:
        return "update accounts set id = " + std::to_string(pick(900001, 9000000)) +
               " where id = " + id() + ";";
      case 3:
        return "savepoint s; update accounts set owner = 'lost' where id = " + id() +
               "; rollback to s;";
      case 4:
        return "insert into ticks select " + id() + ", repeat('t', 3) from generate_series(1, 3);";
      case 5:
        return "delete from ticks where ctid in (select ctid from ticks limit 1 for update skip "
               "locked);";
      case 6:
        return "update ticks set note = note || 'u' where ctid in (select ctid from ticks limit "
               "2 for update skip locked);";
      default:
        return "update accounts set balance = balance - 1.5, touched = clock_timestamp() where id "
               "= " +
               id() + ";";
    }
  }

  // In pieces, what was rolled back beside a message makes the whole transaction come once more.
  std::string bulk() {
    const std::string update = "update accounts set owner = owner || '.' where id between " + id() +
                               " and 2500" + (prepares_ ? own_rows() : "") + ";";
    if (!prepares_ || pick(1, 4) != 1) return update;
    return "select pg_logical_emit_message(true, 'bulk', ''); savepoint b;" + update +
           "rollback to b;" + update;
  }
  std::string own_rows() { return " and (id + " + std::to_string(number_) + ") % 4 = 0"; }

  SqlSession session_;
  std::mt19937 random_;
  int number_;
  bool prepares_;
  int count_ = 0;
  std::vector<std::string> prepared_;  // and not ended yet
};

// What a reader of another process sees while the writer comes and goes.
class Watcher {
 public:
  explicit Watcher(std::string store)
      : store_(std::move(store)), thread_([this](const std::stop_token& stop) { watch(stop); }) {}
  void end() {
    thread_.request_stop();
    thread_.join();
  }
  const std::vector<std::size_t>& seen() const { return seen_; }
  const std::string& problem() const { return problem_; }

  static std::size_t print_of(const Event& event) {
    return std::hash<std::string_view>{}(event.body.value_or("none")) ^
           (std::hash<std::string_view>{}(event.transaction.id) * 31) ^ event.revision.value;
  }

 private:
  void watch(const std::stop_token& stop) {
    const auto disk = real_disk();
    std::unique_ptr<StoreReader> reader;
    while (!stop.stop_requested()) {
      if (!reader) {
        eventually(Duration(100), [&] {
          if (auto opened = StoreReader::open(*disk, store_)) reader = *std::move(opened);
          return reader != nullptr;
        });
        continue;
      }
      const auto event = reader->next();
      if (!event) {
        problem_ = event.error().what;
        return;
      }
      if (*event != nullptr) {
        seen_.push_back(print_of(**event));
      } else {
        eventually(Duration(100),
                   [&] { return stop.stop_requested() || reader->durable() > reader->position(); });
      }
    }
  }

  std::string store_;
  std::vector<std::size_t> seen_;
  std::string problem_;
  std::jthread thread_;  // last: it uses the rest
};

struct Remembered {
  int marker;
  std::map<std::string, Table> tables;
};

void check_kills_under_load(const Scenario& scenario) {
  const auto seed = static_cast<unsigned>(test_seed());
  std::mt19937 random(seed);
  PostgresServer server(scenario.server);
  server.sql(
      session_forms +
      "create table accounts (id bigint primary key, owner text not null, balance numeric, "
      "touched timestamptz);"
      "create table moves (id bigserial primary key, tag text, index int, total int);"
      "create table ticks (account bigint, note text); alter table ticks replica identity full;"
      "insert into accounts select n, 'owner ' || n, n / 7.0, now() from "
      "generate_series(1, 5000) n");
  const auto folder = scratch_folder("kill");
  const std::string config = (folder / "shop.yaml").string();
  const std::string store = (folder / "store").string();
  std::ofstream(config) << "store: { path: ./store }\nsources:\n  - name: shop\n    postgres: \""
                        << server.url() << "\"\n    tables: [public.*]\n"
                        << scenario.keys;

  // Held shared by each transaction, exclusively to copy the tables; the gate lets the copy go
  // first.
  std::shared_mutex pause;
  std::mutex gate;
  // A server that logs more than it can decode lets no load come to its end.
  std::atomic<bool> is_gentle = false;
  std::vector<std::jthread> workers;
  for (int w = 0; w < worker_count; ++w) {
    workers.emplace_back([&, w](const std::stop_token& stop) {
      Worker worker(server.url(), seed + static_cast<unsigned>(w), w, scenario.prepares);
      while (!stop.stop_requested()) {
        std::unique_lock entering(gate);
        const std::shared_lock lock(pause);
        entering.unlock();
        worker.transaction();
        if (is_gentle) eventually(Duration(20), [&] { return stop.stop_requested(); });
      }
      worker.end();
    });
  }

  Watcher watcher(store);
  std::vector<Remembered> remembered;
  const auto remember = [&] {
    const std::lock_guard entering(gate);
    const std::unique_lock lock(pause);
    Remembered now{static_cast<int>(remembered.size()), {}};
    for (const auto& table : table_names) {
      if (table != "moves") now.tables[table] = table_of(server, "select * from " + table);
    }
    server.sql("insert into moves (tag, index, total) values ('marker', " +
               std::to_string(now.marker) + ", 0)");
    remembered.push_back(std::move(now));
  };

  // The first ones hit the initial load; then one run is left alone until that is through.
  constexpr int kills = 50;
  constexpr int kills_while_loading = 10;
  constexpr Duration loads_within(120'000);
  const auto disk = real_disk();
  const auto is_loaded = [&] {
    const auto opened = StoreReader::open(*disk, store);
    return opened && std::ranges::all_of(table_names, [&](const std::string& table) {
             const auto step =
                 last_load_step(**opened, "shop.public." + table, (*opened)->durable());
             return step && *step && (*step)->kind == LoadStep::Kind::ended;
           });
  };
  for (int kill = 0; kill < kills; ++kill) {
    TidelogProcess run(folder, "run", {"run", "-c", config});
    if (kill == kills_while_loading) {
      is_gentle = true;
      REQUIRE_MESSAGE(eventually(loads_within, is_loaded), run.errors());
      is_gentle = false;
    }
    const auto milliseconds = std::uniform_int_distribution<int>(10, 400)(random);
    const auto ended = run.wait(Duration(milliseconds));
    if (ended) FAIL("tidelog ended by itself: " << run.errors());
    run.kill(SIGKILL);
    REQUIRE(run.wait(soon) == Exit{0, SIGKILL});
    if (kill % 12 == 11) remember();
  }
  workers.clear();  // asks each to stop, and joins it
  server.sql("insert into moves (tag, index, total) values ('end', 0, 0)");

  TidelogProcess last(folder, "last", {"run", "-c", config});
  const auto tail = must(StoreReader::open(*disk, store));
  tail->only_streams({"shop.public.moves"});
  const auto has_end = [&] {
    for (;;) {
      const Event* event = must(tail->next());
      if (event == nullptr) return false;
      if (event->type != EventType::insert) continue;
      const auto row = must(read_row(*event->body, 4));
      if (std::get<Text>(row[1].variant()).text == "end") return true;
    }
  };
  REQUIRE_MESSAGE(eventually(Duration(120'000), has_end), last.errors());
  last.kill(SIGTERM);
  CHECK(last.wait(soon) == Exit{0, 0});
  watcher.end();
  CHECK(watcher.problem() == "");

  const auto reader = must(StoreReader::open(*disk, store));
  std::set<std::tuple<std::string, std::string, std::uint32_t, EventType>> identities;
  std::map<std::string, std::pair<int, int>> moves;  // tag: rows seen, rows promised
  std::map<int, Position> markers;
  std::uint64_t expected_position = 0;
  std::uint64_t loads = 0;
  std::string load_transaction;
  for (;;) {
    const Event* event = must(reader->next());
    if (event == nullptr) break;
    if (event->position.value != expected_position) FAIL("position " << event->position.value);
    if (expected_position < watcher.seen().size()) {
      const bool is_same = watcher.seen()[expected_position] == Watcher::print_of(*event);
      if (!is_same) FAIL("position " << expected_position << " is not what a reader saw there");
    }
    ++expected_position;
    if (event->type == EventType::load) {
      ++loads;
      continue;
    }
    if (event->type == EventType::schema || event->type == EventType::load_step) continue;
    const bool is_new = identities
                            .emplace(event->transaction.position, std::string(event->stream_name),
                                     event->ordinal, event->type)
                            .second;
    if (!is_new) FAIL("the event at " << event->position.value << " came before");
    if (event->stream_name != "shop.public.moves" || event->type != EventType::insert) continue;
    const auto row = must(read_row(*event->body, 4));
    const std::string tag(std::get<Text>(row[1].variant()).text);
    const auto index = static_cast<int>(std::get<std::int64_t>(row[2].variant()));
    if (tag == "marker") markers[index] = event->position;
    auto& [count, total] = moves[tag];
    ++count;
    total = static_cast<int>(std::get<std::int64_t>(row[3].variant()));
    CHECK(event->transaction.event_index < event->transaction.event_count);
  }
  CHECK(watcher.seen().size() <= expected_position);
  CHECK(loads >= 5000);
  MESSAGE(identities.size() << " changes, " << loads << " loaded rows, " << watcher.seen().size()
                            << " events seen by the reader beside it");
  for (const auto& [tag, counts] : moves) {
    if (tag == "marker" || tag == "end") continue;
    CAPTURE(tag);
    CHECK(counts.first == counts.second);
  }

  const Position end = must(reader->end_through(reader->durable()));
  for (const auto& table : table_names) {
    CAPTURE(table);
    CHECK(state_of(*reader, table, end) == table_of(server, "select * from " + table));
  }
  for (const Remembered& then : remembered) {
    CAPTURE(then.marker);
    // A marker that was committed before the load began is among the loaded rows.
    if (!markers.contains(then.marker)) continue;
    const Position at = must(reader->end_through(markers.at(then.marker)));
    for (const auto& [table, rows] : then.tables) CHECK(state_of(*reader, table, at) == rows);
  }
  const auto report = must(verify_store(*disk, store, [](const VerifyProgress&) {}));
  CHECK(report.damage.empty());
  CHECK(std::filesystem::is_empty(folder / "store" / "staging"));
}

}  // namespace

TEST_CASE("kill: 50 kills under load, and every committed row is in the store exactly once" *
          doctest::timeout(400)) {
  check_kills_under_load({});
}

TEST_CASE(
    "kill: 50 kills while transactions are sent in pieces, in binary form, and prepared, and every "
    "committed row is in the store exactly once" *
    doctest::timeout(400)) {
  Scenario scenario;
  scenario.server.version = "18";
  scenario.server.settings = {"logical_decoding_work_mem=64kB", "max_prepared_transactions=30"};
  scenario.keys = "    two_phase: true\n    binary: true\n";
  scenario.prepares = true;
  check_kills_under_load(scenario);
}

}  // namespace tidelog::testing
