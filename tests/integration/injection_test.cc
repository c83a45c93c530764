// The program itself while system calls fail under it, kill it, or do half of what they should: the
// n-th one, once or for ever. What was acknowledged on standard output is in the store, the message
// tells what failed, and the next run goes on.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "eventstore/store_reader.h"
#include "tests/integration/injection.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"
#include "tests/support/tidelog_process.h"

namespace tidelog::testing {
namespace {

constexpr Duration deadline(60'000);
constexpr std::size_t lines_before = 12;
constexpr std::size_t lines_after = 36;
constexpr std::size_t data_bytes = 60'000;  // a segment of 1 MiB holds some 17

std::string some_letters(std::uint64_t seed, std::size_t count) {
  std::string text;
  while (text.size() < count) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    text.push_back(static_cast<char>('a' + (seed >> 40) % 26));
  }
  return text;
}

// Lines for `tidelog append`, each with an id of its own.
std::string data_of(std::size_t line) {
  return fmt::format(R"({{"line":{},"text":"{}"}})", line, some_letters(line, data_bytes));
}

struct Ended {
  Exit exit;
  std::string output, errors;
  bool was_hit = false;
};

// A store of two segments and a file of further lines.
class InjectedStore {
 public:
  InjectedStore() : folder_(scratch_folder("injection")) {
    std::ofstream(config()) << "store:\n  path: ./store\n  segment_size: 1 MiB\n"
                               "  retention: [{ streams: 'orders', compact: true }]\n";
    write_lines("before.jsonl", 0, lines_before);
    write_lines("after.jsonl", lines_before, lines_before + lines_after);
    REQUIRE(tidelog({"append", "orders", path("before.jsonl"), "--each", "--create"}).code == 0);
    save();
  }
  ~InjectedStore() { std::filesystem::remove_all(folder_); }
  InjectedStore(const InjectedStore&) = delete;
  InjectedStore& operator=(const InjectedStore&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string config() const { return path("shop.yaml"); }

  void save() {
    for (const char* name : {"store", "backup"}) copy(name, std::string("saved ") + name);
  }
  // As it was saved.
  void reset() {
    for (const char* name : {"store", "backup"}) copy(std::string("saved ") + name, name);
    // Refused when the file system gave the copy the numbers of the old one: then it is that one.
    static_cast<void>(tidelog({"store", "adopt"}));
  }

  Finished tidelog(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-c", config()});
    return run_tidelog(arguments);
  }

  Ended tidelog_with(Injection injection, std::vector<std::string> arguments) const {
    if (!injection.path.empty()) injection.path = path(injection.path);
    arguments.insert(arguments.begin(), tidelog_program());
    arguments.insert(arguments.end(), {"-c", config()});
    const auto log = folder_ / "strace.log";
    ChildProcess process(with_injection(injection, log, arguments), folder_ / "out",
                         folder_ / "err");
    const auto exit = process.wait(deadline);
    REQUIRE_MESSAGE(exit, process.errors());
    REQUIRE(eventually(deadline, [&] { return is_log_whole(log, process.pid()); }));
    return {*exit, process.output(), process.errors(), was_hit(log)};
  }

  // Every `interval`-th write writes only a part.
  Ended tidelog_with_short_writes(int interval, std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-c", config()});
    const auto count = folder_ / "short writes";
    TidelogProcess process(
        folder_, "short", arguments,
        {"LD_PRELOAD=" + (build_folder() / "tests/support/libtidelog_short_writes.so").string(),
         fmt::format("SHORT_WRITES={}", interval), "SHORT_WRITES_FILE=" + count.string()});
    const auto exit = process.wait(deadline);
    REQUIRE_MESSAGE(exit, process.errors());
    const std::string counted = content_of(count);
    return {*exit, process.output(), process.errors(), !counted.empty() && counted != "0\n"};
  }

  // The data of each event of the stream, and the positions.
  std::vector<std::pair<std::uint64_t, std::string>> events() const {
    const auto disk = real_disk();
    const auto reader = StoreReader::open(*disk, path("store"));
    REQUIRE_MESSAGE(reader, reader.error().what);
    std::vector<std::pair<std::uint64_t, std::string>> all;
    for (;;) {
      const auto event = (*reader)->next();
      REQUIRE_MESSAGE(event, event.error().what);
      if (*event == nullptr) return all;
      all.emplace_back((*event)->position.value, (*event)->body.value_or(""));
    }
  }

 private:
  void write_lines(const std::string& name, std::size_t begin, std::size_t end) const {
    std::ofstream out(path(name));
    for (std::size_t line = begin; line < end; ++line) {
      out << fmt::format(R"({{"type":"Placed","id":"00000000-0000-4000-8000-{:012}","key":"k{}",)"
                         R"("data":{}}})",
                         line, line % 5, data_of(line))
          << "\n";
    }
  }
  void copy(const std::string& from, const std::string& to) const {
    std::filesystem::remove_all(folder_ / to);
    if (std::filesystem::exists(folder_ / from))
      std::filesystem::copy(folder_ / from, folder_ / to, std::filesystem::copy_options::recursive);
  }

  std::filesystem::path folder_;
};

// What the lines of --json say.
std::vector<std::uint64_t> positions_in(const std::string& output) {
  constexpr std::string_view name = "\"position\":";
  std::vector<std::uint64_t> positions;
  for (std::size_t at = output.find(name); at != std::string::npos; at = output.find(name, at)) {
    at += name.size();
    std::uint64_t position = 0;
    std::from_chars(output.data() + at, output.data() + output.size(), position);
    positions.push_back(position);
  }
  return positions;
}

// The exit code and the message of a run whose call failed.
void check_ending(const Injection& injection, const Ended& ended) {
  if (injection.kills()) {
    if (ended.was_hit) CHECK(ended.exit.signal == SIGKILL);
    return;
  }
  // What only spares work may fail: the next spare segment, a superblock.
  if (ended.exit == Exit{0, 0}) return;
  CHECK(ended.exit == Exit{1, 0});
  CHECK_MESSAGE(ended.was_hit, ended.errors);
  const bool is_full = injection.what.ends_with("ENOSPC");
  const char* const says = is_full ? "No space left on device" : "Input/output error";
  CHECK_MESSAGE(ended.errors.find(says) != std::string::npos, ended.errors);
}

const std::vector<std::string> append_rest = {"append", "orders", "--each", "--json"};

void check_append(InjectedStore& store, const Injection& injection, const Ended& ended) {
  check_ending(injection, ended);
  const auto acknowledged = positions_in(ended.output);
  if (ended.exit == Exit{0, 0}) CHECK(acknowledged.size() == lines_after);
  const auto events = store.events();
  REQUIRE(events.size() >= lines_before + acknowledged.size());
  for (std::size_t i = 0; i < acknowledged.size(); ++i) {
    REQUIRE(acknowledged[i] == lines_before + i);
    const bool is_its_line = events[lines_before + i].second == data_of(lines_before + i);
    REQUIRE(is_its_line);
  }
  const Finished verified = store.tidelog({"store", "verify"});
  CHECK_MESSAGE(verified.code == 0, verified.output, verified.errors);

  auto again = append_rest;
  again.push_back(store.path("after.jsonl"));
  const Finished rest = store.tidelog(again);
  REQUIRE_MESSAGE(rest.code == 0, rest.errors);
  // Each once: lines behind the one that failed may have been stored before it.
  std::set<std::string> all;
  for (const auto& [position, data] : store.events()) all.insert(data);
  REQUIRE(store.events().size() == lines_before + lines_after);
  for (std::size_t i = 0; i < lines_before + lines_after; ++i) {
    const bool is_there = all.contains(data_of(i));
    REQUIRE(is_there);
  }
}

// Each number until the call is not made so often.
template <class Check>
void sweep(InjectedStore& store, Injection injection, const std::vector<int>& numbers,
           const std::vector<std::string>& arguments, Check check) {
  int hits = 0;
  for (const int number : numbers) {
    injection.number = number;
    CAPTURE(injection.text());
    store.reset();
    const Ended ended = store.tidelog_with(injection, arguments);
    if (!ended.was_hit) break;
    ++hits;
    check(ended, injection);
  }
  CHECK_MESSAGE(hits > 0, injection.text());
}

// As `sweep`, with writes that are short instead.
template <class Check>
void sweep_short_writes(InjectedStore& store, const std::vector<std::string>& arguments,
                        Check check) {
  for (const int interval : {1, 2, 5}) {
    CAPTURE(interval);
    store.reset();
    const Ended ended = store.tidelog_with_short_writes(interval, arguments);
    CHECK(ended.was_hit);
    REQUIRE_MESSAGE(ended.exit == Exit(), ended.errors);
    check(ended, Injection{"pwrite64", "short", interval});
  }
}

void sweep_append(const Injection& injection, const std::vector<int>& numbers) {
  InjectedStore store;
  auto arguments = append_rest;
  arguments.push_back(store.path("after.jsonl"));
  sweep(store, injection, numbers, arguments,
        [&](const Ended& ended, const Injection& which) { check_append(store, which, ended); });
}

// What a signal interrupted is called again, and nobody notices.
void sweep_interrupted_append(const std::string& call, const std::string& file) {
  InjectedStore store;
  auto arguments = append_rest;
  arguments.push_back(store.path("after.jsonl"));
  sweep(store, {call, "error=EINTR", 1, false, file}, {1, 2, 5}, arguments,
        [&](const Ended& ended, const Injection& which) {
          REQUIRE_MESSAGE(ended.exit == Exit(), ended.errors);
          check_append(store, which, ended);
        });
}

}  // namespace

TEST_CASE("injection: append while a sync fails, once and for ever") {
  if (!can_inject()) return;
  sweep_append({"fdatasync", "error=EIO"}, {1, 2, 3, 4, 6, 9, 13});
  sweep_append({"fdatasync", "error=EIO", 1, true}, {1, 3, 7});
  sweep_append({"fdatasync", "error=ENOSPC"}, {1, 4, 7});
  sweep_append({"fsync", "error=EIO"}, {1, 2, 3, 5});
}

TEST_CASE("injection: append while a write fails, once and for ever") {
  if (!can_inject()) return;
  sweep_append({"pwrite64", "error=EIO"}, {1, 2, 3, 5, 8, 13});
  sweep_append({"pwrite64", "error=EIO", 1, true}, {1, 4, 9});
  sweep_append({"pwrite64", "error=ENOSPC"}, {1, 2, 3, 5, 8, 13});
  sweep_append({"pwrite64", "error=ENOSPC", 1, true}, {1, 4, 9});
}

TEST_CASE("injection: append while writes are short, or interrupted") {
  InjectedStore store;
  auto arguments = append_rest;
  arguments.push_back(store.path("after.jsonl"));
  sweep_short_writes(store, arguments, [&](const Ended& ended, const Injection& which) {
    check_append(store, which, ended);
  });
  if (!can_inject()) return;
  // Of others than these the dynamic linker makes some, too, and gives up.
  for (const char* call : {"pwrite64", "ftruncate"}) sweep_interrupted_append(call, "");
  for (const char* call : {"pread64", "openat"})
    sweep_interrupted_append(call, "store/segments/00000001-0.log");
}

TEST_CASE("injection: append while names cannot be changed, or files cut or opened") {
  if (!can_inject()) return;
  sweep_append({"rename", "error=EIO"}, {1, 2, 3});
  sweep_append({"rename", "error=ENOSPC"}, {1, 2, 3});
  sweep_append({"ftruncate", "error=EIO"}, {1, 2});
  for (const char* file : {"store/manifest", "store/superblock", "store/segments/00000001-0.log"})
    sweep_append({"openat", "error=EIO", 1, false, file}, {1, 2, 3});
}

TEST_CASE("injection: append killed at a system call") {
  if (!can_inject()) return;
  sweep_append({"fdatasync", "signal=KILL"}, {1, 2, 3, 5, 8});
  sweep_append({"pwrite64", "signal=KILL"}, {1, 2, 3, 5, 8, 13});
  sweep_append({"rename", "signal=KILL"}, {1, 2, 3});
}

TEST_CASE("injection: a backup whose calls fail leaves the one before it, and the next is whole") {
  if (!can_inject()) return;
  InjectedStore store;
  const std::vector<std::string> back_up = {"store", "backup", "--to", store.path("backup")};
  REQUIRE(store.tidelog(back_up).code == 0);
  auto rest = append_rest;
  rest.push_back(store.path("after.jsonl"));
  REQUIRE(store.tidelog(rest).code == 0);
  store.save();
  const auto restored_events = [&] {
    std::filesystem::remove_all(store.path("restored"));
    const Finished restored = run_tidelog({"store", "restore", "--from", store.path("backup"),
                                           "--to", store.path("restored"), "--json"});
    REQUIRE_MESSAGE(restored.code == 0, restored.errors);
    return positions_in(restored.output).front();
  };
  const auto check = [&](const Ended& ended, const Injection& injection) {
    check_ending(injection, ended);
    const std::uint64_t events = restored_events();
    CHECK((events == lines_before || events == lines_before + lines_after));
    if (ended.exit == Exit{0, 0}) CHECK(events == lines_before + lines_after);
    REQUIRE(store.tidelog(back_up).code == 0);
    CHECK(restored_events() == lines_before + lines_after);
  };
  for (const char* what : {"error=EIO", "error=ENOSPC", "signal=KILL"}) {
    sweep(store, {"pwrite64", what}, {1, 2, 4, 7}, back_up, check);
    sweep(store, {"fdatasync", what}, {1, 2, 4}, back_up, check);
    sweep(store, {"rename", what}, {1, 2, 3, 4}, back_up, check);
  }
  sweep_short_writes(store, back_up, check);
}

TEST_CASE("injection: compaction whose calls fail loses no newest event, and the next is whole") {
  if (!can_inject()) return;
  InjectedStore store;
  auto rest = append_rest;
  rest.push_back(store.path("after.jsonl"));
  REQUIRE(store.tidelog(rest).code == 0);
  store.save();
  const std::vector<std::string> compact = {"store", "compact"};
  const std::size_t all = lines_before + lines_after;
  const auto check_events = [&] {
    const auto events = store.events();
    REQUIRE(events.size() >= 5);
    for (const auto& [position, data] : events) {
      const bool is_its_line = data == data_of(position);
      REQUIRE(is_its_line);
    }
    for (std::size_t i = 0; i < 5; ++i) CHECK(events[events.size() - 5 + i].first == all - 5 + i);
    const Finished verified = store.tidelog({"store", "verify"});
    CHECK_MESSAGE(verified.code == 0, verified.output, verified.errors);
    return events.size();
  };
  const auto check = [&](const Ended& ended, const Injection& injection) {
    check_ending(injection, ended);
    check_events();
    const Finished again = store.tidelog(compact);
    REQUIRE_MESSAGE(again.code == 0, again.errors);
    CHECK(check_events() == 5);
  };
  for (const char* what : {"error=EIO", "error=ENOSPC", "signal=KILL"}) {
    sweep(store, {"pwrite64", what}, {1, 2, 4, 7}, compact, check);
    sweep(store, {"fdatasync", what}, {1, 2, 4}, compact, check);
    sweep(store, {"rename", what}, {1, 2, 3}, compact, check);
  }
  sweep_short_writes(store, compact, check);
}

}  // namespace tidelog::testing
