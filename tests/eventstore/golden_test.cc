// A store of format version 1, made once and kept as text: whatever tidelog becomes, it reads it
// whole and writes on. golden/version_1.store has its files in hexadecimal, golden/version_1.events
// its events as JSON. TIDELOG_WRITE_GOLDEN=FOLDER writes both anew, from EveryFile: only while
// version 1 is unreleased.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/erasure.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_marks.h"
#include "eventstore/verify.h"
#include "tests/eventstore/application_fixture.h"
#include "tests/eventstore/event_json.h"
#include "tests/eventstore/every_file.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

const std::string golden = "tests/eventstore/golden/version_1";

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE(file);
  return text.str();
}

// "file NAME BYTES", then the bytes in hexadecimal, 48 a line, without the zeros at the end.
void put_golden_file(std::string& out, const std::string& name, const std::string& content) {
  constexpr std::size_t line_bytes = 48;
  out += fmt::format("file {} {}\n", name, content.size());
  const std::size_t end = content.find_last_not_of('\0') + 1;
  for (std::size_t at = 0; at < end; ++at) {
    out += fmt::format("{:02x}", static_cast<std::uint8_t>(content[at]));
    if (at % line_bytes == line_bytes - 1 || at + 1 == end) out += '\n';
  }
}

void add_hex(std::string& content, std::string_view line) {
  REQUIRE(line.size() % 2 == 0);
  for (std::size_t at = 0; at < line.size(); at += 2) {
    std::uint8_t byte = 0;
    const auto [rest, error] = std::from_chars(&line[at], &line[at] + 2, byte, 16);
    REQUIRE((error == std::errc() && rest == &line[at] + 2));
    content.push_back(static_cast<char>(byte));
  }
}

FaultyDisk golden_disk() {
  FaultyDisk disk;
  std::istringstream lines(text_of(source_folder() / (golden + ".store")));
  std::string name, content;
  std::size_t bytes = 0;
  const auto end_file = [&] {
    content.resize(bytes, '\0');
    if (!name.empty()) disk.put_file(name, content);
    content.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("file ")) {
      add_hex(content, line);
      continue;
    }
    end_file();
    std::istringstream words(line.substr(5));
    words >> name >> bytes;
    must(disk.make_directory(name.substr(0, name.rfind('/'))));
  }
  end_file();
  return disk;
}

std::string golden_events() { return text_of(source_folder() / (golden + ".events")); }

}  // namespace

TEST_CASE("golden: a store of version 1 is read as it was written") {
  FaultyDisk disk = golden_disk();
  const std::string events = golden_events();
  const std::string read = json_lines(*must(StoreReader::open(disk, EveryFile::store)));
  const auto [got, expected] =
      std::mismatch(read.begin(), read.end(), events.begin(), events.end());
  INFO("from byte " << got - read.begin() << ": " << read.substr(got - read.begin(), 200));
  CHECK(got == read.end());
  CHECK(expected == events.end());
  CHECK(std::count(events.begin(), events.end(), '\n') > 40);
  const auto report = must(verify_store(disk, EveryFile::store, [](const VerifyProgress&) {}));
  for (const std::string& damage : report.damage) FAIL_CHECK(damage);
  for (const std::string& warning : report.warnings) FAIL_CHECK(warning);
  CHECK(report.index_count > 2);
  CHECK(report.state_count == 2);
  CHECK(report.aggregate_count == 1);
}

TEST_CASE("golden: what lies beside the log of a store of version 1 is read as it was written") {
  FaultyDisk disk = golden_disk();
  const StorePaths paths(EveryFile::store);
  const auto origin = must(read_origin(disk, paths));
  REQUIRE(origin);
  CHECK(origin->kind == OriginKind::restored);
  CHECK(origin->incomplete);
  CHECK(origin->position == Position{3});
  const auto erasures = must(pending_erasures(disk, paths));
  REQUIRE(erasures.size() == 1);
  CHECK(erasures.front().stream == "shop.public.orders");
  CHECK(erasures.front().keys.size() == 1);
  const auto record = must(read_backup_record(disk, EveryFile::backup + "/backup"));
  REQUIRE(record);
  CHECK(record->manifest.uuid == must(read_manifest(disk, paths)).uuid);
  CHECK(record->files.size() > 10);
  const StateDirectory states(disk, EveryFile::store);
  for (const SnapshotName& name : must(states.list())) {
    const auto file = must(StateFile::open(disk, states.path(name)));
    CHECK(file->about().row_count == 3);
    std::string key;
    put_value(key, Value(std::int64_t{2}));
    CHECK(must(file->find(key)));
  }
  const auto aggregates = must(aggregate_files(disk, EveryFile::store));
  REQUIRE(aggregates.size() == 1);
  const auto file = must(read_aggregate_file(must(read_file(disk, aggregates.front().path))));
  CHECK(file.stream_name == "carts.1");
  CHECK(file.snapshots.front().bytes == "an aggregate");
}

TEST_CASE("golden: a store of version 1 is written on to") {
  FaultyDisk disk = golden_disk();
  FakeClock clock({1'764'000'100'000'000});
  const std::string events = golden_events();
  {
    const auto store = must(EventStore::open(disk, clock, EveryFile::store, EveryFile::options()));
    CHECK(must(resume_erasures(*store, {})).keys == 0);
    const auto append = [&](const std::string& id) {
      return text_of(must(store->append(request_of("carts.1", ExpectedRevision::exists(), {id}))));
    };
    const std::string appended = append("z");
    CHECK_MESSAGE(appended.starts_with("appended"), appended);
    const std::string repeated = append("z");
    CHECK_MESSAGE(repeated.starts_with("repeated"), repeated);
    // What it has is known by its id, and this one says something else.
    const std::string conflict = append("c");
    CHECK_MESSAGE(!conflict.starts_with("appended"), conflict);
    Writer writer(*store);
    writer.begin(500);
    writer.row(50, "written by a newer one");
    must(writer.commit());
    must(store->seal());
    must(store->make_indexes());
  }
  const std::string now = json_lines(*must(StoreReader::open(disk, EveryFile::store)));
  CHECK((now.starts_with(events)));
  CHECK(std::count(now.begin(), now.end(), '\n') ==
        std::count(events.begin(), events.end(), '\n') + 2);
  const auto report = must(verify_store(disk, EveryFile::store, [](const VerifyProgress&) {}));
  for (const std::string& damage : report.damage) FAIL_CHECK(damage);
  for (const std::string& warning : report.warnings) FAIL_CHECK(warning);
}

TEST_CASE("golden: the files can be written anew") {
  const char* const folder = std::getenv("TIDELOG_WRITE_GOLDEN");
  if (folder == nullptr) return;
  EveryFile made;
  std::string out;
  for (const auto& [path, content] : made.disk.files()) {
    // Of the backup only its record: its other files are the store's.
    if (path.starts_with(EveryFile::store + "/") || path == EveryFile::backup + "/backup")
      put_golden_file(out, path, content);
  }
  const std::filesystem::path name = std::filesystem::path(folder) / "version_1";
  std::ofstream(name.string() + ".store", std::ios::binary) << out;
  std::ofstream(name.string() + ".events", std::ios::binary)
      << json_lines(*must(StoreReader::open(made.disk, EveryFile::store)));
}

}  // namespace tidelog::testing
