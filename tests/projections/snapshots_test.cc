#include "projections/snapshots.h"

#include <atomic>
#include <random>
#include <thread>

#include "projections/key_state.h"
#include "projections/replay.h"
#include "projections/snapshot_check.h"
#include "projections/sqlite_target.h"
#include "projections/state.h"
#include "projections/state_maker.h"
#include "tests/projections/hostile_history.h"
#include "tests/projections/sqlite_file.h"
#include "tests/support/crash_states.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

const std::string orders_stream = "shop.public.orders";
const std::string lines_stream = "shop.public.lines";

void ignore_damage(const std::string&) {}

std::unique_ptr<DiskLock> locked(StoreScript& script) {
  return must(StateDirectory(script.disk, "store").lock("a test"));
}

SnapshotName make(StoreScript& script, const std::string& stream, Position end,
                  std::uint64_t memory_bytes = 32 << 20) {
  const auto lock = locked(script);
  const auto reader = script.reader();
  return must(make_snapshot(*reader, {stream, end, memory_bytes}, ignore_damage, {}));
}

std::unique_ptr<StateFile> opened(StoreScript& script, const SnapshotName& name) {
  return must(StateFile::open(script.disk, StateDirectory(script.disk, "store").path(name)));
}

bool has(StoreReader& reader, const std::string& stream) {
  const auto names = must(reader.stream_names());
  return std::find(names.begin(), names.end(), stream) != names.end();
}

}  // namespace

TEST_CASE("snapshots: at every position of a hostile history they are what the fold is") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  std::mt19937 random(seed);
  StoreScript script;
  HostileTable orders(orders_stream, seed, true);
  HostileTable lines(lines_stream, seed + 1, false);
  for (int i = 0; i < 70; ++i) {
    std::vector<Change> changes = orders.transaction();
    for (Change& change : lines.transaction()) changes.push_back(std::move(change));
    if (changes.empty()) continue;
    const Position end = script.commit(changes);
    CAPTURE(end.value);
    auto reader = script.reader();
    for (const std::string& stream : {orders_stream, lines_stream}) {
      CAPTURE(stream);
      if (!has(*reader, stream)) continue;
      const Lines expected = lines_of(*plain_fold(*reader, stream, end));
      // From the begin, in windows of a few events.
      StateMaking making;
      making.path = "store/made";
      making.stream = must(stream_state(*reader, stream)).id;
      making.stream_name = stream;
      making.end = end;
      making.memory_bytes = random() % 3000;
      must(make_state_file(*reader, std::move(making), {}));
      CHECK(lines_of(*must(StateFile::open(script.disk, "store/made"))) == expected);
      CHECK(must(script.disk.list("store")) ==
            Lines{"durable", "home", "lock", "made", "manifest", "superblock"});
      // From one before, by hand at some positions.
      if (random() % 3 == 0) {
        const SnapshotName name = make(script, stream, end, random() % 3000);
        CHECK(lines_of(*opened(script, name)) == expected);
      }
      CHECK(lines_of(*must(state_at(*reader, stream, end, ignore_damage))) == expected);
    }
  }
}

TEST_CASE("snapshots: a crash at any call while one is made leaves the old ones, or them and it" *
          doctest::test_suite("crash")) {
  StoreScript script;
  HostileTable orders(orders_stream, 7, true);
  Position middle;
  Position end;
  while (end.value < 120) {
    const auto changes = orders.transaction();
    if (!changes.empty()) end = script.commit(changes);
    if (middle.value < 60) middle = end;
  }
  make(script, orders_stream, middle);
  const Lines expected = lines_of(*plain_fold(*script.reader(), orders_stream, end));
  const FaultyDisk before = script.disk;
  std::uint64_t states = 0;
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk = before;
    disk.crash_at(call);
    const auto making = [&]() -> Status {
      TRY(const auto lock, StateDirectory(disk, "store").lock("a test"));
      TRY(const auto reader, StoreReader::open(disk, "store"));
      TRY_DO(make_snapshot(*reader, {orders_stream, end, 1500}, ignore_damage, {}));
      return {};
    };
    const bool made = making().has_value();
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::all_but_one,
                                    Survives::torn_last, Survives::some}) {
      ++states;
      FaultyDisk left = disk.after_power_loss(survives, call);
      const StateDirectory directory(left, "store");
      const auto names = must(directory.list());
      REQUIRE(names.size() >= (made ? 2 : 1));
      for (const SnapshotName& name : names) must(verify_state_file(left, directory.path(name)));
      FakeClock clock;
      StoreOptions options;
      options.background = false;
      must(EventStore::open(left, clock, "store", options));  // recovery knows the end again
      const auto reader = must(StoreReader::open(left, "store"));
      std::string damage;
      const auto fold = must(
          state_at(*reader, orders_stream, end, [&](const std::string& what) { damage += what; }));
      REQUIRE(damage.empty());
      REQUIRE(lines_of(*fold) == expected);
      // And it can be made after all; what was left is gone.
      const auto lock = must(directory.lock("a test"));
      must(make_snapshot(*reader, {orders_stream, end}, ignore_damage, {}));
      REQUIRE(must(left.list("store/state")).size() == 3);
    }
    if (!disk.crashed()) break;
  }
  report_crash_states("state snapshots", states);
}

TEST_CASE("snapshots: with any bit of one flipped the state is right, and the damage told") {
  StoreScript script;
  HostileTable orders(orders_stream, 11, true);
  Position end;
  while (end.value < 60) {
    const auto changes = orders.transaction();
    if (!changes.empty()) end = script.commit(changes);
  }
  const SnapshotName name = make(script, orders_stream, end);
  const Position later = script.commit(orders.transaction());
  const Lines expected = lines_of(*plain_fold(*script.reader(), orders_stream, later));
  const std::string path = StateDirectory(script.disk, "store").path(name);
  const FaultyDisk whole = script.disk;
  const std::uint64_t bits = whole.files().at(path).size() * 8;
  for (std::uint64_t bit = 0; bit < bits; bit += 5) {
    CAPTURE(bit);
    FaultyDisk disk = whole;
    disk.flip_bit(path, bit);
    const auto reader = must(StoreReader::open(disk, "store"));
    std::string damage;
    const OnDamage on_damage = [&](const std::string& what) { damage += what; };
    const auto fold = must(state_at(*reader, orders_stream, later, on_damage));
    REQUIRE(lines_of(*fold) == expected);
    REQUIRE(damage.find(path) != std::string::npos);
    if (bit % 50 != 0) continue;
    // The next one made removes it.
    const auto lock = must(StateDirectory(disk, "store").lock("a test"));
    must(make_snapshot(*reader, {orders_stream, later}, on_damage, {}));
    REQUIRE(must(StateDirectory(disk, "store").list()).size() == 1);
  }
}

TEST_CASE("snapshots: a file that is none at all is passed over") {
  StoreScript script;
  const Position end = script.commit({added(orders(), {std::int64_t{1}, Null{}, Null{}})});
  const SnapshotName name = make(script, orders_stream, end);
  const std::string path = StateDirectory(script.disk, "store").path(name);
  script.disk.put_file(path, "not one of ours");
  std::string damage;
  must(state_at(*script.reader(), orders_stream, end,
                [&](const std::string& what) { damage = what; }));
  CHECK(damage == path + ": too short for a state file");
}

TEST_CASE("snapshots: those that are kept lie spread over the history, the newest always") {
  FaultyDisk disk;
  must(disk.make_directory("store"));
  const StateDirectory directory(disk, "store");
  const auto lock = must(directory.lock("a test"));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    disk.put_file(directory.path({{3}, {i * 10}, false}), "");
    must(prune_snapshots(directory, {3}, 4));
    const auto names = must(directory.list());
    REQUIRE(names.size() == std::min<std::uint64_t>(i, 4));
    CHECK(names.back().position.value == i * 10);
    std::uint64_t before = 0;
    for (const SnapshotName& name : names) {
      if (i >= 8) CHECK(name.position.value - before <= i * 10 * 6 / 10);
      before = name.position.value;
    }
  }
  disk.put_file(directory.path({{3}, {990}, true}), "");
  must(prune_snapshots(directory, {3}, 4));
  const auto names = must(directory.list());
  CHECK(names == std::vector<SnapshotName>{{{3}, {990}, true}, {{3}, {1000}, false}});
}

TEST_CASE("snapshots: a check against a full replay finds what checksums cannot") {
  StoreScript script;
  HostileTable orders(orders_stream, 5, true);
  HostileTable lines(lines_stream, 6, false);
  Position end;
  for (int i = 0; i < 30; ++i) {
    std::vector<Change> changes = orders.transaction();
    for (Change& change : lines.transaction()) changes.push_back(std::move(change));
    if (!changes.empty()) end = script.commit(changes);
    if (i % 10 != 9) continue;
    make(script, orders_stream, end);
    make(script, lines_stream, end);
  }
  const auto check = [&] {
    const auto lock = locked(script);
    return must(check_snapshots(*script.reader(), [](const SnapshotCheck&) {}, {}));
  };
  SnapshotCheck checked = check();
  CHECK(checked.damage.empty());
  CHECK(checked.snapshot_count == 6);
  CHECK(must(script.disk.list("store/state")).size() == 7);  // with the lock
  // A whole file, and not the fold.
  const StateDirectory directory(script.disk, "store");
  const SnapshotName name = must(directory.list())[1];
  auto out = must(StateFileWriter::create(script.disk, directory.path(name)));
  StateAbout about;
  {
    const FaultyDisk copy = script.disk;
    about.store = script.reader()->uuid();
    about.stream = name.stream;
    about.stream_name = orders_stream;
    about.position = name.position;
  }
  must(out.finish(about, nullptr));
  checked = check();
  REQUIRE(checked.damage.size() == 1);
  CHECK(checked.damage[0].find(directory.path(name)) == 0);
}

TEST_CASE("base snapshots: a stream's history starts at one, and its damage is corruption") {
  StoreScript script;
  HostileTable orders(orders_stream, 3, true);
  Position middle;
  Position end;
  while (end.value < 120) {
    const auto changes = orders.transaction();
    if (!changes.empty()) end = script.commit(changes);
    if (middle.value < 60) middle = end;
  }
  make(script, orders_stream, Position{middle.value});
  SnapshotName base;
  {
    const auto lock = locked(script);
    base = must(make_base_snapshot(*script.reader(), {orders_stream, middle, 500}, {}));
    CHECK(base.base);
    const auto again = must(make_base_snapshot(*script.reader(), {orders_stream, middle}, {}));
    CHECK(again == base);
  }
  const StateDirectory directory(script.disk, "store");
  CHECK(must(directory.list()) == std::vector<SnapshotName>{base});
  const Lines expected = lines_of(*plain_fold(*script.reader(), orders_stream, end));
  CHECK(lines_of(*must(state_at(*script.reader(), orders_stream, end, ignore_damage))) == expected);
  const auto before =
      state_at(*script.reader(), orders_stream, Position{middle.value - 1}, nullptr);
  REQUIRE(!before);
  CHECK(before.error().code == Code::not_found);
  CHECK(before.error().what.find("starts at position " + std::to_string(middle.value)) !=
        std::string::npos);
  // Pruning leaves it.
  make(script, orders_stream, end);
  must(prune_snapshots(directory, base.stream, 1));
  CHECK(must(directory.list()).size() == 2);
  // Erasure rewrites it.
  {
    const auto lock = locked(script);
    const std::size_t rows = lines_of(*opened(script, base)).size();
    std::string first;
    must(erase_from_snapshots(*script.reader(), orders_stream, [&](const StoredRow& row) {
      if (first.empty()) first = row.key;
      return row.key == first;
    }));
    CHECK(lines_of(*opened(script, base)).size() == rows - 1);
    CHECK(must(directory.list()) == std::vector<SnapshotName>{base});
  }
  script.disk.flip_bit(directory.path(base), 500);
  const auto damaged = state_at(*script.reader(), orders_stream, end, ignore_damage);
  REQUIRE(!damaged);
  CHECK(damaged.error().code == Code::corrupt);
}

TEST_CASE("base snapshots: a replay starts with their rows, and is then what it always was") {
  StoreScript script;
  const auto row = [](std::int64_t id, std::string_view note) {
    return Values{id, Text{note}, Null{}};
  };
  const Position first =
      script.commit({added(orders(), row(1, "a")), added(orders(), row(2, "b"))});
  const Position middle = script.commit({updated(orders(), row(1, "c"))});
  const SqliteFile lagging;
  const auto replay_into = [&](const SqliteFile& file, Position end) {
    const auto reader = script.reader();
    const auto target = must(SqliteTarget::open(file.path()));
    ReplayOptions options;
    options.end = end;
    must(replay(*reader, *target, options, nullptr, {}));
  };
  replay_into(lagging, first);
  const Position end =
      script.commit({removed(orders(), {std::int64_t{2}}), added(orders(), row(3, "d"))});
  {
    const auto lock = locked(script);
    must(make_base_snapshot(*script.reader(), {orders_stream, middle}, {}));
  }
  const SqliteFile fresh;
  replay_into(fresh, end);
  CHECK(fresh.rows("orders") == Lines{"1|'c'|NULL", "3|'d'|NULL"});
  replay_into(lagging, end);
  CHECK(lagging.rows("orders") == Lines{"1|'c'|NULL", "3|'d'|NULL"});
  // A begin before the history's is refused.
  const SqliteFile partial;
  const auto reader = script.reader();
  const auto target = must(SqliteTarget::open(partial.path()));
  ReplayOptions options;
  options.end = end;
  options.from = Position{0};
  const auto refused = replay(*reader, *target, options, nullptr, {});
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::misconfigured);
}

TEST_CASE("snapshots: made and read beside a writer that never rests" *
          doctest::test_suite("threads")) {
  StoreScript script;
  std::atomic<bool> ended{false};
  std::atomic<std::uint64_t> made{0};
  script.commit({added(orders(), {std::int64_t{0}, Null{}, Null{}})});
  std::jthread maker([&] {
    while (!ended) {
      const auto reader = script.reader();
      const Position end = reader->durable();
      const SnapshotName name = make(script, orders_stream, end);
      must(prune_snapshots(StateDirectory(script.disk, "store"), name.stream, 3));
      ++made;
    }
  });
  std::jthread asker([&] {
    auto state = must(KeyState::open(script.disk, "store", orders_stream, nullptr));
    while (!ended) {
      const auto reader = script.reader();
      const Position end = reader->durable();
      const auto fold = must(state_at(*reader, orders_stream, end, nullptr));
      const auto one = must(state->row_at(stored({std::int64_t{0}}), end));
      REQUIRE(one);
      REQUIRE(fold->row_count() >= 1);
    }
  });
  for (std::int64_t i = 1; i < 400 || (made < 3 && i < 100'000); ++i) {
    script.commit({added(orders(), {i, Null{}, Null{}}),
                   updated(orders(), {std::int64_t{0}, Text{std::to_string(i)}, Null{}})});
  }
  ended = true;
  maker.join();
  asker.join();
  const auto lock = locked(script);
  CHECK(must(check_snapshots(*script.reader(), [](const SnapshotCheck&) {}, {})).damage.empty());
}

}  // namespace tidelog::testing
