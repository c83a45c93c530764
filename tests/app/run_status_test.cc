#include <doctest/doctest.h>

#include "app/run_status.h"
#include "core/disk.h"
#include "tests/support/child_process.h"
#include "tests/support/faulty_disk.h"

namespace tidelog {
namespace {

SourceStatus streaming() {
  SourceStatus source;
  source.name = "shop";
  source.state = "streaming";
  source.position = 42;
  source.confirmed = "lsn 0/16B3700";
  source.lag_bytes = 72;
  source.lag_seconds = 0.5;
  source.retained_bytes = 4096;
  source.wal_status = "reserved";
  return source;
}

}  // namespace

TEST_CASE("run status: what was written is read") {
  const auto disk = real_disk();
  const std::string folder = testing::scratch_folder("run_status").string();
  REQUIRE(write_run_status(*disk, folder, {4711, UnixMicros{1'000'000}, false, {streaming()}}));
  const auto read = read_run_status(*disk, folder);
  REQUIRE(read);
  REQUIRE(read->has_value());
  CHECK((*read)->pid == 4711);
  REQUIRE((*read)->sources.size() == 1);
  CHECK((*read)->sources[0].name == "shop");
  CHECK((*read)->sources[0].lag_bytes == 72);
  CHECK((*read)->sources[0].retained_bytes == 4096);
  CHECK((*read)->sources[0].wal_status == "reserved");
  CHECK_FALSE((*read)->sources[0].safe_wal_bytes);
}

TEST_CASE("run status: a store where nobody ran has none") {
  const auto disk = real_disk();
  const auto read = read_run_status(*disk, testing::scratch_folder("run_status_none").string());
  REQUIRE(read);
  CHECK_FALSE(read->has_value());
}

TEST_CASE("run status: a file that is none is an error that names it") {
  const auto disk = real_disk();
  const std::string folder = testing::scratch_folder("run_status_bad").string();
  for (const char* const text :
       {"", "{", "[]", R"({"pid":"x"})", R"({"pid":1,"time":2,"ended":false,"sources":[{}]})"}) {
    CAPTURE(text);
    REQUIRE(replace_file(*disk, folder, "status.json", text));
    const auto read = read_run_status(*disk, folder);
    REQUIRE_FALSE(read);
    CHECK(read.error().what.find(folder + "/status.json") != std::string::npos);
  }
}

TEST_CASE("run status: on a disk that is full it is written in place") {
  testing::FaultyDisk disk;
  REQUIRE(disk.make_directory("/store"));
  REQUIRE(write_run_status(disk, "/store", {4711, UnixMicros{1'000'000}, false, {streaming()}}));
  std::uint64_t used = 0;
  for (const auto& [name, content] : disk.files()) used += content.size();
  disk.set_capacity(used);
  SourceStatus waiting = streaming();
  waiting.state = "waiting";
  waiting.error = "No space left on device";
  REQUIRE(write_run_status(disk, "/store", {4711, UnixMicros{2'000'000}, false, {waiting}}));
  const auto read = read_run_status(disk, "/store");
  REQUIRE(read);
  REQUIRE(read->has_value());
  CHECK((*read)->time == UnixMicros{2'000'000});
  CHECK((*read)->sources.at(0).error == "No space left on device");
}

TEST_CASE("run status: an old one, and one of a run that ended, do not describe the present") {
  const RunStatus status{1, UnixMicros{100'000'000}, false, {}};
  CHECK(is_current(status, UnixMicros{101'000'000}));
  CHECK_FALSE(is_current(status, UnixMicros{111'000'000}));
  CHECK_FALSE(is_current({1, UnixMicros{100'000'000}, true, {}}, UnixMicros{100'000'000}));
}

TEST_CASE("run status: the line of a source has its documented names") {
  CHECK(
      print_source_status(streaming()) ==
      R"({"source":"shop","state":"streaming","position":42,"confirmed":"lsn 0/16B3700","lag_bytes":72,"lag_seconds":0.5,"retained_bytes":4096,"wal_status":"reserved","safe_wal_bytes":null,"loads_open":0})");
  SourceStatus warned = streaming();
  warned.warning = "too much";
  CHECK(print_source_status(warned).ends_with(R"("warning":"too much"})"));
}

}  // namespace tidelog
