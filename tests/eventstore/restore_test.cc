// Restores: exact to a transaction, verified, and never half of a store.
#include "eventstore/restore.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "eventstore/event_store.h"
#include "eventstore/salvage.h"
#include "eventstore/store_marks.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {
namespace {

const std::string directory = "/store";
const std::string backup = "/backup";
const std::string restored = "/restored";
constexpr std::size_t operation_count = 40;

const auto ignore_progress = [](const CopyProgress&) {};

std::string what(const Status& status) { return status ? "" : status.error().what; }

FaultyDisk backup_of(const StoreScript& script, std::size_t count) {
  FaultyDisk disk;
  FakeClock clock;
  {
    const auto store = EventStore::open(disk, clock, directory, script_options());
    REQUIRE(store);
    for (std::size_t i = 0; i < count; ++i) REQUIRE(script.run(**store, clock, i));
  }
  REQUIRE(back_up_store(disk, clock, directory, backup, ignore_progress));
  return disk;
}

Result<RestoreReport> restore(Disk& disk, std::optional<Position> end = {}) {
  FakeClock clock;
  return restore_store(disk, clock, backup, restored, end, ignore_progress);
}

void check_whole(Disk& disk) {
  const auto report = verify_store(disk, restored, [](const VerifyProgress&) {});
  REQUIRE(report);
  const std::string damage = report->damage.empty() ? "" : report->damage.front();
  CHECK_MESSAGE(report->damage.empty(), damage);
}

}  // namespace

TEST_CASE("restore: the whole backup is a store of its own that goes on") {
  const StoreScript script(operation_count + 5);
  FaultyDisk disk = backup_of(script, operation_count);
  const auto report = restore(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  check_whole(disk);
  const StorePaths paths(restored);
  const auto manifest = read_manifest(disk, paths);
  const auto first = read_manifest(disk, StorePaths(directory));
  CHECK(manifest->uuid == report->uuid);
  CHECK(manifest->uuid != first->uuid);
  const auto origin = read_origin(disk, paths);
  REQUIRE(origin);
  REQUIRE(*origin);
  CHECK((*origin)->kind == OriginKind::restored);
  CHECK((*origin)->uuid == first->uuid);
  CHECK_FALSE((*origin)->incomplete);

  FakeClock clock;
  const auto store = EventStore::open(disk, clock, restored, script_options());
  REQUIRE_MESSAGE(store, store.error().what);
  CHECK(*content_of(disk, **store, restored) == script.after(operation_count));
  for (std::size_t i = operation_count; i < script.size(); ++i)
    REQUIRE(script.run(**store, clock, i));
  CHECK(*content_of(disk, **store, restored) == script.after(script.size()));
}

TEST_CASE("restore: to any position gives exactly the whole transactions before it") {
  const StoreScript script(operation_count);
  const FaultyDisk good = backup_of(script, operation_count);
  const auto& events = script.after(operation_count).events;
  std::size_t cuts = 0;
  for (std::uint64_t position = 0; position < events.size(); ++position) {
    CAPTURE(position);
    FaultyDisk disk = good;
    const auto reader = StoreReader::open(disk, backup);
    REQUIRE(reader);
    const auto end = (*reader)->end_through(Position{position});
    REQUIRE(end);
    const auto report = restore(disk, *end);
    REQUIRE_MESSAGE(report, report.error().what);
    CHECK(report->durable == *end);
    const Scan seen = scan(disk, restored);
    REQUIRE_MESSAGE(seen.status, what(seen.status));
    REQUIRE(seen.events.size() == end->value);
    CHECK(std::equal(seen.events.begin(), seen.events.end(), events.begin()));
    check_whole(disk);
    const auto origin = read_origin(disk, StorePaths(restored));
    CHECK((*origin)->incomplete == (end->value < events.size()));
    cuts += (*origin)->incomplete ? 1 : 0;
    if (position % 7 != 0) continue;
    // It is written to like any other.
    FakeClock clock;
    const auto store = EventStore::open(disk, clock, restored, script_options());
    REQUIRE_MESSAGE(store, store.error().what);
    REQUIRE(script.run(**store, clock, 0));
    CHECK(scan(disk, restored).events.size() > end->value);
  }
  CHECK(cuts > 100);
}

TEST_CASE("restore: within a transaction of a staging file is refused") {
  const StoreScript script(8);
  FaultyDisk disk = backup_of(script, 5);  // the fifth is adopted
  const auto& events = script.after(4).events;
  const auto report = restore(disk, Position{events.size() + 1});
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Code::misconfigured);
}

TEST_CASE("restore: a flipped bit of the backup is found, or makes no difference" *
          doctest::test_suite("crash slow")) {
  constexpr std::uint64_t stride = 149;
  const StoreScript script(15);
  const FaultyDisk good = backup_of(script, 15);
  std::uint64_t found = 0;
  std::uint64_t offset = 0;
  for (const auto& [path, content] : good.files()) {
    if (!path.starts_with(backup)) continue;
    for (std::uint64_t bit = ++offset % stride; bit < content.size() * 8; bit += stride) {
      FaultyDisk disk = good;
      disk.flip_bit(path, bit);
      const auto report = restore(disk);
      if (!report) {
        ++found;
        CHECK((report.error().code == Code::corrupt || report.error().code == Code::unsupported));
        CHECK_FALSE(*disk.exists(StorePaths(restored).manifest));
        continue;
      }
      const Scan seen = scan(disk, restored);
      if (!seen.status || seen.events != script.after(15).events)
        FAIL(path << " bit " << bit << ": " << what(seen.status));
    }
  }
  CHECK(found > 300);
}

TEST_CASE("restore: cut off at any disk call there is no store, or all of it" *
          doctest::test_suite("crash")) {
  const StoreScript script(20);
  const FaultyDisk good = backup_of(script, 20);
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk = good;
    disk.crash_at(call, 100);
    const bool done = restore(disk).has_value();
    const bool crashed = disk.crashed();
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      FaultyDisk after = disk.after_power_loss(survives, call);
      const Scan seen = scan(after, restored);
      if (!seen.status) {
        const Code code = seen.status.error().code;
        CHECK((code == Code::not_found || code == Code::misconfigured));
        CHECK_FALSE(done);
        if (call % 3 != 0) continue;
        const auto again = restore(after);
        REQUIRE_MESSAGE(again, again.error().what);
        CHECK(scan(after, restored).events == script.after(20).events);
        check_whole(after);
        CHECK_FALSE(*after.exists(MarkPaths(StorePaths(restored)).unfinished));
        continue;
      }
      CHECK(seen.events == script.after(20).events);
    }
    if (!crashed) break;
  }
}

TEST_CASE("restore: one that fails leaves nothing, and the next one is whole") {
  const StoreScript script(20);
  const FaultyDisk good = backup_of(script, 20);
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk = good;
    disk.fail_at(call, FaultyDisk::Repeat::once, call % 2 == 0 ? Code::failed : Code::disk_full, 7);
    const auto report = restore(disk);
    const bool reached = disk.call_count() > call;
    disk.mend();
    if (!report) {
      REQUIRE_MESSAGE(restore(disk), restore(disk).error().what);
    }
    CHECK(scan(disk, restored).events == script.after(20).events);
    if (!reached) break;
  }
  FaultyDisk damaged = good;
  damaged.flip_bit(backup + "/segments/00000001-0.log", 1600 * 8);
  REQUIRE_FALSE(restore(damaged));
  for (const auto& [path, content] : damaged.files())
    CHECK((!path.starts_with(restored + "/") || path == restored + "/lock"));
}

TEST_CASE("restore, salvage: within what they read is refused, and nothing is written there") {
  const StoreScript script(5);
  FaultyDisk disk = backup_of(script, 5);
  const auto before = disk.files();
  FakeClock clock;
  for (const char* const in : {"", "/x", "/segments/x"}) {
    CAPTURE(in);
    const auto restored_within =
        restore_store(disk, clock, backup, backup + in, std::nullopt, ignore_progress);
    REQUIRE_FALSE(restored_within);
    CHECK(restored_within.error().code == Code::misconfigured);
    const auto salvaged = salvage_store(disk, clock, directory, directory + in, ignore_progress);
    REQUIRE_FALSE(salvaged);
    CHECK(salvaged.error().code == Code::misconfigured);
  }
  CHECK(disk.files() == before);
}

TEST_CASE("restore: what stands in the folder already is left alone, also when it fails") {
  const StoreScript script(operation_count);
  FaultyDisk disk = backup_of(script, operation_count);
  disk.flip_bit(backup + "/segments/00000001-0.log", 1600 * 8);
  FakeClock clock;
  for (const char* mine : {"/state/mine.base", "/state/aggregates/mine", "/segments/mine"}) {
    CAPTURE(mine);
    FaultyDisk there = disk;
    const std::string path = restored + mine;
    REQUIRE(there.make_directory(path.substr(0, path.find_last_of('/'))));
    there.put_file(path, "precious");
    const auto report =
        restore_store(there, clock, backup, restored, std::nullopt, ignore_progress);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == Code::conflict);
    CHECK(there.files().at(path) == "precious");
  }
  for (const auto& [path, content] : disk.files())
    if (path.starts_with(backup)) disk.put_file(restored + path, content);
  const auto around =
      restore_store(disk, clock, restored + backup, restored, std::nullopt, ignore_progress);
  REQUIRE_FALSE(around);
  CHECK(around.error().code == Code::misconfigured);
}

TEST_CASE("restore: only a whole backup, and only into an empty folder") {
  const StoreScript script(5);
  FaultyDisk disk = backup_of(script, 5);
  FakeClock clock;
  const auto from_store =
      restore_store(disk, clock, directory, restored, std::nullopt, ignore_progress);
  REQUIRE_FALSE(from_store);
  CHECK(from_store.error().code == Code::misconfigured);
  const auto over_store =
      restore_store(disk, clock, backup, directory, std::nullopt, ignore_progress);
  REQUIRE_FALSE(over_store);
  CHECK(over_store.error().code == Code::conflict);
}

}  // namespace tidelog::testing
