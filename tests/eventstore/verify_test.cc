// What verify says of the files that were made from the log.
#include "eventstore/verify.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/index_format.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

const std::string folder = "store";
const std::string snapshot = folder + "/state/00000001-00000000000000000010.state";
const std::string base = folder + "/state/00000001-00000000000000000005.base";
const std::string aggregate = folder + "/state/aggregates/00000001.aggregate";

VerifyReport verified(FaultyDisk& disk) {
  return must(verify_store(disk, folder, [](const VerifyProgress&) {}));
}

void save_state(FaultyDisk& disk, const SnapshotName& name, const std::string& uuid) {
  const StateDirectory states(disk, folder);
  const auto lock = must(states.lock("a test"));
  auto writer = must(StateFileWriter::create(disk, states.path(name)));
  std::string key;
  put_value(key, Value(std::int64_t{7}));
  must(writer.add({key, key, {1}, {3}, {3}, 1}));
  StateAbout about;
  about.store = uuid;
  about.stream = name.stream;
  about.stream_name = "shop.public.orders";
  about.position = name.position;
  about.base = name.base;
  about.row_count = 1;
  must(writer.finish(about, [](SchemaId) -> Result<std::string> {
    std::string schema;
    put_schema(schema, orders_schema());
    return schema;
  }));
}

// Some sealed segments with their indexes, and a snapshot of each kind.
struct Subject {
  FaultyDisk disk;
  std::vector<std::string> indexes;

  Subject() {
    FakeClock clock;
    const auto store = must(EventStore::open(disk, clock, folder, small_store(4096)));
    Writer writer(*store);
    for (std::uint64_t i = 1; i <= 60; ++i) {
      writer.begin(i);
      writer.row(static_cast<std::int64_t>(i), std::string(150, static_cast<char>('a' + i % 26)));
      must(writer.commit());
    }
    must(store->seal());
    must(store->make_indexes());
    const auto manifest = store->manifest();
    save_state(disk, {{1}, {5}, true}, manifest.uuid);
    save_state(disk, {{1}, {10}, false}, manifest.uuid);
    must(AggregateSnapshots(disk, folder, manifest.uuid)
             .save({1}, "shop.public.orders", {{3}, "three"}));
    for (std::size_t n = 0; n + 1 < manifest.segments.size(); ++n)
      indexes.push_back(store->paths().index(manifest.segments[n].id, 0));
  }
};

void check_one(const std::vector<std::string>& lines, const std::string& path) {
  REQUIRE(lines.size() == 1);
  CAPTURE(lines.front());
  CHECK(lines.front().find(path) != std::string::npos);
}

}  // namespace

TEST_CASE("verify: a whole store's indexes and snapshots are all looked at, and nothing is said") {
  Subject subject;
  const VerifyReport report = verified(subject.disk);
  CHECK(report.damage.empty());
  CHECK(report.warnings.empty());
  CHECK(report.index_count == subject.indexes.size());
  CHECK(report.index_count > 3);
  CHECK(report.state_count == 2);
  CHECK(report.aggregate_count == 1);
  CHECK(report.progress.bytes == report.progress.bytes_total);
}

TEST_CASE("verify: the zeros that a segment is filled up with are not told as read") {
  FaultyDisk disk;
  FakeClock clock;
  constexpr std::uint64_t segment_bytes = 1 << 20;
  {
    const auto store = must(EventStore::open(disk, clock, folder, small_store(segment_bytes)));
    Writer writer(*store);
    writer.begin(1);
    writer.row(1, "a row");
    must(writer.commit());
    must(store->seal());
  }
  const VerifyReport report = verified(disk);
  CHECK(report.progress.events == 2);
  CHECK(report.progress.bytes < 4096);
  CHECK(report.progress.bytes == report.progress.bytes_total);
}

// Every damage that a person is told of names the file, the offset in it and the positions.
TEST_CASE("verify, readers, recovery: a segment that was cut short is told with all of its place") {
  Subject subject;
  const auto manifest = must(read_manifest(subject.disk, StorePaths(folder)));
  // The last one, where recovery meets it, and one before.
  for (const std::size_t from_end : {std::size_t{1}, std::size_t{3}}) {
    CAPTURE(from_end);
    const auto& segment = manifest.segments[manifest.segments.size() - from_end - 1];
    const std::string path = StorePaths(folder).segment(segment.id, 0);
    const std::string name = path.substr(path.find_last_of('/') + 1);
    for (const bool with_index : {false, true}) {
      CAPTURE(with_index);
      FaultyDisk disk = subject.disk;
      if (!with_index) must(disk.remove(StorePaths(folder).index(segment.id, 0)));
      const std::string content = disk.files().at(path);
      disk.put_file(path, content.substr(0, content.find_last_not_of('\0') - 50));
      const auto tells_all = [&](const std::string& what) {
        CAPTURE(what);
        CHECK(what.find(name) != std::string::npos);
        CHECK(what.find("at offset ") != std::string::npos);
        CHECK(what.find("position") != std::string::npos);
      };
      const VerifyReport report = verified(disk);
      REQUIRE_FALSE(report.damage.empty());
      tells_all(report.damage.front());
      const auto reader = must(StoreReader::open(disk, folder));
      for (;;) {
        const auto event = reader->next();
        if (!event) tells_all(event.error().what);
        REQUIRE_FALSE((event && *event == nullptr));
        if (!event) break;
      }
    }
  }
}

TEST_CASE("verify: a damaged index is a warning that names it, and the next writer makes it anew") {
  Subject subject;
  const std::string path = subject.indexes[1];
  const std::string whole = subject.disk.files().at(path);
  subject.disk.flip_bit(path, whole.size() * 4);
  const VerifyReport report = verified(subject.disk);
  CHECK(report.damage.empty());
  check_one(report.warnings, path);
  FakeClock clock;
  must(must(EventStore::open(subject.disk, clock, folder, small_store(4096)))->make_indexes());
  CHECK(subject.disk.files().at(path) == whole);
  CHECK(verified(subject.disk).warnings.empty());
}

// Segments are checked side by side.
TEST_CASE("verify: what is wrong with several segments is told in their order, always the same") {
  Subject subject;
  REQUIRE(subject.indexes.size() >= 6);
  for (const char* log : {"2", "4", "5"})
    subject.disk.flip_bit(folder + "/segments/0000000" + log + "-0.log", 8 * 1000);
  for (const std::size_t index : {0, 2, 5}) subject.disk.flip_bit(subject.indexes[index], 8 * 300);
  const VerifyReport first = verified(subject.disk);
  REQUIRE(first.damage.size() == 3);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(first.damage[i].find("segment " + std::string{"245"[i]} + " ") != std::string::npos);
  REQUIRE(first.warnings.size() == 3);
  CHECK(std::is_sorted(first.warnings.begin(), first.warnings.end()));
  for (int again = 0; again < 20; ++again) {
    const VerifyReport report = verified(subject.disk);
    CHECK(report.damage == first.damage);
    CHECK(report.warnings == first.warnings);
    CHECK(report.progress.events == first.progress.events);
    CHECK(report.index_count == first.index_count);
  }
}

TEST_CASE("verify: an index of another store is a warning, a missing one is nothing") {
  Subject subject;
  Subject other;
  subject.disk.put_file(subject.indexes[0], other.disk.files().at(subject.indexes[0]));
  check_one(verified(subject.disk).warnings, subject.indexes[0]);
  must(subject.disk.remove(subject.indexes[0]));
  const VerifyReport report = verified(subject.disk);
  CHECK(report.warnings.empty());
  CHECK(report.index_count == subject.indexes.size() - 1);
}

TEST_CASE(
    "verify: an index that says something else than its segment is damage, checksums or not") {
  Subject subject;
  const std::string path = subject.indexes[2];
  std::string bytes = subject.disk.files().at(path);
  auto header = must(
      format::read_index_header(std::string_view(bytes).substr(0, format::index_header_bytes)));
  ++header.id_count;
  bytes.replace(0, format::index_header_bytes, format::encode(header));
  subject.disk.put_file(path, bytes);
  const VerifyReport report = verified(subject.disk);
  CHECK(report.warnings.empty());
  check_one(report.damage, path);
}

TEST_CASE("verify: a damaged state or aggregate snapshot is a warning, a base snapshot is damage") {
  for (const auto& [path, is_damage] : std::vector<std::pair<std::string, bool>>{
           {snapshot, false}, {base, true}, {aggregate, false}}) {
    CAPTURE(path);
    const Subject whole;
    const std::uint64_t bits = whole.disk.files().at(path).size() * 8;
    for (std::uint64_t bit = 3; bit < bits; bit += 61) {
      FaultyDisk disk = whole.disk;
      disk.flip_bit(path, bit);
      const VerifyReport report = verified(disk);
      check_one(is_damage ? report.damage : report.warnings, path);
      CHECK((is_damage ? report.warnings : report.damage).empty());
    }
  }
}

TEST_CASE("verify: a snapshot under another name than its own is not taken for it") {
  Subject subject;
  const auto files = subject.disk.files();
  subject.disk.put_file(folder + "/state/00000001-00000000000000000011.state", files.at(snapshot));
  subject.disk.put_file(folder + "/state/00000002-00000000000000000010.state", files.at(snapshot));
  subject.disk.put_file(folder + "/state/aggregates/00000002.aggregate", files.at(aggregate));
  subject.disk.put_file(folder + "/state/00000001-00000000000000000010.base", files.at(snapshot));
  const VerifyReport report = verified(subject.disk);
  CHECK(report.warnings.size() == 3);
  CHECK(report.damage.size() == 1);
}

TEST_CASE("verify: damaged marks and erasures are damage, a damaged durable page is a warning") {
  Subject subject;
  for (const char* name : {"origin", "erasures", "backup.unfinished", "backup"}) {
    CAPTURE(name);
    FaultyDisk disk = subject.disk;
    disk.put_file(folder + "/" + name, "no such thing");
    CHECK(verified(disk).damage.size() == 1);
  }
  FaultyDisk disk = subject.disk;
  const std::string page = folder + "/durable";
  const std::uint64_t current = static_cast<unsigned char>(disk.files().at(page)[0]) % 2;
  disk.flip_bit(page, (1 + 4 * current) * 64);
  const VerifyReport report = verified(disk);
  CHECK(report.damage.empty());
  check_one(report.warnings, page);
}

}  // namespace tidelog::testing
