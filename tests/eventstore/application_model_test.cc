// Applications' appends against a plain model: over random calls and restarts, and over crashes at
// every disk call.
#include <fmt/format.h>

#include "tests/eventstore/application_fixture.h"
#include "tests/eventstore/application_model.h"
#include "tests/support/crash_states.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr std::uint64_t segment_bytes = 16 * 1024;

struct Script {
  std::vector<AppendRequest> requests;
  std::vector<AppendOutcome> outcomes;
  std::vector<std::vector<std::string>> lines;  // after each request; first, after none
};

Script make_script(std::uint64_t seed, std::size_t count) {
  Script script;
  ApplicationModel model;
  RandomRequests random(seed);
  script.lines.push_back(model.lines());
  for (std::size_t i = 0; i < count; ++i) {
    script.requests.push_back(random.next(model));
    script.outcomes.push_back(model.append(script.requests.back()));
    script.lines.push_back(model.lines());
  }
  return script;
}

// How many requests were answered until the disk crashed. Their answers are the model's.
std::size_t run(const Script& script, FaultyDisk& disk, FakeClock& clock) {
  const auto store = EventStore::open(disk, clock, "store", small_store(segment_bytes));
  if (!store) return 0;
  for (std::size_t i = 0; i < script.requests.size(); ++i) {
    const auto outcome = (*store)->append(script.requests[i]);
    if (!outcome) return i;
    REQUIRE(text_of(*outcome) == text_of(script.outcomes[i]));
  }
  return script.requests.size();
}

// Everything that was answered is there; the request that was cut off is there whole or not at all,
// and given again it is there once.
void check_after_crash(const Script& script, FaultyDisk disk, std::size_t answered) {
  FakeClock clock;
  const auto store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
  const auto lines = application_events(*store);
  const std::size_t next = std::min(answered + 1, script.requests.size());
  REQUIRE((lines == script.lines[answered] || lines == script.lines[next]));
  if (answered == script.requests.size()) return;
  const AppendOutcome& expected = script.outcomes[answered];
  const auto retried = must(store->append(script.requests[answered]));
  if (const auto* appended = std::get_if<AppendedEvents>(&expected)) {
    const auto* again = std::get_if<AppendedEvents>(&retried);
    REQUIRE(again != nullptr);
    CHECK(again->first == appended->first);
    CHECK(again->next == appended->next);
    CHECK(again->repeated == (appended->repeated || lines != script.lines[answered]));
  } else {
    CHECK(text_of(retried) == text_of(expected));
  }
  CHECK(application_events(*store) == script.lines[next]);
}

// The store that a script runs on, opened anew where it must be.
struct Retrying {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;

  // Given again after each error.
  AppendOutcome append(const AppendRequest& request) {
    for (int tries = 0;; ++tries) {
      REQUIRE(tries < 5);
      if (store == nullptr) {
        auto opened = EventStore::open(disk, clock, "store", small_store(segment_bytes));
        if (!opened) {
          restart();
          continue;
        }
        store = *std::move(opened);
      }
      auto outcome = store->append(request);
      if (outcome) return *std::move(outcome);
      if (outcome.error().code != Code::disk_full) restart();
    }
  }
  void restart() {
    store.reset();
    disk = disk.after_kill();
  }
};

// A retry may find that its first try was stored after all.
bool is_answer(const AppendOutcome& outcome, const AppendOutcome& expected) {
  const auto* appended = std::get_if<AppendedEvents>(&outcome);
  const auto* first = std::get_if<AppendedEvents>(&expected);
  if (appended == nullptr || first == nullptr) return text_of(outcome) == text_of(expected);
  return appended->first == first->first && appended->next == first->next;
}

}  // namespace

TEST_CASE(
    "model: over random appends, restarts and power losses the store answers as a plain model") {
  const std::uint64_t seed = test_seed();
  ApplicationModel model;
  RandomRequests random(seed);
  FaultyDisk disk;
  FakeClock clock;
  auto store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
  std::vector<AppendRequest> earlier;
  for (int i = 0; i < 1500; ++i) {
    CAPTURE(i);
    if (random.below(50) == 0) {
      store.reset();
      disk = disk.after_power_loss(Survives::some, random.below(1000));
      store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
    }
    // Many are retries of an earlier one.
    const bool is_retry = !earlier.empty() && random.below(3) == 0;
    const AppendRequest request =
        is_retry ? earlier[random.below(earlier.size())] : random.next(model);
    earlier.push_back(request);
    const AppendOutcome expected = model.append(request);
    const AppendOutcome outcome = must(store->append(request));
    REQUIRE(text_of(outcome) == text_of(expected));
    if (i % 100 == 0) REQUIRE(application_events(*store) == model.lines());
  }
  CHECK(application_events(*store) == model.lines());
}

TEST_CASE("crash: applications' appends that were answered are there, and a retry is one event" *
          doctest::test_suite("crash")) {
  const Script script = make_script(test_seed(11), 40);
  FaultyDisk whole;
  FakeClock clock;
  REQUIRE(run(script, whole, clock) == script.requests.size());
  const auto calls = whole.calls();
  std::uint64_t states = 0;
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    if (!changes_disk(calls[call])) continue;
    CAPTURE(call);
    FaultyDisk disk;
    disk.crash_at(call, 100);
    const std::size_t answered = run(script, disk, clock);
    check_after_crash(script, disk.after_kill(), answered);
    check_after_crash(script, disk.after_power_loss(Survives::nothing, 0), answered);
    check_after_crash(script, disk.after_power_loss(Survives::all, 0), answered);
    check_after_crash(script, disk.after_power_loss(Survives::torn_last, call), answered);
    check_after_crash(script, disk.after_power_loss(Survives::some, call), answered);
    states += 5;
  }
  report_crash_states("applications' appends", states);
}

TEST_CASE("fault: an append that failed at any disk call and is given again is stored once" *
          doctest::test_suite("crash")) {
  const Script script = make_script(test_seed(12), 30);
  FaultyDisk whole;
  FakeClock clock;
  REQUIRE(run(script, whole, clock) == script.requests.size());
  const auto calls = whole.calls();
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    if (!changes_disk(calls[call])) continue;
    for (const Code code : {Code::disk_full, Code::failed}) {
      CAPTURE(call);
      CAPTURE(static_cast<int>(code));
      Retrying retrying;
      retrying.disk.fail_at(call, FaultyDisk::Repeat::once, code, 100);
      for (std::size_t i = 0; i < script.requests.size(); ++i) {
        const AppendOutcome outcome = retrying.append(script.requests[i]);
        REQUIRE_MESSAGE(is_answer(outcome, script.outcomes[i]), text_of(outcome));
      }
      retrying.disk.mend();
      CHECK(application_events(*retrying.store) == script.lines.back());
    }
  }
}

}  // namespace tidelog::testing
