// What marks erased events in the log goes by the rules that would have taken the events: it holds
// no segment back, and no erased byte comes back with it, neither in the store nor in a backup.
#include <doctest/doctest.h>

#include "eventstore/backup.h"
#include "eventstore/erasure.h"
#include "eventstore/retention.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

using std::chrono::hours;

constexpr std::uint64_t segment_bytes = 2048;
const std::string secret = "of somebody";

std::string text(int number) { return "event " + std::to_string(number) + std::string(60, '.'); }

bool mentions_secret(const FaultyDisk& disk) {
  for (const auto& [path, content] : disk.files()) {
    if (content.find(secret) != std::string::npos) return true;
  }
  return false;
}

void check_whole(FaultyDisk& disk, const std::string& folder) {
  const auto report = must(verify_store(disk, folder, [](const VerifyProgress&) {}));
  for (const std::string& damage : report.damage) FAIL_CHECK(damage);
}

struct Met {
  std::uint64_t position, revision;
  EventType type;
};

std::vector<Met> read_all(const std::unique_ptr<StoreReader>& reader) {
  std::vector<Met> all;
  while (const Event* event = must(reader->next()))
    all.push_back({event->position.value, event->revision.value, event->type});
  return all;
}

RetentionRule newest(std::uint64_t count) {
  RetentionRule rule;
  rule.max_count = count;
  return rule;
}

// Events of the stream "log" under the keys "somebody" and "other".
struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;

  Fixture() { open(); }
  void open() { store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes))); }

  void append(const std::string& stream, const std::string& key, const std::string& note) {
    BatchBuilder batch;
    batch.begin({"1", {}, {}, {}, 0, 0});
    EventBody event;
    event.type = EventType::application;
    event.stream = store->stream(stream);
    event.key = key;
    event.body = note;
    batch.add(event);
    batch.commit();
    must(store->append(batch));
  }

  // Every tenth event of the log is of somebody.
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      const bool is_secret = i % 10 == 0;
      append("log", is_secret ? "somebody" : "other", is_secret ? text(i) + secret : text(i));
    }
  }

  static RetentionPlan plan_of(const RetentionRule& rule, Position floor) {
    RetentionPlan plan;
    plan.rule_of = [=](std::string_view stream) {
      return stream == "log" ? rule : RetentionRule{};
    };
    plan.make_base = [](const std::string&, Position) { return Status(); };
    plan.floor = floor;
    return plan;
  }
  RetentionReport retain(const RetentionRule& rule, Position floor = {UINT64_MAX}) {
    must(store->seal());
    RetentionMemory memory;
    const auto report = must(apply_retention(*store, plan_of(rule, floor), memory));
    check_whole(disk, "store");
    return report;
  }
  ErasureReport erase() { return must(tidelog::erase(*store, "log", {"somebody"}, {})); }

  std::uint64_t marker_count() {
    std::uint64_t count = 0;
    for (const Met& event : read_all(must(store->reader())))
      count += event.type == EventType::erased ? 1 : 0;
    return count;
  }
};

}  // namespace

TEST_CASE("retention: what marks an erased event goes as the event would have gone") {
  Fixture f;
  f.write(100);
  CHECK(f.erase().events == 10);
  CHECK(f.retain(newest(35)).events_removed == 65);
  const auto events = read_all(must(f.store->reader()));
  REQUIRE(events.size() == 35);
  for (std::uint64_t i = 0; i < events.size(); ++i) {
    CHECK(events[i].position == 65 + i);
    CHECK(events[i].revision == 65 + i);
    CHECK((events[i].type == EventType::erased) == ((65 + i) % 10 == 0));
  }
}

TEST_CASE("retention: one erased event holds back no segment") {
  Fixture f;
  f.append("log", "somebody", secret);
  for (int i = 1; i < 100; ++i) f.append("log", "other", text(i));
  CHECK(f.erase().events == 1);
  const auto report = f.retain(newest(10));
  CHECK(report.segments_let_go > 2);
  const auto reader = must(f.store->reader());
  CHECK(reader->first() > Position{50});
  CHECK(must(reader->next())->position == Position{90});
  must(f.store->make_indexes());
  check_whole(f.disk, "store");
}

TEST_CASE("retention: markers older than max_age go, and those that no consumer has read stay") {
  Fixture f;
  f.write(50);
  f.clock.advance(hours(10));
  f.write(50);
  f.erase();
  RetentionRule rule;
  rule.max_age = hours(5);
  const auto held = f.retain(rule, {1});
  CHECK(held.held_back);
  CHECK(f.marker_count() == 10);
  CHECK_FALSE(f.retain(rule).held_back);
  CHECK(f.marker_count() == 5);
}

TEST_CASE("retention: markers of a stream that was truncated go with what does not count") {
  Fixture f;
  f.write(40);
  f.erase();
  must(f.store->truncate_stream("log", {25}, ExpectedRevision::any()));
  f.retain({});
  CHECK(f.marker_count() == 1);  // of revision 30
  for (const Met& event : read_all(must(f.store->reader()))) CHECK(event.revision >= 25);
}

TEST_CASE("compaction: what marks an erased event stays as long as a deletion") {
  Fixture f;
  f.write(30);
  f.erase();
  RetentionRule rule;
  rule.compact = true;
  rule.keep_deletions = hours(24);
  f.retain(rule);
  CHECK(f.marker_count() == 3);
  f.clock.advance(hours(25));
  f.append("log", "another", "new");
  f.retain(rule);
  CHECK(f.marker_count() == 0);
  CHECK(read_all(must(f.store->reader())).size() == 2);
}

TEST_CASE("backup: after an erasure and retention of its markers no erased byte comes back") {
  const auto back_up = [](Fixture& f) {
    must(back_up_store(f.disk, f.clock, "store", "backup", [](const CopyProgress&) {}));
    check_whole(f.disk, "backup");
  };
  Fixture f;
  f.write(100);
  must(f.store->seal());
  back_up(f);
  REQUIRE(f.disk.files().contains("backup/segments/00000001-0.log"));
  f.erase();
  back_up(f);
  CHECK_FALSE(mentions_secret(f.disk));
  f.retain(newest(35));
  back_up(f);
  CHECK_FALSE(mentions_secret(f.disk));
  const auto backed_up = read_all(must(StoreReader::open(f.disk, "backup")));
  CHECK(backed_up.size() == 35);
  CHECK(backed_up.front().position == 65);
}

// An id counts as long as its event: nothing remembers it longer, neither in memory nor in an
// index.
TEST_CASE("erasure: the id of an erased event is free, at once and after a restart") {
  Fixture f;
  const auto append = [&](const std::string& data) {
    NewEvent event;
    event.id = std::string(16, 'i');
    event.type = "Said";
    event.key = "somebody";
    event.data = data;
    return must(f.store->append(AppendRequest{{{"log", ExpectedRevision::any(), {event}}}}));
  };
  for (const bool restarts : {false, true}) {
    CAPTURE(restarts);
    CHECK(std::holds_alternative<AppendedEvents>(append(text(1))));
    CHECK(std::holds_alternative<AppendConflict>(append(text(2))));
    must(f.store->seal());
    must(f.store->make_indexes());
    CHECK(f.erase().events == 1);
    if (restarts) {
      f.store.reset();
      f.open();
    }
    const auto again = append(text(2));
    REQUIRE(std::holds_alternative<AppendedEvents>(again));
    CHECK_FALSE(std::get<AppendedEvents>(again).repeated);
    CHECK(f.erase().events == 1);
  }
}

// First the erasure, then the rules: whichever of them is cut off, both are done in the end.
TEST_CASE("erasure and retention: cut off at any disk call, neither bytes nor markers are left" *
          doctest::test_suite("crash")) {
  Fixture f;
  f.write(30);
  must(f.store->seal());
  f.store.reset();
  const auto work_on = [&](FaultyDisk& disk) -> Status {
    TRY(const auto store, EventStore::open(disk, f.clock, "store", small_store(segment_bytes)));
    TRY_DO(resume_erasures(*store, {}));
    TRY_DO(tidelog::erase(*store, "log", {"somebody"}, {}));
    RetentionMemory memory;
    TRY_DO(apply_retention(*store, Fixture::plan_of(newest(8), {UINT64_MAX}), memory));
    return {};
  };
  FaultyDisk whole = f.disk;
  must(work_on(whole));
  for (std::uint64_t call = 0; call < whole.call_count(); ++call) {
    FaultyDisk crashed = f.disk;
    crashed.crash_at(call);
    if (work_on(crashed)) continue;
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      CAPTURE(call);
      CAPTURE(name_of(survives));
      FaultyDisk disk = crashed.after_power_loss(survives, call);
      must(work_on(disk));
      CHECK_FALSE(mentions_secret(disk));
      check_whole(disk, "store");
      const auto store = must(EventStore::open(disk, f.clock, "store", small_store(segment_bytes)));
      const auto reader = must(store->reader());
      CHECK(reader->first() > Position{0});
      const auto events = read_all(reader);
      REQUIRE(events.size() == 8);
      for (std::uint64_t i = 0; i < events.size(); ++i) {
        CHECK(events[i].position == 22 + i);
        CHECK(events[i].type == EventType::application);
      }
    }
  }
}

}  // namespace tidelog::testing
