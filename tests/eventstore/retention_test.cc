// Retention: what the rules do not keep is gone, what they keep is not; tables are cut only behind
// a base snapshot.
#include "eventstore/retention.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <stop_token>

#include "core/load_step.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

using std::chrono::hours;

// A store of small segments with a stream of an application ("log") and one of a table.
struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;
  RetentionMemory memory;
  std::map<std::string, Position> bases;
  Result<Position> base = Position{};  // an error is what making one fails with
  std::stop_source stop;
  std::function<void(Position)> on_progress;
  std::uint64_t keys_bytes_max = 64 << 20;

  Fixture() { store = must(EventStore::open(disk, clock, "store", small_store(2048))); }

  // An event with a key, as applications give it; without one when it is empty.
  void append(const std::string& stream, const std::string& key, const std::string& note,
              EventType type = EventType::application) {
    BatchBuilder batch;
    batch.begin({"1", {}, {}, {}, 0, 0});
    EventBody event;
    event.type = type;
    event.stream = store->stream(stream);
    if (!key.empty()) event.key = key;
    if (type != EventType::remove) event.body = note;
    batch.add(event);
    batch.commit();
    must(store->append(batch));
  }

  RetentionReport retain(const std::function<RetentionRule(std::string_view)>& rule_of,
                         Position floor = {UINT64_MAX}) {
    return must(try_to_retain(rule_of, floor));
  }
  Result<RetentionReport> try_to_retain(
      const std::function<RetentionRule(std::string_view)>& rule_of,
      Position floor = {UINT64_MAX}) {
    must(store->seal());
    RetentionPlan plan;
    plan.rule_of = rule_of;
    plan.floor = floor;
    plan.stop = stop.get_token();
    plan.on_progress = on_progress;
    plan.keys_bytes_max = keys_bytes_max;
    plan.make_base = [this](const std::string& stream, Position position) -> Status {
      if (!base) return error_of(base);
      bases[stream] = position;
      return {};
    };
    auto report = apply_retention(*store, plan, memory);
    const auto verified = must(verify_store(disk, "store", [](const VerifyProgress&) {}));
    for (const std::string& damage : verified.damage) FAIL_CHECK(damage);
    return report;
  }

  // By stream, what its events say.
  std::vector<std::string> bodies(const std::string& stream) {
    std::vector<std::string> bodies;
    const auto reader = must(store->reader());
    reader->only_streams({stream});
    for (const Event* event = must(reader->next()); event != nullptr; event = must(reader->next()))
      bodies.push_back(event->body ? std::string(*event->body) : "deleted");
    return bodies;
  }
};

std::function<RetentionRule(std::string_view)> only(const std::string& stream,
                                                    const RetentionRule& rule) {
  return [=](std::string_view name) { return name == stream ? rule : RetentionRule{}; };
}

// "shop.public.orders", with one row.
void make_table(Fixture& f) {
  Writer writer(*f.store);
  writer.begin(1);
  writer.row(0, "first");
  must(writer.commit());
}

std::string text(int number) { return "event " + std::to_string(number) + std::string(60, '.'); }

}  // namespace

TEST_CASE("retention: without a rule nothing changes") {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.append("log", "", text(i));
  const auto report = f.retain([](std::string_view) { return RetentionRule{}; });
  CHECK(report.events_removed == 0);
  CHECK(f.bodies("log").size() == 100);
}

TEST_CASE("retention: max_count keeps the newest of the stream, and other streams whole") {
  Fixture f;
  for (int i = 0; i < 100; ++i) {
    f.append("log", "", text(i));
    f.append("other", "", text(i));
  }
  RetentionRule rule;
  rule.max_count = 30;
  f.retain(only("log", rule));
  const auto bodies = f.bodies("log");
  REQUIRE(bodies.size() == 30);
  CHECK(bodies.front() == text(70));
  CHECK(f.bodies("other").size() == 100);
  const auto reader = must(f.store->reader());
  reader->only_streams({"log"});
  CHECK(must(reader->next())->revision == Revision{70});
}

TEST_CASE("retention: stopped half-way, it is done by the next run") {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_count = 30;
  f.on_progress = [&](Position) { f.stop.request_stop(); };
  const auto stopped = f.try_to_retain(only("log", rule));
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == Code::cancelled);
  CHECK(f.bodies("log").size() > 30);
  f.on_progress = nullptr;
  f.stop = std::stop_source();
  f.retain(only("log", rule));
  CHECK(f.bodies("log").size() == 30);
}

TEST_CASE("retention: max_age takes what was appended before") {
  Fixture f;
  for (int i = 0; i < 40; ++i) f.append("log", "", text(i));
  f.clock.advance(hours(10));
  for (int i = 40; i < 60; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_age = hours(5);
  f.retain(only("log", rule));
  const auto bodies = f.bodies("log");
  REQUIRE(bodies.size() == 20);
  CHECK(bodies.front() == text(40));
}

TEST_CASE("retention: max_bytes keeps at least so much, and little more than a segment beyond") {
  Fixture f;
  for (int i = 0; i < 200; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_bytes = 3000;
  f.retain(only("log", rule));
  std::size_t bytes = 0;
  for (const std::string& body : f.bodies("log")) bytes += body.size();
  CHECK(bytes >= 3000);
  CHECK(bytes < 3000 + 2 * 2048);
}

TEST_CASE("retention: segments of which nothing is left are let go, positions and revisions stay") {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_count = 10;
  const auto report = f.retain(only("log", rule));
  CHECK(report.segments_let_go > 2);
  const auto reader = must(f.store->reader());
  CHECK(reader->first() > Position{50});
  const Event* event = must(reader->next());
  CHECK(event->position == Position{90});
  CHECK(event->revision == Revision{90});
  f.append("log", "", "new");
  CHECK(f.bodies("log").size() == 11);
}

TEST_CASE("retention: store_max_bytes cuts all streams until the segments fit") {
  Fixture f;
  for (int i = 0; i < 200; ++i) f.append(i % 2 == 0 ? "log" : "other", "", text(i));
  must(f.store->seal());
  RetentionPlan plan;
  plan.rule_of = [](std::string_view) { return RetentionRule{}; };
  plan.make_base = [](const std::string&, Position) { return Status(); };
  plan.store_max_bytes = 5 * 2048;
  must(apply_retention(*f.store, plan, f.memory));
  const auto count = f.bodies("log").size() + f.bodies("other").size();
  CHECK(count < 120);
  CHECK(count > 20);
  CHECK(f.store->manifest().segments.size() <= 7);
}

namespace {

RetentionReport keep_bytes(Fixture& f, std::uint64_t max_bytes) {
  RetentionPlan plan;
  plan.rule_of = [](std::string_view) { return RetentionRule{}; };
  plan.make_base = [](const std::string&, Position) { return Status(); };
  plan.store_max_bytes = max_bytes;
  return must(apply_retention(*f.store, plan, f.memory));
}

}  // namespace

TEST_CASE("retention: of segments only what is written counts against store_max_bytes") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.append("log", "", text(i));
  must(f.store->seal());
  // The sealed segment and the one that is written to have 2048 bytes each, mostly zeros.
  REQUIRE(f.disk.files().at("store/segments/00000001-0.log").size() == 2048);
  const auto below = keep_bytes(f, 2048);
  CHECK(below.events_removed == 0);
  CHECK(below.bytes_before == 0);
  CHECK(f.bodies("log").size() == 5);
  // The next events take more than that alone: what was before them goes.
  for (int i = 5; i < 40; ++i) f.append("log", "", text(i));
  must(f.store->seal());
  const auto beyond = keep_bytes(f, 2048);
  CHECK(beyond.events_removed >= 5);
  CHECK(f.bodies("log").size() > 10);
}

TEST_CASE("retention: the report's bytes are those that were written, each once") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.append("log", "", text(i));
  must(f.store->seal());
  std::uint64_t written = f.disk.files().at("store/segments/00000001-0.log").find_last_not_of('\0');
  for (int i = 5; i < 20; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_count = 15;
  const auto report = f.retain(only("log", rule));
  REQUIRE(report.segments_rewritten == 1);
  REQUIRE(report.segments_let_go == 1);
  CHECK(report.bytes_before >= written);
  CHECK(report.bytes_before <= written + 8);
  CHECK(report.bytes_after == 0);
}

TEST_CASE("retention: a consumer's place is not passed, and that is said") {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.append("log", "", text(i));
  RetentionRule rule;
  rule.max_count = 10;
  const auto report = f.retain(only("log", rule), {50});
  CHECK(report.held_back);
  const auto bodies = f.bodies("log");
  CHECK(bodies.size() >= 50);  // from a segment's begin on
  CHECK(bodies.size() < 75);
  CHECK(bodies.back() == text(99));
  CHECK_FALSE(f.retain(only("log", rule)).held_back);
  CHECK(f.bodies("log").size() == 10);
}

TEST_CASE("retention: a table is cut at a segment's begin, where its base was made") {
  Fixture f;
  Writer writer(*f.store);
  for (int i = 0; i < 100; ++i) {
    writer.begin(static_cast<std::uint64_t>(i) + 1);
    writer.row(i, text(i));
    must(writer.commit());
  }
  RetentionRule rule;
  rule.max_count = 30;
  f.retain(only("shop.public.orders", rule));
  REQUIRE(f.bases.contains("shop.public.orders"));
  const auto reader = must(f.store->reader());
  CHECK(must(reader->next())->position == f.bases["shop.public.orders"]);
  CHECK(f.bodies("shop.public.orders").size() >= 30);
  CHECK(f.bodies("shop.public.orders").size() < 60);
}

TEST_CASE("retention: of a table that is being loaded nothing goes, and that is said") {
  Fixture f;
  make_table(f);
  const auto step = [&](LoadStep::Kind kind) {
    LoadStep one;
    one.kind = kind;
    one.table = "public.orders";
    f.append("shop.public.orders", "", encode(one), EventType::load_step);
  };
  RetentionRule rule;
  rule.max_count = 10;
  step(LoadStep::Kind::begun);
  for (int i = 0; i < 100; ++i) f.append("shop.public.orders", "", text(i));
  const auto count = f.bodies("shop.public.orders").size();
  const auto open = f.retain(only("shop.public.orders", rule));
  CHECK(open.held_back);
  CHECK(open.events_removed == 0);
  CHECK(f.bases.empty());
  CHECK(f.bodies("shop.public.orders").size() == count);

  step(LoadStep::Kind::ended);
  const auto ended = f.retain(only("shop.public.orders", rule));
  CHECK_FALSE(ended.held_back);
  CHECK(f.bodies("shop.public.orders").size() < 50);
}

TEST_CASE("retention: that a table's rows were left out stays known") {
  Fixture f;
  make_table(f);
  LoadStep step;
  step.kind = LoadStep::Kind::left_out;
  step.table = "public.orders";
  f.append("shop.public.orders", "", encode(step), EventType::load_step);
  RetentionRule rule;
  rule.max_count = 10;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) f.append("shop.public.orders", "", text(i));
    CHECK(f.retain(only("shop.public.orders", rule)).events_removed > 50);
    const auto bodies = f.bodies("shop.public.orders");
    CHECK(bodies.size() < 50);
    CHECK(bodies.front() == encode(step));
  }
}

TEST_CASE("retention: a table whose base cannot be made keeps everything, and the error is told") {
  Fixture f;
  Writer writer(*f.store);
  for (int i = 0; i < 100; ++i) {
    writer.begin(static_cast<std::uint64_t>(i) + 1);
    writer.row(i, text(i));
    must(writer.commit());
  }
  f.base = fail(Code::corrupt, "no base today");
  RetentionRule rule;
  rule.max_count = 10;
  const auto report = f.try_to_retain(only("shop.public.orders", rule));
  REQUIRE_FALSE(report);
  CHECK(report.error().what == "no base today");
  CHECK(f.bodies("shop.public.orders").size() == 101);  // with the schema
}

TEST_CASE("compaction: of each key the newest event stays") {
  Fixture f;
  std::map<std::string, std::string> newest;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(i * i % 17);
    f.append("log", key, text(i));
    newest[key] = text(i);
  }
  f.append("log", "", "without a key");
  RetentionRule rule;
  rule.compact = true;
  const auto report = f.retain(only("log", rule));
  CHECK(report.bytes_after < report.bytes_before);
  const auto bodies = f.bodies("log");
  CHECK(bodies.size() == newest.size() + 1);
  std::set<std::string> expected{"without a key"};
  for (const auto& [key, body] : newest) expected.insert(body);
  CHECK(std::set<std::string>(bodies.begin(), bodies.end()) == expected);
}

TEST_CASE("compaction: a deletion stays for a time, then goes; a key that came back stays") {
  Fixture f;
  f.append("log", "gone", "old");
  f.append("log", "back", "old");
  f.append("log", "gone", "", EventType::remove);
  f.append("log", "back", "", EventType::remove);
  f.append("log", "back", "again");
  RetentionRule rule;
  rule.compact = true;
  rule.keep_deletions = hours(24);
  f.retain(only("log", rule));
  CHECK(f.bodies("log") == std::vector<std::string>{"deleted", "again"});
  f.clock.advance(hours(25));
  f.append("log", "other", "new");
  f.retain(only("log", rule));
  CHECK(f.bodies("log") == std::vector<std::string>{"again", "new"});
}

namespace {

void check_lacking_values(std::uint64_t keys_bytes_max) {
  Fixture f;
  f.keys_bytes_max = keys_bytes_max;
  const StreamId stream = f.store->stream("shop.public.orders");
  const auto version = f.store->schema(stream, orders_schema());
  std::string schema;
  put_schema(schema, orders_schema());
  BatchBuilder batch;
  const auto change = [&](EventType type, std::int64_t id, const char* note, bool moved = false) {
    std::string key;
    put_value(key, Value(id));
    std::string row = key;
    put_value(row, note == nullptr ? Value(Unchanged{}) : Value(Text{note}));
    const bool is_second_half = moved && type == EventType::insert;
    if (!is_second_half) batch.begin({"1", {}, {}, {}, 0, 0});
    EventBody event;
    event.type = type;
    event.stream = stream;
    event.schema = version.id;
    event.key = key;
    event.moved = moved;
    if (type != EventType::remove) event.body = row;
    batch.add(event);
    if (moved && !is_second_half) return;
    batch.commit();
    must(f.store->append(batch));
  };
  batch.begin({"1", {}, {}, {}, 0, 0});
  EventBody announcement;
  announcement.type = EventType::schema;
  announcement.stream = stream;
  announcement.schema = version.id;
  announcement.body = schema;
  batch.add(announcement);
  batch.commit();
  must(f.store->append(batch));
  change(EventType::insert, 1, "superseded");                  // 1
  change(EventType::update, 1, "needed by the next");          // 2
  change(EventType::update, 1, nullptr);                       // 3
  change(EventType::insert, 2, "needed under its other key");  // 4
  change(EventType::remove, 2, "", true);                      // 5
  change(EventType::insert, 3, nullptr, true);                 // 6
  change(EventType::insert, 2, "another row");                 // 7
  RetentionRule rule;
  rule.compact = true;
  rule.keep_deletions = hours(0);
  f.clock.advance(hours(1));
  f.retain(only("shop.public.orders", rule));
  std::vector<std::uint64_t> positions;
  const auto reader = must(f.store->reader());
  for (const Event* event = must(reader->next()); event != nullptr; event = must(reader->next()))
    positions.push_back(event->position.value);
  CHECK(positions == std::vector<std::uint64_t>{0, 2, 3, 4, 5, 6, 7});
  CHECK(f.bases.contains("shop.public.orders"));
}

}  // namespace

TEST_CASE("compaction: an event that lacks values keeps those before it that have them") {
  check_lacking_values(64 << 20);
}

TEST_CASE("compaction: ... also when it remembers one transaction at a time") {
  check_lacking_values(0);
}

// A killed process leaves names that only the page cache has. Nothing may be built on them before
// they are on disk: the manifest from before would name files that the recovery removed.
TEST_CASE("retention: killed, and the power lost in the recovery, nothing that is kept is lost" *
          doctest::test_suite("crash")) {
  Fixture f;
  for (int i = 0; i < 30; ++i) f.append("log", "k" + std::to_string(i % 5), text(i));
  must(f.store->seal());
  f.store.reset();
  RetentionRule rule;
  rule.compact = true;
  std::vector<FaultyDisk> killed;
  {
    FaultyDisk disk = f.disk;
    const auto store = must(EventStore::open(disk, f.clock, "store", small_store(2048)));
    disk.watch([&](const FaultyDisk& left) { killed.push_back(left); });
    RetentionPlan plan;
    plan.rule_of = only("log", rule);
    RetentionMemory memory;
    must(apply_retention(*store, plan, memory));
    disk.watch(nullptr);
  }
  for (std::size_t i = 0; i < killed.size(); ++i) {
    std::vector<FaultyDisk> left;
    killed[i].watch([&](const FaultyDisk& moment) { left.push_back(moment); });
    must(EventStore::open(killed[i], f.clock, "store", small_store(2048)));
    killed[i].watch(nullptr);
    for (std::size_t k = 0; k < left.size(); ++k) {
      for (std::uint64_t seed = 0; seed < 12; ++seed) {
        CAPTURE(i);
        CAPTURE(k);
        CAPTURE(seed);
        FaultyDisk disk = left[k].after_power_loss(Survives::some, seed);
        const auto store = must(EventStore::open(disk, f.clock, "store", small_store(2048)));
        const auto reader = must(store->reader());
        std::vector<std::string> newest;
        while (const Event* event = must(reader->next())) newest.emplace_back(*event->body);
        REQUIRE(newest.size() >= 5);
        newest.erase(newest.begin(), newest.end() - 5);
        REQUIRE(newest ==
                std::vector<std::string>{text(25), text(26), text(27), text(28), text(29)});
      }
    }
  }
}

TEST_CASE("retention: cut off at any disk call, nothing that is kept is lost" *
          doctest::test_suite("crash")) {
  Fixture f;
  for (int i = 0; i < 60; ++i) {
    f.append("log", "k" + std::to_string(i % 5), text(i));
    f.append("other", "", text(i));
  }
  must(f.store->seal());
  f.store.reset();
  RetentionRule rule;
  rule.max_count = 20;
  rule.compact = true;
  const auto retain_on = [&](FaultyDisk& disk) -> Status {
    TRY(const auto store, EventStore::open(disk, f.clock, "store", small_store(2048)));
    RetentionPlan plan;
    plan.rule_of = only("log", rule);
    RetentionMemory memory;
    TRY_DO(apply_retention(*store, plan, memory));
    return {};
  };
  FaultyDisk whole = f.disk;
  must(retain_on(whole));
  for (std::uint64_t call = 0; call < whole.call_count(); ++call) {
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      CAPTURE(call);
      CAPTURE(name_of(survives));
      FaultyDisk crashed = f.disk;
      crashed.crash_at(call);
      if (retain_on(crashed)) continue;
      FaultyDisk disk = crashed.after_power_loss(survives, call);
      must(retain_on(disk));
      const auto report = must(verify_store(disk, "store", [](const VerifyProgress&) {}));
      for (const std::string& damage : report.damage) FAIL_CHECK(damage);
      Fixture after;
      after.store.reset();
      after.disk = disk;
      after.store = must(EventStore::open(after.disk, f.clock, "store", small_store(2048)));
      CHECK(after.bodies("other").size() == 60);
      CHECK(after.bodies("log") ==
            std::vector<std::string>{text(55), text(56), text(57), text(58), text(59)});
    }
  }
}

}  // namespace tidelog::testing
