// Every single bit of a small store with every kind of file flipped: verify or opening notices it,
// or it lies in what FORMAT.md section 10 calls slack. Whatever verify says, nobody reads anything
// wrong.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "eventstore/erasure.h"
#include "eventstore/recovery.h"
#include "eventstore/restore.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_marks.h"
#include "eventstore/verify.h"
#include "tests/eventstore/every_file.h"
#include "tests/support/fake_clock.h"

namespace tidelog::testing {
namespace {

const std::string durable_page = EveryFile::store + "/durable";
const std::string superblock = EveryFile::store + "/superblock";

bool is_noticed(const Error& error) {
  return error.code == Code::corrupt || error.code == Code::unsupported;
}

tl::unexpected<Error> wrong(std::string what) { return fail(Code::failed, std::move(what)); }

// -- FORMAT.md section 10 --

class Slack {
 public:
  Slack(FaultyDisk& disk, const std::string& folder) : disk_(disk), paths_(folder) {
    const auto manifest = read_manifest(disk_, paths_);
    REQUIRE(manifest);
    for (const auto& segment : manifest->segments) add_segment(segment);
    // Whatever lies around the two slots.
    const auto slot_end = [](std::size_t n) {
      return format::superblock_slot_offsets[n] + format::superblock_slot_bytes;
    };
    add(paths_.superblock, slot_end(0), format::superblock_slot_offsets[1]);
    add(paths_.superblock, slot_end(1), UINT64_MAX);
    for (const std::string& path :
         {paths_.lock, paths_.spare, folder + "/state/lock", paths_.durable_page})
      add(path, 0, UINT64_MAX);
  }

  bool holds(const std::string& path, std::uint64_t byte) const {
    if (path.starts_with(paths_.staging)) return true;  // nobody adopts it any more
    const auto found = ranges_.find(path);
    if (found == ranges_.end()) return false;
    for (const auto& [begin, end] : found->second) {
      if (byte >= begin && byte < end) return true;
    }
    return false;
  }

 private:
  void add(const std::string& path, std::uint64_t begin, std::uint64_t end) {
    ranges_[path].emplace_back(begin, end);
  }

  void add_segment(const format::ManifestSegment& segment) {
    const std::string path = paths_.segment(segment.id, segment.generation);
    const auto file = disk_.open_read(path);
    REQUIRE(file);
    std::string fixed;
    REQUIRE((*file)->read(0, format::head_fixed_bytes, fixed));
    const auto lengths = format::read_head_lengths(fixed);
    REQUIRE(lengths);
    add(path, format::head_fixed_bytes + lengths->body_bytes, lengths->total_bytes);
    const auto head = read_head(**file, paths_, segment);
    REQUIRE(head);
    add_batches(path, **file, head->first);
  }

  void add_batches(const std::string& path, const File& file, const BatchCursor::Expected& first) {
    BatchCursor cursor(file, first);
    for (;;) {
      const auto step = cursor.next();
      REQUIRE(step);
      if (*step != BatchCursor::Step::batch) break;
      const format::BatchHeader& header = cursor.header();
      const std::uint64_t content =
          header.header_bytes() + header.extension_bytes + header.body_bytes;
      add(path, cursor.file_offset() + content, cursor.expected().file_offset);
      for (const auto& adopted : cursor.extension().adopted) add_adopted(header.file_id, adopted);
    }
    add(path, cursor.expected().file_offset, UINT64_MAX);
  }

  void add_adopted(std::uint64_t segment_id, const format::AdoptedFile& adopted) {
    const std::string path = paths_.adopted(segment_id, adopted.staging_id, adopted.generation);
    const auto file = disk_.open_read(path);
    REQUIRE(file);
    BatchCursor::Expected first;
    first.file_id = adopted.staging_id;
    first.generation = adopted.generation;
    first.staged = true;
    add_batches(path, **file, first);
  }

  FaultyDisk& disk_;
  StorePaths paths_;
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::uint64_t>>> ranges_;
};

// -- what is asked of a damaged store --

struct Subject {
  FaultyDisk disk;
  std::vector<std::string> events;
};

// All events, or an error. With its durable page damaged a reader without a writer may stop at an
// older bound.
Status check_reading(const Subject& subject, Disk& disk, const std::string& folder,
                     const std::string& damaged) {
  const auto reader = StoreReader::open(disk, folder);
  if (!reader) return is_noticed(reader.error()) ? Status() : error_of(reader);
  const auto lines = whole_lines(**reader);
  if (!lines) return is_noticed(lines.error()) ? Status() : error_of(lines);
  if (lines->size() > subject.events.size() ||
      !std::equal(lines->begin(), lines->end(), subject.events.begin()))
    return wrong("a reader gets other events");
  if (lines->size() == subject.events.size() || damaged == durable_page) return {};
  return wrong(fmt::format("a reader gets {} events of {}", lines->size(), subject.events.size()));
}

// Whether anything is said of it. Whatever a reader stumbles over must be.
Result<bool> is_verified_damaged(Disk& disk, const std::string& folder) {
  const auto report = verify_store(disk, folder, [](const VerifyProgress&) {});
  if (report) return !report->damage.empty() || !report->warnings.empty();
  if (is_noticed(report.error())) return true;
  return error_of(report);
}

// The writer refuses, or has all of it; and so its readers.
Status check_opening(const Subject& subject, FaultyDisk& disk) {
  FakeClock clock;
  const auto store = EventStore::open(disk, clock, EveryFile::store, EveryFile::options());
  if (!store) return is_noticed(store.error()) ? Status() : error_of(store);
  const auto reader = (*store)->reader();
  if (!reader) return is_noticed(reader.error()) ? Status() : error_of(reader);
  const auto lines = whole_lines(**reader);
  if (!lines) return is_noticed(lines.error()) ? Status() : error_of(lines);
  if (*lines != subject.events) return wrong("other events after opening");
  if ((*store)->source_position("books") != "page 7") return wrong("another source position");
  return {};
}

// By filter and backwards, which go by the indexes.
Status check_by_index(const Subject& subject, Disk& disk) {
  TRY(const auto reader, StoreReader::open(disk, EveryFile::store));
  TRY_DO(reader->seek(reader->durable()));
  for (auto line = subject.events.rbegin(); line != subject.events.rend(); ++line) {
    TRY(const Event* event, reader->previous());
    if (event == nullptr) return wrong("fewer events backwards");
    if (whole_line_of(*event) != *line) return wrong("another event backwards");
  }
  EventFilter filter;
  filter.streams = {"carts.1"};
  filter.types = {"Happened"};
  filter.keys = {"cart"};
  reader->set_filter(std::move(filter));
  TRY_DO(reader->seek(reader->first()));
  std::size_t found = 0;
  for (;;) {
    TRY(const Event* event, reader->next());
    if (event == nullptr) break;
    ++found;
  }
  const auto wanted = static_cast<std::size_t>(
      std::count_if(subject.events.begin(), subject.events.end(), [](const std::string& line) {
        return line.find("|carts.1|") != std::string::npos &&
               line.find("|application|") != std::string::npos;
      }));
  return found == wanted ? Status() : wrong("another number of events by the filter");
}

// -- flipping --

// Of zeros that nothing was written to, only each 61st bit, and the first ones.
bool is_worth_it(const std::string& content, std::uint64_t bit) {
  constexpr std::uint64_t near_bytes = 24;
  constexpr std::uint64_t stride = 61;
  const std::uint64_t byte = bit / 8;
  const std::uint64_t begin = byte > near_bytes ? byte - near_bytes : 0;
  return bit % stride == 0 || content.find_first_not_of('\0', begin) <= byte + near_bytes;
}

Status check_flipped(const Subject& subject, FaultyDisk& disk, const std::string& path,
                     bool is_slack) {
  const std::string folder = path.substr(0, path.find('/'));
  TRY(const bool noticed, is_verified_damaged(disk, folder));
  if (!noticed && !is_slack) return wrong("verify says nothing of it");
  TRY_DO(check_reading(subject, disk, folder, path));
  if (path.ends_with(".index")) TRY_DO(check_by_index(subject, disk));
  if (folder == EveryFile::store) TRY_DO(check_opening(subject, disk));
  if (path != EveryFile::backup + "/backup") return {};
  FakeClock clock;
  const auto restored =
      restore_store(disk, clock, folder, "restored", std::nullopt, [](const CopyProgress&) {});
  return restored ? wrong("restored by a damaged record") : Status();
}

struct Sweep {
  std::uint64_t files = 0;
  std::uint64_t bits = 0;
};

// Each `stride`-th bit.
Sweep flip_bits(const Subject& subject, const std::function<bool(const std::string&)>& wanted,
                std::uint64_t stride) {
  FaultyDisk whole = subject.disk;
  const Slack store_slack(whole, EveryFile::store);
  const Slack backup_slack(whole, EveryFile::backup);
  Sweep done;
  for (const auto& [path, content] : subject.disk.files()) {
    if (!wanted(path)) continue;
    const Slack& slack = path.starts_with(EveryFile::backup) ? backup_slack : store_slack;
    ++done.files;
    for (std::uint64_t bit = done.files % stride; bit < content.size() * 8; bit += stride) {
      if (!is_worth_it(content, bit)) continue;
      FaultyDisk disk = subject.disk;
      disk.flip_bit(path, bit);
      ++done.bits;
      const Status checked = check_flipped(subject, disk, path, slack.holds(path, bit / 8));
      if (!checked)
        FAIL(path << " bit " << bit << " (byte " << bit / 8 << "): " << checked.error().what);
    }
  }
  MESSAGE(done.bits << " bits flipped in " << done.files << " files");
  return done;
}

Subject killed() {
  EveryFile made;
  return {made.disk, made.events};
}

// Its writer came and went in good order.
Subject closed() {
  EveryFile made;
  FakeClock clock({1'764'000'100'000'000});
  { REQUIRE(EventStore::open(made.disk, clock, EveryFile::store, EveryFile::options())); }
  return {made.disk, made.events};
}

bool is_in_backup(const std::string& path) { return path.starts_with(EveryFile::backup + "/"); }
bool is_log(const std::string& path) {
  return !is_in_backup(path) && (path.ends_with(".log") || path.ends_with(".adopted"));
}
bool is_index(const std::string& path) { return !is_in_backup(path) && path.ends_with(".index"); }

}  // namespace

TEST_CASE("rot: the store that is damaged has every kind of file, and is whole before") {
  Subject subject = killed();
  const auto files = subject.disk.files();
  for (const char* part :
       {"/manifest",  "/superblock", "/durable",   "/lock",      "/erasures",
        "/origin",    "/home",       "-0.log",     "-1.log",     "-0.adopted",
        "-1.adopted", "-0.index",    "-1.index",   "/spare",     ".staging",
        ".state",     ".base",       ".aggregate", "state/lock", "backup/backup"}) {
    CAPTURE(part);
    CHECK(std::any_of(files.begin(), files.end(), [&](const auto& file) {
      return file.first.find(part) != std::string::npos;
    }));
  }
  for (const std::string& folder : {EveryFile::store, EveryFile::backup}) {
    const auto report = verify_store(subject.disk, folder, [](const VerifyProgress&) {});
    REQUIRE(report);
    for (const std::string& damage : report->damage) FAIL_CHECK(damage);
    for (const std::string& warning : report->warnings) FAIL_CHECK(warning);
    CHECK(check_reading(subject, subject.disk, folder, ""));
  }
  CHECK(check_by_index(subject, subject.disk));
  CHECK(check_opening(subject, subject.disk));
}

TEST_CASE("rot: a flipped bit in any byte of the log is noticed, or lies in slack" *
          doctest::test_suite("crash slow") * doctest::timeout(900)) {
  flip_bits(killed(), is_log, 3);
}

TEST_CASE("rot: any flipped bit of an index is noticed" * doctest::test_suite("crash slow")) {
  flip_bits(killed(), is_index, 1);
}

TEST_CASE("rot: any flipped bit of the other files of a store is noticed, or lies in slack" *
          doctest::test_suite("crash slow")) {
  const auto is_other = [](const std::string& path) {
    return !is_log(path) && !is_index(path) && !is_in_backup(path);
  };
  flip_bits(killed(), is_other, 1);
}

TEST_CASE("rot: any flipped bit of a backup's own files is noticed, or lies in slack" *
          doctest::test_suite("crash slow")) {
  const auto is_its_own = [](const std::string& path) {
    return is_in_backup(path) && path.find("/segments/") == std::string::npos;
  };
  flip_bits(killed(), is_its_own, 1);
  flip_bits(killed(), is_in_backup, 29);
}

TEST_CASE("rot: any flipped bit of what says where a closed store ends is noticed, or in slack" *
          doctest::test_suite("crash slow")) {
  const auto tells_end = [](const std::string& path) {
    return path == EveryFile::store + "/manifest" || path == superblock || path == durable_page;
  };
  flip_bits(closed(), tells_end, 1);
}

TEST_CASE("rot: flipped bits here and there in every kind of file are noticed, or lie in slack") {
  const auto all = [](const std::string&) { return true; };
  CHECK(flip_bits(killed(), all, 211).files > 20);
}

TEST_CASE("rot: a store with any one file missing is refused or read whole") {
  const Subject subject = closed();
  for (const auto& [path, content] : subject.disk.files()) {
    if (is_in_backup(path)) continue;
    CAPTURE(path);
    FaultyDisk disk = subject.disk;
    REQUIRE(disk.remove(path));
    const Status read = check_reading(subject, disk, EveryFile::store, path);
    CHECK_MESSAGE(read, (read ? "" : read.error().what));
    const Status opened = check_opening(subject, disk);
    CHECK_MESSAGE(opened, (opened ? "" : opened.error().what));
  }
}

}  // namespace tidelog::testing
