#include "tests/support/faulty_disk.h"

#include <doctest/doctest.h>

#include <set>

namespace tidelog::testing {
namespace {

const std::string path = "/d/file";

std::unique_ptr<File> made(FaultyDisk& disk, const std::string& name = path) {
  REQUIRE(disk.make_directory("/d"));
  auto file = disk.create(name);
  REQUIRE(file);
  return *std::move(file);
}

// A file whose name and content "old" are synced.
std::unique_ptr<File> synced(FaultyDisk& disk, const std::string& content = "old") {
  auto file = made(disk);
  REQUIRE(file->write(0, content));
  REQUIRE(file->sync());
  REQUIRE(disk.sync_directory("/d"));
  return file;
}

std::string content_after(const FaultyDisk& disk, Survives survives, std::uint64_t number = 0) {
  const auto files = disk.after_power_loss(survives, number).files();
  const auto found = files.find(path);
  return found == files.end() ? "(none)" : found->second;
}

TEST_CASE("faulty disk: what was read is what was written") {
  FaultyDisk disk;
  const auto file = made(disk);
  REQUIRE(file->write(3, "abc"));
  std::string out;
  REQUIRE(file->read(0, 100, out));
  CHECK(out == std::string("\0\0\0abc", 6));
  REQUIRE(file->read(4, 1, out));
  CHECK(out == "b");
  REQUIRE(file->read(6, 1, out));
  CHECK(out.empty());
}

TEST_CASE("faulty disk: unsynced content goes with the power, synced content stays") {
  FaultyDisk disk;
  const auto file = synced(disk);
  REQUIRE(file->write(0, "new!"));
  CHECK(content_after(disk, Survives::nothing) == "old");
  CHECK(content_after(disk, Survives::all) == "new!");
  CHECK(disk.after_kill().files().at(path) == "new!");
}

TEST_CASE("faulty disk: a name is durable only after its directory's sync") {
  FaultyDisk disk;
  const auto file = made(disk);
  REQUIRE(file->write(0, "x"));
  REQUIRE(file->sync());
  CHECK(content_after(disk, Survives::nothing) == "(none)");
  REQUIRE(disk.sync_directory("/d/"));
  CHECK(content_after(disk, Survives::nothing) == "x");
}

TEST_CASE("faulty disk: a rename that is not synced leaves the old name and file") {
  FaultyDisk disk;
  const auto file = synced(disk);
  const auto temporary = made(disk, "/d/tmp");
  REQUIRE(temporary->write(0, "new"));
  REQUIRE(temporary->sync());
  REQUIRE(disk.rename("/d/tmp", path));
  CHECK(disk.files().at(path) == "new");
  CHECK(content_after(disk, Survives::nothing) == "old");
  REQUIRE(disk.sync_directory("/d"));
  CHECK(content_after(disk, Survives::nothing) == "new");
  CHECK_FALSE(disk.after_power_loss(Survives::nothing, 0).files().contains("/d/tmp"));
}

TEST_CASE("faulty disk: a removed file comes back when its directory was not synced") {
  FaultyDisk disk;
  const auto file = synced(disk);
  REQUIRE(disk.remove(path));
  CHECK(content_after(disk, Survives::nothing) == "old");
  CHECK(content_after(disk, Survives::all) == "(none)");
}

TEST_CASE("faulty disk: a truncate is undone by a power loss, and zeroes what is extended again") {
  FaultyDisk disk;
  const auto file = synced(disk, "abcdef");
  REQUIRE(file->truncate(2));
  REQUIRE(file->write(4, "X"));
  CHECK(content_after(disk, Survives::nothing) == "abcdef");
  CHECK(content_after(disk, Survives::all) == std::string("ab\0\0X", 5));
  REQUIRE(file->sync());
  CHECK(content_after(disk, Survives::nothing) == std::string("ab\0\0X", 5));
}

TEST_CASE("faulty disk: each sector is old or new by itself") {
  FaultyDisk disk;
  const auto file = synced(disk, std::string(1024, 'o'));
  REQUIRE(file->write(0, std::string(1024, 'n')));
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const std::string content = content_after(disk, Survives::some, seed);
    REQUIRE(content.size() == 1024);
    seen.insert({content[0], content[511], content[512], content[1023]});
  }
  CHECK(seen == std::set<std::string>{"oooo", "oonn", "nnoo", "nnnn"});
}

TEST_CASE("faulty disk: all_but_one drops each unsynced thing once") {
  FaultyDisk disk;
  const auto file = synced(disk, std::string(1024, 'o'));
  REQUIRE(file->write(0, std::string(1024, 'n')));
  REQUIRE(disk.unsynced_count() == 2);
  CHECK(content_after(disk, Survives::all_but_one, 0) ==
        std::string(512, 'o') + std::string(512, 'n'));
  CHECK(content_after(disk, Survives::all_but_one, 1) ==
        std::string(512, 'n') + std::string(512, 'o'));
}

TEST_CASE("faulty disk: torn_last keeps the first sectors of the last write") {
  FaultyDisk disk;
  const auto file = synced(disk, std::string(2048, 'o'));
  REQUIRE(file->write(0, "first"));
  REQUIRE(file->write(512, std::string(1536, 'n')));
  const std::string content = content_after(disk, Survives::torn_last, 1);
  CHECK(content.substr(0, 5) == "first");
  CHECK(content.substr(512, 512) == std::string(512, 'n'));
  CHECK(content.substr(1024) == std::string(1024, 'o'));
}

TEST_CASE("faulty disk: after a failed sync a later one does not save the content") {
  FaultyDisk disk;
  const auto file = synced(disk);
  REQUIRE(file->write(0, "new"));
  disk.fail_at(disk.call_count(), FaultyDisk::Repeat::once, Code::failed);
  CHECK_FALSE(file->sync());
  REQUIRE(file->sync());
  CHECK(disk.after_kill().files().at(path) == "new");
  CHECK(content_after(disk, Survives::all) == "old");
  CHECK(disk.after_kill().after_power_loss(Survives::all, 0).files().at(path) == "old");
}

TEST_CASE("faulty disk: content that is written again after a failed sync is saved by the next") {
  FaultyDisk disk;
  const auto file = synced(disk);
  REQUIRE(file->write(0, "new, longer"));
  disk.fail_at(disk.call_count(), FaultyDisk::Repeat::once, Code::failed);
  CHECK_FALSE(file->sync());
  REQUIRE(file->write(0, "new, longer"));
  REQUIRE(file->sync());
  CHECK(content_after(disk, Survives::nothing) == "new, longer");
}

TEST_CASE("faulty disk: after a failed directory sync a later one does not save the name") {
  FaultyDisk disk;
  const auto file = made(disk);
  disk.fail_at(disk.call_count(), FaultyDisk::Repeat::once, Code::failed);
  CHECK_FALSE(disk.sync_directory("/d"));
  REQUIRE(disk.sync_directory("/d"));
  CHECK(content_after(disk, Survives::all) == "(none)");
}

TEST_CASE("faulty disk: from the crash on every call fails and nothing changes") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.crash_at(disk.call_count() + 1);
  REQUIRE(file->write(0, "1"));
  CHECK_FALSE(file->write(0, "2"));
  CHECK_FALSE(file->sync());
  CHECK_FALSE(disk.exists(path));
  CHECK(disk.crashed());
  CHECK(disk.after_kill().files().at(path) == "1ld");
  CHECK_FALSE(disk.after_kill().crashed());
}

TEST_CASE("faulty disk: a crash within a write leaves its first bytes in the page cache") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.crash_at(disk.call_count(), 2);
  CHECK_FALSE(file->write(0, "new"));
  CHECK(disk.after_kill().files().at(path) == "ned");
}

TEST_CASE("faulty disk: a short write writes a prefix and fails") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.fail_at(disk.call_count(), FaultyDisk::Repeat::once, Code::disk_full, 1);
  const Status written = file->write(0, "new");
  REQUIRE_FALSE(written);
  CHECK(written.error().code == Code::disk_full);
  CHECK(disk.files().at(path) == "nld");
  CHECK(file->write(0, "new"));
}

TEST_CASE("faulty disk: a full disk refuses writes for ever, and reads still work") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.fail_at(disk.call_count(), FaultyDisk::Repeat::for_ever, Code::disk_full);
  std::string out;
  CHECK(file->read(0, 3, out));
  CHECK_FALSE(file->write(0, "x"));
  CHECK_FALSE(file->write(0, "x"));
  disk.mend();
  CHECK(file->write(0, "x"));
}

TEST_CASE("faulty disk: capacity limits what can be added, not what is overwritten") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.set_capacity(4);
  CHECK(file->write(0, "new"));
  CHECK_FALSE(file->write(3, "12"));
  CHECK(disk.files().at(path) == "new1");
  CHECK(*disk.free_bytes("/d") == 0);
}

TEST_CASE("faulty disk: a copy shares nothing") {
  FaultyDisk disk;
  const auto file = synced(disk);
  const FaultyDisk copy = disk;
  REQUIRE(file->write(0, "new"));
  CHECK(copy.files().at(path) == "old");
}

TEST_CASE("faulty disk: a flipped bit stays flipped after a power loss") {
  FaultyDisk disk;
  const auto file = synced(disk);
  disk.flip_bit(path, 1);
  CHECK(content_after(disk, Survives::nothing) == "mld");
}

TEST_CASE("faulty disk: a lock names its holder and ends with the process") {
  FaultyDisk disk;
  REQUIRE(disk.make_directory("/d"));
  const auto held = disk.lock("/d/lock", "process 7");
  REQUIRE(held);
  const auto refused = disk.lock("/d/lock", "process 8");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::conflict);
  CHECK(refused.error().what.find("process 7") != std::string::npos);
  CHECK(disk.after_kill().lock("/d/lock", "process 8"));
}

TEST_CASE(
    "faulty disk: a shared page survives a kill, and a power loss leaves it at some earlier "
    "value") {
  FaultyDisk disk;
  REQUIRE(disk.make_directory("/d"));
  const auto page = disk.map_page("/d/page", true);
  REQUIRE(page);
  REQUIRE(disk.sync_directory("/d"));
  std::set<std::uint64_t> seen;
  for (std::uint64_t value = 1; value <= 3; ++value) {
    (*page)->word(0) = value;
    REQUIRE(disk.exists("/d"));
  }
  FaultyDisk killed = disk.after_kill();
  const auto mapped = killed.map_page("/d/page", false);
  REQUIRE(mapped);
  CHECK((*mapped)->word(0) == 3);
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    FaultyDisk left = disk.after_power_loss(Survives::some, seed);
    const auto old = left.map_page("/d/page", false);
    REQUIRE(old);
    seen.insert((*old)->word(0));
  }
  CHECK(seen == std::set<std::uint64_t>{0, 1, 2, 3});
}

TEST_CASE("faulty disk: files in a directory are listed, sorted, without their path") {
  FaultyDisk disk;
  const auto b = made(disk, "/d/b");
  const auto a = made(disk, "/d/a");
  REQUIRE(disk.make_directory("/d/e"));
  const auto inner = made(disk, "/d/e/c");
  const auto names = disk.list("/d");
  REQUIRE(names);
  CHECK(*names == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(disk.create("/nowhere/x"));
}

TEST_CASE("faulty disk: a copy and its original change without each other") {
  FaultyDisk disk;
  const auto file = synced(disk);
  REQUIRE(file->write(0, "new"));
  FaultyDisk copy = disk;
  CHECK(copy.fingerprint() == disk.fingerprint());
  REQUIRE(file->write(0, "more"));
  CHECK(copy.files().at(path) == "new");
  CHECK(copy.fingerprint() != disk.fingerprint());
  copy.flip_bit(path, 0);
  CHECK(disk.files().at(path) == "more");
  CHECK(content_after(disk, Survives::nothing) == "old");
}

TEST_CASE("faulty disk: who watches is shown what each call may leave, of a write also a part") {
  FaultyDisk disk;
  const auto file = synced(disk);
  std::vector<std::string> shown;
  disk.watch([&](const FaultyDisk& left) { shown.push_back(left.files().at(path)); });
  REQUIRE(file->write(0, "newer"));
  REQUIRE(file->sync());
  std::string out;
  REQUIRE(file->read(0, 5, out));
  REQUIRE(shown.size() == 3);
  CHECK(shown[0] == "old");
  CHECK(shown[1] != "newer");
  CHECK(shown[1].starts_with("n"));
  CHECK(shown[2] == "newer");
}

}  // namespace
}  // namespace tidelog::testing
