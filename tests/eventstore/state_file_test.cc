#include "eventstore/state_file.h"

#include <map>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/state_directory.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

const std::string path = "made.state";

std::string key_of(std::int64_t id) {
  std::string key;
  put_value(key, Value(id));
  return key;
}

std::string row_of(std::int64_t id, std::size_t bytes) {
  std::string row = key_of(id);
  put_value(row, Value(Text{std::string(bytes, static_cast<char>('a' + id % 7))}));
  return row;
}

StateAbout about_rows(std::uint64_t count) {
  StateAbout about;
  about.store = "0123456789abcdef";
  about.stream = {3};
  about.stream_name = "shop.public.orders";
  about.position = {1000};
  about.revision = {900};
  about.append_time = {1'700'000'000'000'000};
  about.schema = {2};
  about.loaded = true;
  about.row_count = count;
  about.gap_count = 1;
  about.contradiction_count = 7;
  about.contradictions = {{1, {500}}, {2, {501}}};
  about.before_history_count = 4;
  return about;
}

EncodedSchemas schemas() {
  return [](SchemaId id) -> Result<std::string> {
    std::string encoded;
    put_schema(encoded, orders_schema(static_cast<int>(id.value)));
    return encoded;
  };
}

// Rows with the even numbers from -count to count - 2.
void write(FaultyDisk& disk, std::int64_t count, std::size_t row_bytes) {
  auto writer = must(StateFileWriter::create(disk, path));
  for (std::int64_t id = -count; id < count; id += 2) {
    const std::string key = key_of(id);
    const std::string row = row_of(id, row_bytes);
    must(writer.add({key,
                     row,
                     {id % 3 == 0 ? 1U : 2U},
                     {static_cast<std::uint64_t>(id + count)},
                     {static_cast<std::uint64_t>(id + count)}}));
  }
  must(writer.finish(about_rows(static_cast<std::uint64_t>(count)), schemas()));
}

// Everything that can be learned from the file, or the first error.
Result<std::string> all_of(FaultyDisk& disk) {
  TRY(const auto file, StateFile::open(disk, path));
  std::string all = file->about().stream_name + " " + std::to_string(file->about().row_count);
  if (file->about() != about_rows(file->about().row_count)) all += " another fold";
  StateCursor rows(*file);
  for (;;) {
    TRY(const StoredRow* row, rows.next());
    if (row == nullptr) return all;
    TRY(const Schema* schema, file->schema(row->schema));
    all += std::string(row->key) + std::string(row->row) + std::to_string(row->position.value) +
           std::to_string(schema->columns.size());
  }
}

}  // namespace

TEST_CASE("state file: every row is found by its key, and no other") {
  for (const std::int64_t count : {0, 1, 3, 4000}) {
    CAPTURE(count);
    FaultyDisk disk;
    write(disk, count, 60);
    const auto file = must(StateFile::open(disk, path));
    CHECK(file->about() == about_rows(static_cast<std::uint64_t>(count)));
    for (std::int64_t id = -count - 3; id < count + 3; ++id) {
      const auto row = must(file->find(key_of(id)));
      const bool is_there = (id + count) % 2 == 0 && id >= -count && id < count;
      REQUIRE(row.has_value() == is_there);
      if (is_there) REQUIRE(row->row == row_of(id, 60));
    }
    CHECK(!must(file->find("")));
    must(verify_state_file(disk, path));
  }
}

TEST_CASE("state file: a row larger than a block has one of its own") {
  FaultyDisk disk;
  write(disk, 3, 100'000);
  const auto file = must(StateFile::open(disk, path));
  CHECK(must(file->find(key_of(-1)))->row == row_of(-1, 100'000));
}

TEST_CASE("state file: no flipped bit goes unnoticed") {
  FaultyDisk disk;
  write(disk, 40, 900);  // several blocks, compressed and not
  const std::string expected = must(all_of(disk));
  const std::uint64_t bits = disk.files().at(path).size() * 8;
  std::uint64_t step = 1;
  for (std::uint64_t bit = 0; bit < bits; bit += step) {
    FaultyDisk damaged = disk;
    damaged.flip_bit(path, bit);
    const auto met = all_of(damaged);
    CAPTURE(bit);
    REQUIRE(!met);
    const Code code = met.error().code;
    REQUIRE((code == Code::corrupt || code == Code::unsupported));
  }
}

TEST_CASE("state file: no shorter file is taken for a whole one, nor a longer one") {
  FaultyDisk disk;
  write(disk, 40, 900);
  const std::string whole = disk.files().at(path);
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 13) {
    disk.put_file(path, whole.substr(0, bytes));
    REQUIRE(!all_of(disk));
  }
  disk.put_file(path, whole + '\0');
  CHECK(!all_of(disk));
}

TEST_CASE("state directory: files are listed by their names alone, left-overs go with the lock") {
  FaultyDisk disk;
  must(disk.make_directory("store/state"));
  const StateDirectory directory(disk, "store");
  disk.put_file("store/state/3.tmp", "left");
  disk.put_file("store/state/3.tmp.1", "left");
  disk.put_file("store/state/00000003-00000000000000000070.state", "");
  disk.put_file("store/state/00000003-00000000000000000009.base", "");
  disk.put_file("store/state/00000012-00000000000000000001.state", "");
  disk.put_file("store/state/other", "");
  const auto lock = must(directory.lock("a test"));
  CHECK(!must(disk.exists("store/state/3.tmp")));
  CHECK(!must(disk.exists("store/state/3.tmp.1")));
  const std::vector<SnapshotName> names = must(directory.list());
  CHECK(names ==
        std::vector<SnapshotName>{{{3}, {9}, true}, {{3}, {70}, false}, {{12}, {1}, false}});
  CHECK(directory.path(names[1]) == "store/state/00000003-00000000000000000070.state");
  CHECK(directory.lock("another").error().code == Code::conflict);
}

TEST_CASE("aggregate snapshots: the newest at or before a revision, damage is told and replaced") {
  FaultyDisk disk;
  must(disk.make_directory("store"));
  AggregateSnapshots snapshots(disk, "store", "0123456789abcdef");
  const auto load = [&](std::uint64_t revision) {
    const auto found = must(snapshots.load({9}, "cart-1", {revision}, {}));
    return found ? found->bytes : "none";
  };
  CHECK(load(100) == "none");
  must(snapshots.save({9}, "cart-1", {{10}, "ten"}));
  must(snapshots.save({9}, "cart-1", {{30}, "thirty"}));
  CHECK(load(9) == "none");
  CHECK(load(29) == "ten");
  CHECK(load(30) == "thirty");
  must(snapshots.save({9}, "cart-1", {{20}, "twenty"}));  // two are kept
  CHECK(load(19) == "none");
  CHECK(load(29) == "twenty");
  CHECK(snapshots.load({9}, "cart-2", {30}, {}).error().code == Code::corrupt);
  const std::string file = "store/state/aggregates/00000009.aggregate";
  const FaultyDisk whole = disk;
  for (std::uint64_t bit = 0; bit < whole.files().at(file).size() * 8; ++bit) {
    disk = whole;
    disk.flip_bit(file, bit);
    REQUIRE(!snapshots.load({9}, "cart-1", {30}, {}));
  }
  must(snapshots.save({9}, "cart-1", {{40}, "forty"}));
  CHECK(load(50) == "forty");
  must(snapshots.remove({9}));
  must(snapshots.remove({9}));
  CHECK(load(50) == "none");
}

TEST_CASE("aggregate snapshots: a crash at any call leaves the old or the new one" *
          doctest::test_suite("crash")) {
  for (std::uint64_t call = 0;; ++call) {
    FaultyDisk disk;
    must(disk.make_directory("store"));
    AggregateSnapshots before(disk, "store", "0123456789abcdef");
    must(before.save({9}, "cart-1", {{10}, "ten"}));
    disk.crash_at(disk.call_count() + call);
    const Status saved = before.save({9}, "cart-1", {{20}, "twenty"});
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      FaultyDisk left = disk.after_power_loss(survives, call);
      AggregateSnapshots after(left, "store", "0123456789abcdef");
      const auto found = must(after.load({9}, "cart-1", {50}, {}));
      REQUIRE(found);
      REQUIRE((found->bytes == "twenty" || (!saved && found->bytes == "ten")));
    }
    if (!disk.crashed()) break;
  }
}

}  // namespace tidelog::testing
