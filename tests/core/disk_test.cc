#include "core/disk.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

// A folder of its own for each test.
struct RealFolder {
  std::unique_ptr<Disk> disk = real_disk();
  std::filesystem::path path = scratch_folder("disk");
  RealFolder() = default;
  RealFolder(const RealFolder&) = delete;
  RealFolder& operator=(const RealFolder&) = delete;
  ~RealFolder() { std::filesystem::remove_all(path); }
  std::string of(const std::string& name) const { return (path / name).string(); }
};

template <class T>
Error refusal_of(const T& result) {
  REQUIRE_FALSE(result);
  return result.error();
}

bool mentions(const Error& error, const std::string& word) {
  return error.what.find(word) != std::string::npos;
}

TEST_CASE("real disk: a file reads back what was written, and less only at its end") {
  const RealFolder folder;
  auto made = folder.disk->create(folder.of("f"));
  REQUIRE(made);
  File& file = **made;
  REQUIRE(file.write(2, "abc"));
  REQUIRE(file.sync());
  std::string out = "earlier content";
  REQUIRE(file.read(1, 100, out));
  CHECK(out == std::string("\0abc", 4));
  REQUIRE(file.read(5, 1, out));
  CHECK(out.empty());
  REQUIRE(file.read(~0ULL, 1, out));
  CHECK(out.empty());
  CHECK(*file.size() == 5);
  REQUIRE(file.truncate(3));
  CHECK(*file.size() == 3);
}

TEST_CASE("real disk: a missing file is not_found and is named") {
  const RealFolder folder;
  const Error error = refusal_of(folder.disk->open_read(folder.of("absent")));
  CHECK(error.code == Code::not_found);
  CHECK(mentions(error, folder.of("absent")));
  CHECK(refusal_of(folder.disk->remove(folder.of("absent"))).code == Code::not_found);
  CHECK_FALSE(*folder.disk->exists(folder.of("absent")));
}

TEST_CASE("real disk: a full device is disk_full") {
  const auto disk = real_disk();
  auto full = disk->open_write("/dev/full");
  REQUIRE(full);
  const Error error = refusal_of((*full)->write(0, "x"));
  CHECK(error.code == Code::disk_full);
  CHECK(mentions(error, "/dev/full"));
}

TEST_CASE("real disk: a file where a directory should be is misconfigured") {
  const RealFolder folder;
  REQUIRE(folder.disk->create(folder.of("f")));
  CHECK(refusal_of(folder.disk->make_directory(folder.of("f/sub"))).code == Code::misconfigured);
  CHECK(refusal_of(folder.disk->make_directory(folder.of("f"))).code == Code::misconfigured);
}

TEST_CASE("real disk: missing rights are misconfigured, with a way out" *
          doctest::skip(::geteuid() == 0)) {
  const RealFolder folder;
  std::filesystem::permissions(folder.path, std::filesystem::perms::owner_read);
  const Error error = refusal_of(folder.disk->create(folder.of("f")));
  std::filesystem::permissions(folder.path, std::filesystem::perms::owner_all);
  CHECK(error.code == Code::misconfigured);
  CHECK(mentions(error, "chown"));
}

TEST_CASE("real disk: directories are made with their parents, and again") {
  const RealFolder folder;
  REQUIRE(folder.disk->make_directory(folder.of("a/b/c/")));
  REQUIRE(folder.disk->make_directory(folder.of("a/b/c")));
  REQUIRE(folder.disk->sync_directory(folder.of("a/b/c")));
  CHECK(*folder.disk->exists(folder.of("a/b/c")));
}

TEST_CASE("real disk: a listing has the files, sorted, without directories") {
  const RealFolder folder;
  REQUIRE(folder.disk->create(folder.of("b")));
  REQUIRE(folder.disk->create(folder.of("a")));
  REQUIRE(folder.disk->make_directory(folder.of("lost+found")));
  CHECK(*folder.disk->list(folder.path.string()) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("real disk: replace_file leaves the new content and no temporary file") {
  const RealFolder folder;
  REQUIRE(replace_file(*folder.disk, folder.path.string(), "f", "one"));
  REQUIRE(replace_file(*folder.disk, folder.path.string(), "f", "two"));
  CHECK(*read_file(*folder.disk, folder.of("f")) == "two");
  CHECK(*folder.disk->list(folder.path.string()) == std::vector<std::string>{"f"});
}

TEST_CASE("real disk: a lock that is held names its holder, and is free again after it") {
  const RealFolder folder;
  auto held = folder.disk->lock(folder.of("lock"), "process 7 on host a");
  REQUIRE(held);
  const Error error = refusal_of(folder.disk->lock(folder.of("lock"), "process 8"));
  CHECK(error.code == Code::conflict);
  CHECK(mentions(error, "process 7 on host a"));
  held->reset();
  REQUIRE(folder.disk->lock(folder.of("lock"), "8"));
  CHECK(*read_file(*folder.disk, folder.of("lock")) == "8");
}

TEST_CASE("real disk: a shared page shows a reader what the writer stores") {
  const RealFolder folder;
  CHECK(refusal_of(folder.disk->map_page(folder.of("page"), false)).code == Code::not_found);
  auto written = folder.disk->map_page(folder.of("page"), true);
  REQUIRE(written);
  auto read = folder.disk->map_page(folder.of("page"), false);
  REQUIRE(read);
  CHECK((*read)->word(15) == 0);
  (*written)->word(15) = 42;
  CHECK((*read)->word(15) == 42);
}

TEST_CASE("real disk: free space is known") {
  const RealFolder folder;
  CHECK(*folder.disk->free_bytes(folder.path.string()) > 0);
}

}  // namespace
}  // namespace tidelog::testing
