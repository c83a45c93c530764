// Every single bit of a small store flipped: it is noticed, or it makes no difference.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "eventstore/verify.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {
namespace {

const std::string directory = "/store";
const std::string durable_page = directory + "/durable";
constexpr std::size_t operation_count = 9;

StoreOptions rot_options() {
  StoreOptions options = script_options();
  options.segment_bytes = 1024;
  return options;
}

// Several segments, an adopted staging file. `closed`: in good order, otherwise killed.
FaultyDisk small_store(const StoreScript& script, bool closed) {
  FaultyDisk disk;
  FakeClock clock;
  auto store = *EventStore::open(disk, clock, directory, rot_options());
  for (std::size_t i = 0; i < script.size(); ++i) REQUIRE(script.run(*store, clock, i));
  FaultyDisk killed = disk.after_kill();
  store.reset();
  return closed ? disk.after_kill() : killed;
}

std::string what(const Status& status) { return status ? "" : status.error().what; }

bool is_noticed(const Error& error) {
  return error.code == Code::corrupt || error.code == Code::unsupported;
}

// What a reader without a writer gets: all events, or an error. With its durable page damaged it
// may stop at an older bound.
Status check_reading(const StoreScript& script, FaultyDisk& disk, const std::string& path) {
  const auto& expected = script.after(script.size()).events;
  const Scan seen = scan(disk, directory);
  if (!seen.status) {
    if (is_noticed(seen.status.error())) return {};
    return fail_in("a reader's error is of another kind", seen.status.error());
  }
  for (std::size_t i = 0; i < seen.events.size(); ++i) {
    if (i >= expected.size() || seen.events[i] != expected[i]) {
      return fail(Code::failed, fmt::format("a reader gets at position {}: {}", i, seen.events[i]));
    }
  }
  if (seen.events.size() < expected.size() && path != durable_page) {
    return fail(Code::failed,
                fmt::format("a reader gets {} events of {}", seen.events.size(), expected.size()));
  }
  return {};
}

// Whatever a reader stumbles over, `store verify` finds.
Status check_verifying(FaultyDisk& disk) {
  const auto report = verify_store(disk, directory, [](const VerifyProgress&) {});
  if (!report) return is_noticed(report.error()) ? Status() : fail_in("verifying", report.error());
  if (!report->damage.empty()) return {};
  const Scan seen = scan(disk, directory);
  return seen.status ? Status() : fail_in("verified without a finding, but", seen.status.error());
}

// What the writer makes of it: it refuses, or has all of it; and after that its readers get all
// events or an error.
Status check_opening(const StoreScript& script, FaultyDisk& disk) {
  FakeClock clock;
  const auto store = EventStore::open(disk, clock, directory, rot_options());
  if (!store) {
    if (is_noticed(store.error())) return {};
    return fail_in("the error of opening is of another kind", store.error());
  }
  const auto content = content_of(disk, **store, directory);
  if (!content) {
    if (is_noticed(content.error())) return {};
    return fail_in("the error of reading is of another kind", content.error());
  }
  if (!(*content == script.after(script.size()))) {
    return fail(Code::failed, fmt::format("{} events of {} after opening", content->events.size(),
                                          script.after(script.size()).events.size()));
  }
  return {};
}

// Of zeros that nothing was written to, only each 61st bit, and the first ones.
bool is_worth_it(const std::string& content, std::uint64_t bit) {
  constexpr std::uint64_t near_bytes = 24;
  constexpr std::uint64_t stride = 61;
  const std::uint64_t byte = bit / 8;
  const std::uint64_t begin = byte > near_bytes ? byte - near_bytes : 0;
  return bit % stride == 0 || content.find_first_not_of('\0', begin) <= byte + near_bytes;
}

void flip_every_bit(bool closed) {
  const StoreScript script(operation_count);
  const FaultyDisk good = small_store(script, closed);
  std::uint64_t count = 0;
  for (const auto& [path, content] : good.files()) {
    for (std::uint64_t bit = 0; bit < content.size() * 8; ++bit) {
      if (!is_worth_it(content, bit)) continue;
      FaultyDisk disk = good;
      disk.flip_bit(path, bit);
      ++count;
      Status checked = check_reading(script, disk, path);
      if (checked) checked = check_verifying(disk);
      if (checked) checked = check_opening(script, disk);
      if (!checked)
        FAIL(path << " bit " << bit << " (byte " << bit / 8 << "): " << checked.error().what);
    }
  }
  MESSAGE(count << " bits flipped in " << good.files().size() << " files");
}

}  // namespace

TEST_CASE("rot: any flipped bit of a store that was closed is noticed or makes no difference" *
          doctest::test_suite("crash slow")) {
  flip_every_bit(true);
}

TEST_CASE(
    "rot: any flipped bit of a store whose writer was killed is noticed or makes no difference" *
    doctest::test_suite("crash slow")) {
  flip_every_bit(false);
}

TEST_CASE("rot: a store with any one file missing is refused or read whole") {
  const StoreScript script(operation_count);
  const FaultyDisk good = small_store(script, true);
  for (const auto& [path, content] : good.files()) {
    CAPTURE(path);
    FaultyDisk disk = good;
    REQUIRE(disk.remove(path));
    const Status read = check_reading(script, disk, path);
    if (path == directory + "/manifest") {
      CHECK_FALSE(read);  // for a reader there is no store
    } else {
      CHECK_MESSAGE(read, what(read));
    }
    const Status opened = check_opening(script, disk);
    CHECK_MESSAGE(opened, what(opened));
  }
}

}  // namespace tidelog::testing
