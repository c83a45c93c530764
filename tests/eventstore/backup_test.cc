// Backups: consistent beside a writer, incremental, whole or not there, never of damaged bytes.
#include "eventstore/backup.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "eventstore/erasure.h"
#include "eventstore/event_store.h"
#include "eventstore/restore.h"
#include "eventstore/rewrite.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_marks.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {
namespace {

const std::string directory = "/store";
const std::string backup = "/backup";
constexpr std::size_t operation_count = 40;

const auto ignore_progress = [](const CopyProgress&) {};

Result<BackupReport> back_up(Disk& disk) {
  FakeClock clock;
  return back_up_store(disk, clock, directory, backup, ignore_progress);
}

std::string what(const Status& status) { return status ? "" : status.error().what; }

// A store with the script's first operations, closed.
FaultyDisk store_of(const StoreScript& script, std::size_t count, FaultyDisk disk = {},
                    std::size_t begin = 0, const StoreOptions& options = script_options()) {
  FakeClock clock;
  {
    const auto store = EventStore::open(disk, clock, directory, options);
    REQUIRE(store);
    for (std::size_t i = begin; i < count; ++i) REQUIRE(script.run(**store, clock, i));
  }
  return disk;
}

void check_backup(Disk& disk, const std::vector<std::string>& events) {
  const Scan seen = scan(disk, backup);
  REQUIRE_MESSAGE(seen.status, what(seen.status));
  CHECK(seen.events == events);
  const auto report = verify_store(disk, backup, [](const VerifyProgress&) {});
  REQUIRE(report);
  CHECK(report->damage.empty());
}

bool is_prefix(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

}  // namespace

TEST_CASE("backup: it is a store that holds every event, and says so") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  const auto report = back_up(disk);
  REQUIRE(report);
  const auto& events = script.after(operation_count).events;
  CHECK(report->durable.value == events.size());
  check_backup(disk, events);
  const auto record = read_backup_record(disk, MarkPaths(StorePaths(backup)).backup);
  REQUIRE(record);
  REQUIRE(*record);
  CHECK((*record)->durable.value == events.size());
  CHECK((*record)->files.size() == report->file_count);
  FakeClock clock;
  const auto opened = EventStore::open(disk, clock, backup, script_options());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::misconfigured);
}

TEST_CASE("backup: of an empty store is an empty store") {
  FaultyDisk disk = store_of(StoreScript(0), 0);
  REQUIRE(back_up(disk));
  check_backup(disk, {});
}

TEST_CASE("backup: another one copies only what is new") {
  const StoreScript script(operation_count);
  FaultyDisk disk;
  std::uint64_t copied = 0;
  std::uint64_t bytes = 0;
  for (std::size_t count = 0; count <= operation_count; ++count) {
    CAPTURE(count);
    disk = store_of(script, count, disk, count == 0 ? 0 : count - 1);
    const auto report = back_up(disk);
    REQUIRE(report);
    copied += report->copied_bytes;
    bytes = report->bytes;
    check_backup(disk, script.after(count).events);
    const auto again = back_up(disk);
    REQUIRE(again);
    CHECK(again->copied_bytes == 0);
    CHECK(again->bytes == bytes);
  }
  CHECK(copied == bytes);
}

namespace {

// One bit of each file of the backup, in turn, and each file missing.
template <class Check>
void for_each_rotted_backup(const FaultyDisk& whole, const Check& check) {
  for (const auto& [path, content] : whole.files()) {
    const bool is_slack = path.ends_with("/lock") || content.empty();
    if (!path.starts_with(backup + "/") || is_slack) continue;
    CAPTURE(path);
    FaultyDisk rotted = whole;
    rotted.flip_bit(path, content.size() * 8 / 3);
    check(rotted, path);
    if (path.ends_with("/backup")) continue;  // without one it is no backup
    FaultyDisk missing = whole;
    REQUIRE(missing.remove(path));
    check(missing, path);
  }
}

}  // namespace

TEST_CASE("backup: what has rotted in it since is found by the next one, and copied again") {
  const StoreScript script(operation_count);
  FaultyDisk whole = store_of(script, operation_count);
  REQUIRE(back_up(whole));
  std::size_t files = 0;
  for_each_rotted_backup(whole, [&](FaultyDisk& disk, const std::string& path) {
    const auto report = back_up(disk);
    REQUIRE_MESSAGE(report, report.error().what);
    check_backup(disk, script.after(operation_count).events);
    CHECK(disk.files().at(path) == whole.files().at(path));
    const auto after = back_up(disk);
    REQUIRE(after);
    CHECK(after->damaged.empty());
    CHECK(after->copied_files == 0);
    CHECK(after->verified_bytes == after->bytes);
    if (!path.starts_with(backup + "/segments/")) return;
    ++files;
    REQUIRE(report->damaged.size() == 1);
    CHECK(report->damaged.front().starts_with(path + ": "));
    CHECK(report->copied_files == 1);
  });
  CHECK(files > 10);
}

TEST_CASE("backup: a copy that has rotted stays until a verified one takes its place") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  const std::string name = "/segments/00000001-0.log";
  disk.flip_bit(backup + name, 1600 * 8);
  disk.flip_bit(directory + name, 800 * 8);
  const std::string rotted = disk.files().at(backup + name);
  const auto report = back_up(disk);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Code::corrupt);
  CHECK(disk.files().at(backup + name) == rotted);
}

TEST_CASE("backup: copies that are trusted are not read again") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  disk.flip_bit(backup + "/segments/00000001-0.log", 1600 * 8);
  FakeClock clock;
  const auto report =
      back_up_store(disk, clock, directory, backup, ignore_progress, EarlierCopies::trusted);
  REQUIRE(report);
  CHECK(report->verified_bytes == 0);
  CHECK(report->damaged.empty());
  CHECK(report->copied_files == 0);
}

TEST_CASE("backup: when its record has rotted, restore says so, and the next one makes it anew") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  const std::string record = backup + "/backup";
  disk.flip_bit(record, 100 * 8);
  FakeClock clock;
  const auto restored = restore_store(disk, clock, backup, "/restored", {}, ignore_progress);
  REQUIRE_FALSE(restored);
  CHECK(restored.error().code == Code::corrupt);
  CHECK(restored.error().what.find(record) != std::string::npos);
  CHECK(restored.error().what.find("tidelog store salvage --from " + backup) != std::string::npos);

  FaultyDisk newer = disk;
  const auto report = back_up(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  CHECK(report->record_was_damaged);
  CHECK(report->copied_files == report->file_count);
  check_backup(disk, script.after(operation_count).events);
  REQUIRE(restore_store(disk, clock, backup, "/restored", {}, ignore_progress));

  // Whose it is, and how far it goes, is known all the same.
  const FaultyDisk old = store_of(script, 20);
  for (const auto& [path, content] : old.files()) newer.put_file(path, content);
  const auto manifest = read_manifest(disk, StorePaths(directory));
  auto put_back = read_manifest(newer, StorePaths(directory));
  put_back->uuid = manifest->uuid;
  REQUIRE(write_manifest(newer, StorePaths(directory), *put_back));
  const auto refused = back_up(newer);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::conflict);
  newer.flip_bit(backup + "/manifest", 100);
  const auto unknown = back_up(newer);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Code::corrupt);
  CHECK(unknown.error().what.find("give an empty folder") != std::string::npos);
}

TEST_CASE("backup: the folder of another store, or of anything else, is left alone") {
  const StoreScript script(3);
  FaultyDisk disk = store_of(script, 3);
  const auto refused = [&](const std::string& to) {
    FakeClock clock;
    const FaultyDisk before = disk;
    const auto report = back_up_store(disk, clock, directory, to, ignore_progress);
    REQUIRE_FALSE(report);
    CHECK(disk.files() == before.files());
    return report.error().code;
  };
  CHECK(refused(directory) == Code::misconfigured);
  CHECK(refused(directory + "/backup") == Code::misconfigured);
  REQUIRE(disk.make_directory("/photos"));
  disk.put_file("/photos/me.jpg", "me");
  CHECK(refused("/photos") == Code::conflict);
  {
    FakeClock clock;
    REQUIRE(EventStore::open(disk, clock, "/other", script_options()));
    REQUIRE(back_up_store(disk, clock, "/other", "/backup of other", ignore_progress));
  }
  CHECK(refused("/other") == Code::conflict);
  CHECK(refused("/backup of other") == Code::conflict);
}

TEST_CASE("backup: a store that is older than its backup does not replace it") {
  const StoreScript script(operation_count);
  const FaultyDisk old_disk = store_of(script, 20);
  FaultyDisk disk = store_of(script, operation_count, old_disk, 20);
  REQUIRE(back_up(disk));
  for (const auto& [path, content] : old_disk.files()) disk.put_file(path, content);
  const auto report = back_up(disk);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Code::conflict);
  check_backup(disk, script.after(operation_count).events);
}

namespace {

// Puts the store back to what it was after 20 operations, and goes on from there: the same store to
// all appearance, but its later events were appended at other times.
void fork_store(FaultyDisk& disk, const StoreScript& script,
                const StoreOptions& options = script_options()) {
  FaultyDisk put_back = store_of(script, 20, {}, 0, options);
  {
    FakeClock clock;
    clock.advance(std::chrono::hours(1));
    const auto store = EventStore::open(put_back, clock, directory, options);
    REQUIRE(store);
    for (std::size_t i = 20; i < operation_count; ++i) REQUIRE(script.run(**store, clock, i));
  }
  const auto manifest = read_manifest(disk, StorePaths(directory));
  for (const auto& [path, content] : put_back.files()) disk.put_file(path, content);
  auto forked = read_manifest(disk, StorePaths(directory));
  forked->uuid = manifest->uuid;
  REQUIRE(write_manifest(disk, StorePaths(directory), *forked));
}

void check_refused(FaultyDisk& disk) {
  const auto report = back_up(disk);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Code::conflict);
  CHECK(report.error().what.find("put back to an older state and went on") != std::string::npos);
}

}  // namespace

TEST_CASE("backup: a store that was put back and went on from there does not replace it") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  fork_store(disk, script);
  check_refused(disk);
  check_backup(disk, script.after(operation_count).events);
}

TEST_CASE("backup: nor when the backup's newest segment is damaged") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  fork_store(disk, script);
  const auto segment = read_manifest(disk, StorePaths(backup))->segments.back();
  const std::string newest = StorePaths(backup).segment(segment.id, segment.generation);
  const std::string content = disk.files().at(newest);
  SUBCASE("its head") { disk.flip_bit(newest, 100); }
  SUBCASE("its last batch") { disk.flip_bit(newest, (content.size() - 1) * 8); }
  SUBCASE("all of it") { REQUIRE(disk.remove(newest)); }
  check_refused(disk);
}

TEST_CASE("backup: nor when the place where it went on is the one that is damaged") {
  const StoreScript script(operation_count);
  StoreOptions options = script_options();
  options.segment_bytes = 1 << 20;  // all in one
  FaultyDisk whole = store_of(script, operation_count, {}, 0, options);
  REQUIRE(back_up(whole));
  fork_store(whole, script, options);
  const std::string newest = StorePaths(backup).segment(1, 0);
  const std::uint64_t bits = whole.files().at(newest).size() * 8;
  for (std::uint64_t bit = 0; bit < bits; bit += 997) {
    CAPTURE(bit);
    FaultyDisk disk = whole;
    disk.flip_bit(newest, bit);
    check_refused(disk);
  }
}

TEST_CASE("backup: a store that has lost its end is damaged, not put back") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  const auto segment = read_manifest(disk, StorePaths(directory))->segments.back();
  const std::string newest = StorePaths(directory).segment(segment.id, segment.generation);
  std::string content = disk.files().at(newest);
  content.replace(256, content.size() - 256, content.size() - 256, '\0');
  disk.put_file(newest, content);
  const auto report = back_up(disk);
  REQUIRE_FALSE(report);
  CHECK_MESSAGE(report.error().code == Code::corrupt, report.error().what);
}

TEST_CASE("backup: the copies of one that was cut off do not become the begin of another history") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  for (const char* name : {"/manifest", "/superblock"}) REQUIRE(disk.remove(backup + name));
  REQUIRE(disk.rename(backup + "/backup", MarkPaths(StorePaths(backup)).unfinished_backup));
  fork_store(disk, script);
  const auto report = back_up(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  CHECK(report->copied_bytes > 0);
  CHECK(report->copied_bytes < report->bytes);
  check_backup(disk, scan(disk, directory).events);
  FakeClock clock;
  REQUIRE(restore_store(disk, clock, backup, "/restored", std::nullopt, ignore_progress));
}

TEST_CASE("backup: its progress ends at what it said it would read") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, 20);
  CopyProgress last;
  const OnCopyProgress on_progress = [&](const CopyProgress& progress) {
    CHECK(progress.bytes <= progress.bytes_total);
    last = progress;
  };
  FakeClock clock;
  const auto check = [&] {
    REQUIRE(back_up_store(disk, clock, directory, backup, on_progress));
    CHECK(last.bytes == last.bytes_total);
  };
  check();
  disk = store_of(script, operation_count, disk, 20);
  check();
  check();
  disk.flip_bit(backup + "/segments/00000001-0.log", 1600 * 8);
  check();
}

TEST_CASE("backup: an erasure that is not done yet is finished in the store made of it") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  const std::vector<Erasure> pending = {{"a", {{"key", Position{12}}}, {Position{2}, Position{9}}}};
  REQUIRE(write_erasures(disk, StorePaths(directory), pending));
  REQUIRE(back_up(disk));
  FakeClock clock;
  const auto ignore = [](const CopyProgress&) {};
  REQUIRE(restore_store(disk, clock, backup, "/whole", {}, ignore));
  CHECK(*pending_erasures(disk, StorePaths("/whole")) == pending);
  const auto& script_events = script.after(operation_count).events;
  Position cut{5};
  while (!restore_store(disk, clock, backup, fmt::format("/cut{}", cut.value), cut, ignore))
    cut = cut + std::uint64_t{1};
  REQUIRE(cut.value < script_events.size());
  const auto of_cut = pending_erasures(disk, StorePaths(fmt::format("/cut{}", cut.value)));
  REQUIRE(of_cut);
  REQUIRE(of_cut->size() == 1);
  CHECK(of_cut->front().events.size() == (cut.value > 9 ? 2 : 1));
  CHECK(of_cut->front().keys.front().before == std::min(cut, Position{12}));

  REQUIRE(write_erasures(disk, StorePaths(directory), {}));
  REQUIRE(back_up(disk));
  CHECK_FALSE(disk.files().contains(backup + "/erasures"));
}

namespace {

class EraseBefore final : public RewritePlan {
 public:
  explicit EraseBefore(Position end) : end_(end) {}
  bool touches(Position begin, Position /*end*/) override { return begin < end_; }
  Result<Fate> fate(const Event& event) override {
    return event.position < end_ && event.type != EventType::schema ? Fate::erase : Fate::keep;
  }

 private:
  Position end_;
};

}  // namespace

TEST_CASE("backup: what was erased in the store leaves the backup with the next run") {
  const StoreScript script(operation_count);
  FaultyDisk disk = store_of(script, operation_count);
  REQUIRE(back_up(disk));
  const std::string old_file = backup + "/segments/00000001-0.log";
  REQUIRE(disk.files().contains(old_file));
  {
    FakeClock clock;
    const auto store = EventStore::open(disk, clock, directory, script_options());
    REQUIRE(store);
    const format::Manifest manifest = (*store)->manifest();
    EraseBefore plan(manifest.segments[1].base);
    const auto rewritten = rewrite_segment(disk, StorePaths(directory), manifest.segments[0],
                                           manifest.segments[1].base, plan, format::Codec::lz4);
    REQUIRE(rewritten);
    REQUIRE(*rewritten);
    REQUIRE((*store)->replace_segment((*rewritten)->segment));
  }
  const auto report = back_up(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  CHECK(report->removed_files >= 1);
  CHECK_FALSE(disk.files().contains(old_file));
  CHECK(disk.files().contains(backup + "/segments/00000001-1.log"));
  const auto verified = verify_store(disk, backup, [](const VerifyProgress&) {});
  REQUIRE(verified);
  CHECK(verified->damage.empty());
  FakeClock clock;
  REQUIRE(restore_store(disk, clock, backup, "/restored", Position{1}, ignore_progress));
}

namespace {

// The store with everything before that in its first segment erased.
FaultyDisk erased_before(FaultyDisk disk, Position end) {
  {
    FakeClock clock;
    const auto store = EventStore::open(disk, clock, directory, script_options());
    REQUIRE(store);
    const format::Manifest manifest = (*store)->manifest();
    EraseBefore plan(end);
    const auto rewritten = rewrite_segment(disk, StorePaths(directory), manifest.segments[0],
                                           manifest.segments[1].base, plan, format::Codec::lz4);
    REQUIRE(rewritten);
    REQUIRE(*rewritten);
    REQUIRE((*store)->replace_segment((*rewritten)->segment));
  }
  return disk;
}

}  // namespace

TEST_CASE("backup: a segment that was rewritten in another way since is copied") {
  const StoreScript script(operation_count);
  const FaultyDisk start = store_of(script, operation_count);
  FaultyDisk disk = erased_before(start, Position{2});
  REQUIRE(back_up(disk));
  const FaultyDisk other = erased_before(start, Position{100});
  for (const auto& [path, content] : other.files()) disk.put_file(path, content);
  const std::string log = "/segments/00000001-1.log";
  const auto is_alike = [&] {
    return disk.files().at(directory + log).starts_with(disk.files().at(backup + log));
  };
  REQUIRE_FALSE(is_alike());
  const auto report = back_up(disk);
  REQUIRE_MESSAGE(report, report.error().what);
  CHECK(report->copied_files >= 1);
  CHECK(is_alike());
  const auto again = back_up(disk);
  REQUIRE(again);
  CHECK(again->copied_files == 0);
}

// Between two backups, the second of which dies at any call and loses what was not synced.
TEST_CASE("backup: interrupted at any disk call, the one before it is whole and the next goes on" *
          doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  for (const std::size_t before : {std::size_t{0}, std::size_t{25}}) {
    FaultyDisk start = store_of(script, before == 0 ? 0 : before);
    if (before != 0) REQUIRE(back_up(start));
    start = store_of(script, operation_count, start, before);
    const auto& old_events = script.after(before).events;
    const auto& new_events = script.after(operation_count).events;
    for (std::uint64_t call = 0;; ++call) {
      CAPTURE(call);
      FaultyDisk disk = start;
      disk.crash_at(call, 100);
      const bool done = back_up(disk).has_value();
      const bool crashed = disk.crashed();
      for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
        FaultyDisk after = disk.after_power_loss(survives, call);
        const auto record = read_backup_record(after, MarkPaths(StorePaths(backup)).backup);
        REQUIRE(record);
        if (*record || before != 0) {
          REQUIRE(*record);
          const Scan seen = scan(after, backup);
          REQUIRE_MESSAGE(seen.status, what(seen.status));
          const std::uint64_t held = (*record)->durable.value;
          CHECK((held == old_events.size() || held == new_events.size()));
          CHECK(seen.events.size() >= held);
          CHECK(is_prefix(seen.events, new_events));
        }
        CHECK((!done || crashed || (*record)->durable.value == new_events.size()));
        if (call % 5 != 0) continue;
        const auto next = back_up(after);
        REQUIRE_MESSAGE(next, next.error().what);
        check_backup(after, new_events);
      }
      if (!crashed) break;
    }
  }
}

namespace {

// A base snapshot of the store's first stream, with one row.
void put_base(FaultyDisk& disk, const std::string& row) {
  const auto reader = StoreReader::open(disk, directory);
  REQUIRE(reader);
  const auto streams = (*reader)->streams();
  REQUIRE(streams);
  StateAbout about;
  about.store = (*reader)->uuid();
  about.stream = streams->front().id;
  about.stream_name = streams->front().name;
  about.position = {3};
  about.base = true;
  about.row_count = 1;
  const StateDirectory states(disk, directory);
  const auto lock = states.lock("a test");
  REQUIRE(lock);
  auto writer = StateFileWriter::create(disk, states.temporary_path("base"));
  REQUIRE(writer);
  REQUIRE(writer->add({"key", row, {1}, {1}, {1}}));
  REQUIRE(writer->finish(about, [](SchemaId) -> Result<std::string> {
    std::string schema;
    put_schema(schema, {"public", "t0", ReplicaIdentity::primary_key, {}});
    return schema;
  }));
  REQUIRE(states.publish(states.temporary_path("base"), {about.stream, about.position, true}));
}

// The row of the base snapshot that is restored from the backup.
std::string restored_row(FaultyDisk disk) {
  FakeClock clock;
  const auto report =
      restore_store(disk, clock, backup, "/restored", std::nullopt, ignore_progress);
  REQUIRE_MESSAGE(report, report.error().what);
  const StateDirectory states(disk, "/restored");
  const auto names = states.list();
  REQUIRE(names);
  REQUIRE(names->size() == 1);
  const auto file = StateFile::open(disk, states.path(names->front()));
  REQUIRE_MESSAGE(file, file.error().what);
  const auto found = (*file)->find("key");
  REQUIRE(found);
  REQUIRE(*found);
  return std::string((*found)->row);
}

}  // namespace

// As an erasure rewrites one: under the same name.
TEST_CASE(
    "backup: a base snapshot that was rewritten takes the old one's place only with the rest" *
    doctest::test_suite("crash")) {
  const StoreScript script(10);
  FaultyDisk start = store_of(script, 10);
  put_base(start, "old row");
  REQUIRE(back_up(start));
  REQUIRE(restored_row(start) == "old row");
  put_base(start, "new row");
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk = start;
    disk.crash_at(call, 10);
    const bool done = back_up(disk).has_value();
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      FaultyDisk after = disk.after_power_loss(survives, call);
      const std::string row = restored_row(after);
      CHECK((row == "new row" || (row == "old row" && !done)));
      REQUIRE(back_up(after));
      CHECK(restored_row(after) == "new row");
      CHECK_FALSE(*after.exists(backup + "/state/00000001-00000000000000000003.base.new"));
    }
    if (!disk.crashed()) break;
  }
}

TEST_CASE("backup: what one that was cut off has copied is not restored with the one before it") {
  const StoreScript script(10);
  FaultyDisk disk = store_of(script, 0);
  REQUIRE(back_up(disk));
  disk = store_of(script, 10, disk);
  put_base(disk, "row");
  FakeClock clock;
  for (std::uint64_t call = 0;; ++call) {
    FaultyDisk cut = disk;
    cut.crash_at(call);
    if (back_up(cut)) break;
    cut = cut.after_kill();
    const auto report =
        restore_store(cut, clock, backup, "/restored", std::nullopt, ignore_progress);
    REQUIRE_MESSAGE(report, report.error().what);
    CHECK(
        (report->durable == Position{} || report->durable.value == script.after(10).events.size()));
  }
}

TEST_CASE("backup: a call that fails fails it, and the next run is whole" *
          doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  const FaultyDisk start = store_of(script, operation_count);
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk = start;
    disk.fail_at(call, FaultyDisk::Repeat::once, call % 2 == 0 ? Code::failed : Code::disk_full, 7);
    const auto report = back_up(disk);
    const bool reached = disk.call_count() > call;
    disk.mend();
    if (!report) REQUIRE(back_up(disk));
    check_backup(disk, script.after(operation_count).events);
    if (!reached) break;
  }
}

TEST_CASE("backup: a flipped bit of the store is found, and never reaches a backup" *
          doctest::test_suite("crash slow")) {
  constexpr std::uint64_t stride = 149;  // bits; each file is begun at another one
  const StoreScript script(15);
  const FaultyDisk good = store_of(script, 15);
  const auto& events = script.after(15).events;
  std::uint64_t found = 0;
  std::uint64_t offset = 0;
  for (const auto& [path, content] : good.files()) {
    for (std::uint64_t bit = ++offset % stride; bit < content.size() * 8; bit += stride) {
      FaultyDisk disk = good;
      disk.flip_bit(path, bit);
      const auto report = back_up(disk);
      if (!report) {
        ++found;
        CHECK((report.error().code == Code::corrupt || report.error().code == Code::unsupported));
        continue;
      }
      const Scan seen = scan(disk, backup);
      // A damaged durable page is an older bound, or none.
      if (!seen.status || !is_prefix(seen.events, events) ||
          (seen.events.size() < events.size() && path != directory + "/durable")) {
        FAIL(path << " bit " << bit << ": " << what(seen.status) << " " << seen.events.size());
      }
    }
  }
  CHECK(found > 300);
}

TEST_CASE("backup: beside a writer that fills segment after segment" *
          doctest::test_suite("threads")) {
  constexpr std::size_t count = 400;
  const std::string folder = scratch_folder("backup beside a writer").string();
  const auto disk = real_disk();
  const StoreScript script(count);
  FakeClock clock;
  StoreOptions options = script_options();
  options.background = true;
  const auto store = EventStore::open(*disk, clock, folder + "/store", options);
  REQUIRE(store);
  std::atomic<bool> ended = false;
  std::jthread writer([&] {
    for (std::size_t i = 0; i < count; ++i) REQUIRE(script.run(**store, clock, i));
    ended = true;
  });
  std::size_t backups = 0;
  for (bool last = false; !last; ++backups) {
    last = ended;
    const auto report =
        back_up_store(*disk, clock, folder + "/store", folder + "/backup", ignore_progress);
    REQUIRE_MESSAGE(report, report.error().what);
    const Scan seen = scan(*disk, folder + "/backup");
    REQUIRE_MESSAGE(seen.status, what(seen.status));
    CHECK(seen.events.size() == report->durable.value);
    CHECK(is_prefix(seen.events, script.after(count).events));
    if (last) CHECK(seen.events == script.after(count).events);
  }
  MESSAGE(backups << " backups");
}

}  // namespace tidelog::testing
