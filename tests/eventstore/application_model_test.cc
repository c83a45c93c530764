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

using Request = std::variant<AppendRequest, StreamRequest>;
using Outcome = std::variant<AppendOutcome, StreamOutcome>;

std::string text_of(const Outcome& outcome) {
  return std::visit([](const auto& either) { return testing::text_of(either); }, outcome);
}

Outcome answer_of(ApplicationModel& model, const Request& request) {
  if (const auto* append = std::get_if<AppendRequest>(&request)) return model.append(*append);
  return model.change(std::get<StreamRequest>(request));
}

Result<Outcome> answer_of(EventStore& store, const Request& request) {
  if (const auto* append = std::get_if<AppendRequest>(&request)) {
    TRY(auto outcome, store.append(*append));
    return Outcome(std::move(outcome));
  }
  const auto& change = std::get<StreamRequest>(request);
  Result<StreamOutcome> outcome = fail(Code::failed, "not asked");
  switch (change.kind) {
    case StreamRequest::Kind::truncate:
      outcome = store.truncate_stream(change.stream, change.before, change.expected);
      break;
    case StreamRequest::Kind::remove:
      outcome = store.delete_stream(change.stream, change.expected);
      break;
    case StreamRequest::Kind::tombstone:
      outcome = store.tombstone_stream(change.stream, change.expected);
      break;
  }
  if (!outcome) return error_of(outcome);
  return Outcome(*std::move(outcome));
}

Request next_request(RandomRequests& random, const ApplicationModel& model) {
  if (random.below(5) == 0) return random.next_change(model);
  return random.next(model);
}

// What readers of the streams see, both ways and by category, is what counts.
void check_counting(EventStore& store, const ApplicationModel& model) {
  const auto expected = model.counting_lines();
  const auto reader = must(store.reader());
  reader->only_streams(model.stream_names());
  REQUIRE(lines_of(*reader) == expected);
  std::vector<std::string> back;
  for (;;) {
    const Event* event = must(reader->previous());
    if (event == nullptr) break;
    back.insert(back.begin(), line_of(*event));
  }
  REQUIRE(back == expected);
  for (const std::string& name : model.stream_names()) {
    std::vector<std::string> own;
    for (const std::string& line : expected) {
      if (line.starts_with(name + "/")) own.push_back(line);
    }
    const auto one = must(store.reader());
    one->only_streams({name});
    REQUIRE(lines_of(*one) == own);
    must(one->seek(name, {0}));
    REQUIRE(lines_of(*one) == own);
  }
}

struct Script {
  std::vector<Request> requests;
  std::vector<Outcome> outcomes;
  std::vector<std::vector<std::string>> lines;  // after each request; first, after none
};

Script make_script(std::uint64_t seed, std::size_t count) {
  Script script;
  ApplicationModel model;
  RandomRequests random(seed);
  script.lines.push_back(model.lines());
  for (std::size_t i = 0; i < count; ++i) {
    script.requests.push_back(next_request(random, model));
    script.outcomes.push_back(answer_of(model, script.requests.back()));
    script.lines.push_back(model.lines());
  }
  return script;
}

// How many requests were answered until the disk crashed. Their answers are the model's.
std::size_t run(const Script& script, FaultyDisk& disk, FakeClock& clock) {
  const auto store = EventStore::open(disk, clock, "store", small_store(segment_bytes));
  if (!store) return 0;
  for (std::size_t i = 0; i < script.requests.size(); ++i) {
    const auto outcome = answer_of(**store, script.requests[i]);
    if (!outcome) return i;
    REQUIRE(text_of(*outcome) == text_of(script.outcomes[i]));
  }
  return script.requests.size();
}

const AppendedEvents* appended_of(const Outcome& outcome) {
  const auto* append = std::get_if<AppendOutcome>(&outcome);
  return append == nullptr ? nullptr : std::get_if<AppendedEvents>(append);
}

const StreamChanged* changed_of(const Outcome& outcome) {
  const auto* change = std::get_if<StreamOutcome>(&outcome);
  return change == nullptr ? nullptr : std::get_if<StreamChanged>(change);
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
  const Outcome& expected = script.outcomes[answered];
  const Outcome retried = must(answer_of(*store, script.requests[answered]));
  const bool was_there = lines != script.lines[answered];
  if (const auto* appended = appended_of(expected)) {
    const auto* again = appended_of(retried);
    REQUIRE(again != nullptr);
    CHECK(again->first == appended->first);
    CHECK(again->next == appended->next);
    CHECK(again->repeated == (appended->repeated || was_there));
  } else if (const auto* changed = changed_of(expected)) {
    const auto* again = changed_of(retried);
    REQUIRE(again != nullptr);
    CHECK(again->life == changed->life);
    CHECK(again->next == changed->next);
    CHECK(again->position == (was_there ? std::nullopt : changed->position));
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
  Outcome ask(const Request& request) {
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
      auto outcome = answer_of(*store, request);
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
bool is_answer(const Outcome& outcome, const Outcome& expected) {
  const auto* changed = changed_of(outcome);
  const auto* wanted = changed_of(expected);
  if (changed != nullptr && wanted != nullptr) {
    const bool same_place = !changed->position || changed->position == wanted->position;
    return changed->life == wanted->life && changed->next == wanted->next && same_place;
  }
  const auto* appended = appended_of(outcome);
  const auto* first = appended_of(expected);
  if (appended == nullptr || first == nullptr) return text_of(outcome) == text_of(expected);
  return appended->first == first->first && appended->next == first->next;
}

}  // namespace

TEST_CASE(
    "model: over random appends, truncations, deletions, restarts and power losses the store "
    "answers "
    "as a plain model") {
  const std::uint64_t seed = test_seed();
  ApplicationModel model;
  RandomRequests random(seed);
  FaultyDisk disk;
  FakeClock clock;
  auto store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
  std::vector<Request> earlier;
  for (int i = 0; i < 1500; ++i) {
    CAPTURE(i);
    if (random.below(50) == 0) {
      store.reset();
      disk = disk.after_power_loss(Survives::some, random.below(1000));
      store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
    }
    // Many are retries of an earlier one.
    const bool is_retry = !earlier.empty() && random.below(3) == 0;
    const Request request =
        is_retry ? earlier[random.below(earlier.size())] : next_request(random, model);
    earlier.push_back(request);
    const Outcome expected = answer_of(model, request);
    const Outcome outcome = must(answer_of(*store, request));
    REQUIRE(text_of(outcome) == text_of(expected));
    if (i % 100 != 0) continue;
    REQUIRE(application_events(*store) == model.lines());
    check_counting(*store, model);
  }
  check_counting(*store, model);
  CHECK(application_events(*store) == model.lines());
}

TEST_CASE(
    "crash: applications' appends, truncations and deletions that were answered are there, and a "
    "retry is one event" *
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
        const Outcome outcome = retrying.ask(script.requests[i]);
        REQUIRE_MESSAGE(is_answer(outcome, script.outcomes[i]), text_of(outcome));
      }
      retrying.disk.mend();
      CHECK(application_events(*retrying.store) == script.lines.back());
    }
  }
}

}  // namespace tidelog::testing
