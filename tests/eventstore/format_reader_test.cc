// The reader in Python (read_store.py), which knows eventstore/FORMAT.md and nothing else of ours,
// against our own.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "eventstore/retention.h"
#include "eventstore/salvage.h"
#include "tests/eventstore/application_fixture.h"
#include "tests/eventstore/event_json.h"
#include "tests/eventstore/every_file.h"
#include "tests/eventstore/every_kind.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

// Debian's own: the inflating packages are its.
const std::string python = "/usr/bin/python3";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string read_by_page(const std::string& store) {
  const auto script = source_folder() / "tests/eventstore/read_store.py";
  return output_of({python, "-B", script.string(), store}, Duration(60'000));
}

std::string read_by_us(Disk& disk, const std::string& store) {
  return json_lines(*must(StoreReader::open(disk, store)));
}

void check_same(const std::string& by_page, const std::string& by_us) {
  const auto page = lines_of(by_page);
  const auto ours = lines_of(by_us);
  CHECK(page.size() == ours.size());
  for (std::size_t i = 0; i < std::min(page.size(), ours.size()); ++i) {
    REQUIRE(page[i] == ours[i]);
  }
}

void append_rows(EventStore& store, std::int64_t first, int count) {
  Writer writer(store, "shop.public.orders");
  for (int i = 0; i < count; ++i) {
    writer.begin(static_cast<std::uint64_t>(first + i));
    for (int row = 0; row < 20; ++row) writer.row(first + i, "the same note, again and again");
    must(writer.commit());
  }
}

// What a disk in memory holds, on a real one, where Python finds it.
void copy_out(const FaultyDisk& from, Disk& to, const std::string& folder) {
  for (const auto& [path, content] : from.files()) {
    const std::string target = folder + "/" + path;
    must(to.make_directory(target.substr(0, target.rfind('/'))));
    must(must(to.create(target))->write(0, content));
  }
}

std::vector<std::string> check_both(Disk& disk, const std::string& store) {
  CAPTURE(store);
  const std::string ours = read_by_us(disk, store);
  check_same(read_by_page(store), ours);
  return lines_of(ours);
}

bool any_has(const std::vector<std::string>& lines, std::string_view part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

// One bit of a sealed segment flipped, and what can be read brought into another store.
void salvage_damaged(FaultyDisk& disk, const std::string& store, const std::string& salvaged) {
  const StorePaths paths(store);
  const auto manifest = must(read_manifest(disk, paths));
  const auto& segment = manifest.segments[1];
  const std::string path = paths.segment(segment.id, segment.generation);
  const std::string content = disk.files().at(path);
  disk.flip_bit(path, content.find_last_not_of('\0') * 8);
  FakeClock clock;
  const auto report = must(salvage_store(disk, clock, store, salvaged, [](const CopyProgress&) {}));
  CHECK(report.missing > 0);
}

// The newest event of the application's stream, and of each key of the table, is what is left.
void cut_by_retention(FaultyDisk& disk, const std::string& store) {
  FakeClock clock({1'764'000'100'000'000});
  const auto opened = must(EventStore::open(disk, clock, store, EveryFile::options()));
  must(opened->seal());
  RetentionPlan plan;
  plan.rule_of = [](std::string_view stream) {
    RetentionRule rule;
    if (stream == "carts.1") rule.max_count = 1;
    if (stream == "shop.public.orders") rule.compact = true;
    return rule;
  };
  plan.make_base = [](const std::string&, Position) { return Status(); };
  RetentionMemory memory;
  const auto report = must(apply_retention(*opened, plan, memory));
  CHECK(report.events_removed > 0);
  must(opened->drop_segments_before(opened->manifest().segments[1].id));
}

}  // namespace

TEST_CASE("format: the reader in Python reads what was rewritten, cut, backed up and salvaged") {
  const std::string folder = scratch_folder("format reader of rewritten").string();
  const auto disk = real_disk();
  EveryFile made;
  FaultyDisk cut = made.disk;
  FaultyDisk damaged = made.disk;
  copy_out(made.disk, *disk, folder + "/made");
  for (const std::string& name : {EveryFile::store, EveryFile::backup}) {
    const auto lines = check_both(*disk, folder + "/made/" + name);
    CHECK(lines.size() == made.events.size());
    CHECK(any_has(lines, R"("type":"erased")"));
  }
  cut_by_retention(cut, EveryFile::store);
  copy_out(cut, *disk, folder + "/cut");
  const auto left = check_both(*disk, folder + "/cut/" + EveryFile::store);
  CHECK(left.size() < made.events.size());
  CHECK_FALSE(any_has(left, R"("position":0,)"));
  salvage_damaged(damaged, EveryFile::store, "salvaged");
  copy_out(damaged, *disk, folder + "/damaged");
  const auto salvaged = check_both(*disk, folder + "/damaged/salvaged");
  CHECK(salvaged.size() < made.events.size());
  CHECK(salvaged.size() > made.events.size() / 2);
}

TEST_CASE("format: a reader written from FORMAT.md alone reads what ours reads") {
  const std::string folder = scratch_folder("format reader").string() + "/store";
  const auto disk = real_disk();
  FakeClock clock({1'764'000'000'000'000});
  {
    const auto store = must(EventStore::open(*disk, clock, folder, small_store()));
    append_every_kind(*store, Samples::all);
    append_rows(*store, 1, 5);
    change_streams(*store);
    adopt_every_kind(*store, Samples::all, 3);
    clock.advance(std::chrono::seconds(1));
    append_rows(*store, 100, 40);
    BatchBuilder position_alone;
    position_alone.set_source(store->source("books"), "page 7");
    must(store->append(position_alone));
    append_every_kind(*store, Samples::all);
    // Beside the writer, whose superblock is behind.
    check_same(read_by_page(folder), read_by_us(*disk, folder));
  }
  const std::string ours = read_by_us(*disk, folder);
  CHECK(lines_of(ours).size() > 900);
  check_same(read_by_page(folder), ours);
  must(disk->remove(folder + "/durable"));
  check_same(read_by_page(folder), ours);  // by the superblock
}

}  // namespace tidelog::testing
