// Salvage: everything but what was damaged, at its place, and a list of exactly what is missing.
#include "eventstore/salvage.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>

#include "eventstore/event_store.h"
#include "eventstore/recovery.h"
#include "eventstore/store_marks.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

const std::string directory = "/store";
const std::string salvaged = "/salvaged";
constexpr std::size_t operation_count = 40;

struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Where each batch of the log stands, by its positions.
std::vector<Extent> batches_of(FaultyDisk& disk) {
  std::vector<Extent> extents;
  const StorePaths paths(directory);
  const auto manifest = read_manifest(disk, paths);
  for (const auto& segment : manifest->segments) {
    const auto file = disk.open_read(paths.segment(segment.id, segment.generation));
    const auto opened = read_head(**file, paths, segment);
    BatchCursor cursor(**file, opened->first);
    while (*cursor.next() == BatchCursor::Step::batch) {
      const auto& header = cursor.header();
      extents.push_back({header.base.value, header.base.value + header.event_count});
    }
  }
  return extents;
}

FaultyDisk store_of(const StoreScript& script) {
  FaultyDisk disk;
  FakeClock clock;
  {
    const auto store = EventStore::open(disk, clock, directory, script_options());
    REQUIRE(store);
    for (std::size_t i = 0; i < script.size(); ++i) REQUIRE(script.run(**store, clock, i));
  }
  return disk;
}

Result<SalvageReport> salvage(Disk& disk) {
  FakeClock clock;
  return salvage_store(disk, clock, directory, salvaged, [](const CopyProgress&) {});
}

// Salvages, and checks that the new store holds the same events at the same places, without those
// that the report lists, and is a whole store that can be written to. What is missing is returned.
std::vector<Extent> check_salvaged(const StoreScript& script, FaultyDisk& disk) {
  const auto& events = script.after(script.size()).events;
  const auto files_before = disk.files();
  const auto report = salvage(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  for (const auto& [path, content] : files_before) CHECK(disk.files().at(path) == content);
  CHECK(report->end.value == events.size());

  std::vector<bool> expected(events.size(), true);
  std::vector<Extent> missing;
  for (const auto& run : report->missing_events) {
    missing.push_back({run.first.value, run.first.value + run.count});
    for (std::uint64_t p = run.first.value; p < run.first.value + run.count; ++p)
      expected[p] = false;
  }
  const auto reader = StoreReader::open(disk, salvaged);
  REQUIRE_MESSAGE(reader, reader.error().what);
  std::vector<bool> met(events.size(), false);
  for (;;) {
    const auto event = (*reader)->next();
    REQUIRE_MESSAGE(event, event.error().what);
    if (*event == nullptr) break;
    const std::uint64_t position = (*event)->position.value;
    met[position] = true;
    const auto line = line_of(**reader, **event);
    REQUIRE_MESSAGE(line, line.error().what);
    CHECK(*line == events[position]);
  }
  CHECK(met == expected);
  const auto verified = verify_store(disk, salvaged, [](const VerifyProgress&) {});
  REQUIRE(verified);
  const std::string damage = verified->damage.empty() ? "" : verified->damage.front();
  CHECK_MESSAGE(verified->damage.empty(), damage);
  const auto origin = read_origin(disk, StorePaths(salvaged));
  REQUIRE(origin);
  CHECK((*origin)->incomplete == !missing.empty());

  FakeClock clock;
  const auto store = EventStore::open(disk, clock, salvaged, script_options());
  REQUIRE_MESSAGE(store, store.error().what);
  REQUIRE(script.run(**store, clock, 0));
  return missing;
}

// All that is missing lies within one batch.
bool within_one(const std::vector<Extent>& missing, const std::vector<Extent>& batches) {
  if (missing.empty()) return true;
  return std::any_of(batches.begin(), batches.end(), [&](const Extent& batch) {
    return std::all_of(missing.begin(), missing.end(), [&](const Extent& m) {
      return m.begin >= batch.begin && m.end <= batch.end;
    });
  });
}

std::vector<std::string> segment_files(const FaultyDisk& disk, std::string_view ending) {
  std::vector<std::string> paths;
  for (const auto& [path, content] : disk.files()) {
    if (path.starts_with(directory + "/segments/") && path.ends_with(ending)) paths.push_back(path);
  }
  return paths;
}

}  // namespace

TEST_CASE("salvage: a whole store comes out whole") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script);
  CHECK(check_salvaged(script, disk).empty());
}

TEST_CASE("salvage: a flipped bit anywhere costs no more than the batch that it is in" *
          doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  const FaultyDisk good = store_of(script);
  FaultyDisk first = good;
  const auto batches = batches_of(first);
  std::mt19937_64 random(test_seed(71));
  std::size_t costs = 0;
  for (const auto& [path, content] : good.files()) {
    if (content.empty()) continue;
    for (int i = 0; i < 6; ++i) {
      const std::uint64_t bit = random() % (content.size() * 8);
      CAPTURE(path);
      CAPTURE(bit);
      FaultyDisk disk = good;
      disk.flip_bit(path, bit);
      const auto missing = check_salvaged(script, disk);
      CHECK(within_one(missing, batches));
      costs += missing.empty() ? 0 : 1;
    }
  }
  CHECK(costs > 10);
}

TEST_CASE("salvage: overwritten sectors anywhere leave the rest at its place" *
          doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  const FaultyDisk good = store_of(script);
  std::mt19937_64 random(test_seed(72));
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    FaultyDisk disk = good;
    for (const auto& [path, content] : good.files()) {
      if (random() % 4 != 0 || content.size() < 512 || path.ends_with("durable")) continue;
      std::string damaged = content;
      const std::size_t begin = random() % (content.size() - 511);
      const char with = round % 2 == 0 ? '\0' : static_cast<char>(random());
      std::fill_n(damaged.begin() + static_cast<std::ptrdiff_t>(begin), 512, with);
      disk.put_file(path, damaged);
    }
    check_salvaged(script, disk);
  }
}

TEST_CASE("salvage: a missing, a truncated, an empty file costs what was in it") {
  const StoreScript script(operation_count);
  const FaultyDisk good = store_of(script);
  for (const auto& [path, content] : good.files()) {
    CAPTURE(path);
    FaultyDisk disk = good;
    REQUIRE(disk.remove(path));
    check_salvaged(script, disk);
    for (const std::size_t bytes : {std::size_t{0}, content.size() / 3, content.size() * 2 / 3}) {
      if (path.ends_with("durable")) continue;
      disk = good;
      disk.put_file(path, content.substr(0, bytes));
      check_salvaged(script, disk);
    }
  }
}

TEST_CASE("salvage: without the manifest and a segment's head, by the files' names") {
  const StoreScript script(operation_count);
  const FaultyDisk good = store_of(script);
  for (const std::string& path : segment_files(good, ".log")) {
    CAPTURE(path);
    FaultyDisk disk = good;
    REQUIRE(disk.remove(directory + "/manifest"));
    disk.flip_bit(path, 8 * 20);
    CHECK(check_salvaged(script, disk).empty());
  }
}

TEST_CASE("salvage: without the manifest a missing file is told by its own name") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script);
  const auto logs = segment_files(disk, ".log");
  REQUIRE(logs.size() > 4);
  REQUIRE(disk.remove(directory + "/manifest"));
  REQUIRE(disk.remove(logs[2]));
  const auto report = salvage(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  REQUIRE_FALSE(report->missing_events.empty());
  for (const auto& missing : report->missing_events) {
    CHECK(logs[2].ends_with(missing.file));
    CHECK(missing.why == "the file is missing");
  }
}

TEST_CASE("salvage: the positions of sources are those of before the first missing event") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script);
  const auto adopted = segment_files(disk, ".adopted");
  REQUIRE(adopted.size() > 2);
  REQUIRE(disk.remove(adopted[1]));
  REQUIRE(salvage(disk));
  FakeClock clock;
  const auto store = EventStore::open(disk, clock, salvaged, script_options());
  REQUIRE(store);
  // The second adoption is operation 11, of the source books.
  CHECK((*store)->source_position("shop") == script.after(11).positions.at("shop"));
  CHECK((*store)->source_position("books") == script.after(11).positions.at("books"));
}

}  // namespace tidelog::testing
