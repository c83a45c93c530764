// A crash after every single disk call, with everything that a disk may keep of what was not
// synced.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "eventstore/store_reader.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/crash_states.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

const std::string directory = "/store";
constexpr std::size_t operation_count = 50;
constexpr std::size_t operations_after_recovery = 3;

// One run of the script, up to its end or a crash.
struct Run {
  std::size_t acknowledged = 0;  // operations that returned success
  std::size_t issued = 0;        // and the one that did not return any more
};

Run run_script(const StoreScript& script, FaultyDisk& disk, std::size_t count) {
  FakeClock clock;
  Run run;
  const auto store = EventStore::open(disk, clock, directory, script_options());
  if (!store) return run;
  while (run.issued < count) {
    const Status done = script.run(**store, clock, run.issued++);
    if (!done) break;
    ++run.acknowledged;
  }
  return run;
}

// Ways in which a disk may be found after a crash.
struct Survival {
  Survives mode = Survives::nothing;
  std::uint64_t number = 0;
};

std::vector<Survival> survivals(const FaultyDisk& disk, std::uint64_t seed_count,
                                std::uint64_t base) {
  std::vector<Survival> all = {{Survives::nothing, 0}, {Survives::all, 0}};
  for (std::uint64_t sectors = 0; sectors < 4; ++sectors)
    all.push_back({Survives::torn_last, sectors});
  for (std::uint64_t k = 0; k < disk.unsynced_count(); ++k)
    all.push_back({Survives::all_but_one, k});
  for (std::uint64_t i = 0; i < seed_count; ++i) all.push_back({Survives::some, base * 1000 + i});
  return all;
}

// What readers beside the writer had seen, at most, when the disk was left in this state.
Result<std::size_t> visible_in(const StoreScript& script, FaultyDisk disk, std::size_t most) {
  const Scan seen = scan(disk, directory);
  if (!seen.status) {
    // Before the first store exists there is nothing to open.
    if (most == 0 && seen.status.error().code == Code::not_found) return std::size_t{0};
    return fail_in("a reader beside the writer", seen.status.error());
  }
  const auto& expected = script.after(most).events;
  if (seen.events.size() > expected.size() ||
      !std::equal(seen.events.begin(), seen.events.end(), expected.begin())) {
    return fail(Code::failed,
                fmt::format("a reader sees {} events that are no prefix of what was acknowledged",
                            seen.events.size()));
  }
  return seen.events.size();
}

Status check_equal(const StoreContent& met, const StoreContent& expected) {
  const std::size_t count = std::min(met.events.size(), expected.events.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (met.events[i] == expected.events[i]) continue;
    return fail(Code::failed, fmt::format("position {} is {}, expected {}", i, met.events[i],
                                          expected.events[i]));
  }
  if (met.events.size() != expected.events.size()) {
    return fail(Code::failed,
                fmt::format("{} events, expected {}", met.events.size(), expected.events.size()));
  }
  if (met.positions != expected.positions)
    return fail(Code::failed, "the sources' positions differ");
  return {};
}

// The store opens, holds a prefix of the script that has all that was acknowledged, goes on, and
// holds that, too.
Status check_recovers(const StoreScript& script, FaultyDisk& disk, const Run& run,
                      std::size_t visible) {
  FakeClock clock;
  std::size_t count = 0;
  {
    auto opened = EventStore::open(disk, clock, directory, script_options());
    if (!opened) return fail_in("recovery", opened.error());
    EventStore& store = **opened;
    auto content = content_of(disk, store, directory);
    if (!content) return fail_in("after recovery", content.error());
    const auto found = script.operations_in(*content, run.acknowledged, run.issued);
    if (!found) {
      return fail(
          Code::failed,
          fmt::format(
              "{} events and {} positions after recovery: not what {} to {} operations make",
              content->events.size(), content->positions.size(), run.acknowledged, run.issued));
    }
    if (content->events.size() < visible) {
      return fail(Code::failed, fmt::format("a reader saw {} events, {} are left", visible,
                                            content->events.size()));
    }
    if (store.durable().value != content->events.size())
      return fail(Code::failed, "the durable end is not the events' end");
    const std::size_t end = std::min(*found + operations_after_recovery, script.size());
    for (count = *found; count < end; ++count) {
      const Status done = script.run(store, clock, count);
      if (!done) return fail_in(fmt::format("operation {} after recovery", count), done.error());
    }
  }
  FaultyDisk later = disk.after_power_loss(Survives::nothing, 0);
  auto opened = EventStore::open(later, clock, directory, script_options());
  if (!opened) return fail_in("second recovery", opened.error());
  auto content = content_of(later, **opened, directory);
  if (!content) return fail_in("after the second recovery", content.error());
  return check_equal(*content, script.after(count));
}

std::vector<std::uint64_t> changing_calls(const FaultyDisk& disk) {
  std::vector<std::uint64_t> numbers;
  const std::vector<DiskCall> calls = disk.calls();
  for (std::uint64_t i = 0; i < calls.size(); ++i) {
    if (changes_disk(calls[i])) numbers.push_back(i);
  }
  numbers.push_back(calls.size());  // after the last one
  return numbers;
}

// Each call of a whole run that changes something: a crash before any other call leaves nothing
// new.
std::vector<std::uint64_t> changing_calls_of_script(const StoreScript& script) {
  FaultyDisk disk;
  const Run run = run_script(script, disk, script.size());
  REQUIRE(run.acknowledged == script.size());
  return changing_calls(disk);
}

struct Sweep {
  std::uint64_t states = 0;

  void check(const StoreScript& script, FaultyDisk left, const Run& run, std::size_t visible,
             const std::string& how) {
    ++states;
    const Status recovered = check_recovers(script, left, run, visible);
    if (!recovered) FAIL(how << ": " << recovered.error().what);
  }
};

// Crashes in recovery itself, before each call that changes something.
void crash_recovery(const StoreScript& script, const FaultyDisk& crashed, const Run& run,
                    std::size_t visible, const std::string& how, Sweep& sweep) {
  FakeClock clock;
  FaultyDisk dry = crashed;
  REQUIRE(EventStore::open(dry, clock, directory, script_options()));
  for (const std::uint64_t call : changing_calls(dry)) {
    FaultyDisk again = crashed;
    again.crash_at(call);
    static_cast<void>(EventStore::open(again, clock, directory, script_options()));
    for (const Survival s : {Survival{Survives::nothing, 0},
                             {Survives::all, 0},
                             {Survives::some, call},
                             {Survives::some, call + 77}}) {
      sweep.check(script, again.after_power_loss(s.mode, s.number), run, visible,
                  fmt::format("{}, crash of recovery at call {}, {} {} survives", how, call,
                              name_of(s.mode), s.number));
    }
    sweep.check(script, again.after_kill(), run, visible,
                fmt::format("{}, recovery killed at call {}", how, call));
  }
}

void sweep_power_losses(std::uint64_t seed_count, std::uint64_t base, bool with_recovery,
                        Sweep& sweep) {
  const StoreScript script(operation_count);
  std::uint64_t turn = 0;
  for (const std::uint64_t call : changing_calls_of_script(script)) {
    FaultyDisk disk;
    disk.crash_at(call);
    const Run run = run_script(script, disk, script.size());
    const auto visible = visible_in(script, disk.after_kill(), run.acknowledged);
    if (!visible) FAIL("crash at call " << call << ": " << visible.error().what);
    const std::vector<Survival> ways = survivals(disk, seed_count, base + call);
    for (const Survival s : ways) {
      const std::string how =
          fmt::format("crash at call {}, {} {} survives", call, name_of(s.mode), s.number);
      FaultyDisk left = disk.after_power_loss(s.mode, s.number);
      const auto still_visible = visible_in(script, left, run.issued);
      if (!still_visible && still_visible.error().code != Code::not_found) {
        FAIL(how << ": " << still_visible.error().what);
      }
      sweep.check(script, std::move(left), run, *visible, how);
    }
    if (!with_recovery) continue;
    const Survival s = ways[++turn * 7 % ways.size()];
    crash_recovery(script, disk.after_power_loss(s.mode, s.number), run, *visible,
                   fmt::format("crash at call {}, {} {} survives", call, name_of(s.mode), s.number),
                   sweep);
  }
}

}  // namespace

TEST_CASE(
    "crash: a power loss at any disk call keeps every acknowledged operation and no half one" *
    doctest::test_suite("crash")) {
  const std::uint64_t seed = test_seed(1);
  Sweep sweep;
  sweep_power_losses(4, seed, false, sweep);
  report_crash_states("power losses at any disk call", sweep.states);
}

TEST_CASE("crash: many kinds of power loss at any disk call, and at any call of the recovery" *
          doctest::test_suite("crash slow")) {
  const std::uint64_t seed = test_seed(5000);
  Sweep sweep;
  sweep_power_losses(10, seed, true, sweep);
  report_crash_states("power losses at any disk call, and of the recovery", sweep.states);
  CHECK(sweep.states >= 20000);
}

TEST_CASE(
    "crash: a kill at any disk call, and within any write, keeps every acknowledged operation" *
    doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  Sweep sweep;
  for (const std::uint64_t call : changing_calls_of_script(script)) {
    for (const std::size_t written_bytes : {0, 1, 100, 512, 1000}) {
      FaultyDisk disk;
      disk.crash_at(call, written_bytes);
      const Run run = run_script(script, disk, script.size());
      const auto visible = visible_in(script, disk.after_kill(), run.acknowledged);
      if (!visible) FAIL("kill at call " << call << ": " << visible.error().what);
      const std::string how = fmt::format("kill at call {} after {} bytes", call, written_bytes);
      sweep.check(script, disk.after_kill(), run, *visible, how);
      // What recovery found in the page cache and served must outlive the power, too.
      FakeClock clock;
      FaultyDisk recovered = disk.after_kill();
      REQUIRE(EventStore::open(recovered, clock, directory, script_options()));
      const auto served = visible_in(script, recovered, run.issued);
      if (!served) FAIL(how << ": " << served.error().what);
      sweep.check(script, recovered.after_power_loss(Survives::nothing, 0), run, *served,
                  how + ", recovered, power loss");
    }
  }
  report_crash_states("kills at any disk call", sweep.states);
}

}  // namespace tidelog::testing
