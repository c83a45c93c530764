// Streams that are truncated, deleted or tombstoned: what is decided, what readers see, and what is
// left on disk.
#include "eventstore/stream_change.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/backup.h"
#include "eventstore/erasure.h"
#include "eventstore/restore.h"
#include "eventstore/retention.h"
#include "eventstore/salvage.h"
#include "eventstore/verify.h"
#include "tests/eventstore/application_fixture.h"

namespace tidelog::testing {
namespace {

using Lines = std::vector<std::string>;
using Expected = ExpectedRevision;

// -- the table of stream_change.h --

std::string decided(StreamRequest::Kind kind, Revision before, const Expected& expected,
                    const StreamNow& now) {
  const StreamRequest request{kind, "s", before, expected};
  const StreamDecision decision = decide(request, now);
  if (std::holds_alternative<Append>(decision)) {
    const StreamLife life = life_after(request, now);
    return std::string(name_of(life.status)) + " from " + std::to_string(life.first.value);
  }
  if (const auto* so = std::get_if<StreamChanged>(&decision)) {
    CHECK(so->life == now.life);
    CHECK(so->next == now.next);
    CHECK_FALSE(so->position);
    return "so already";
  }
  const auto& conflict = std::get<AppendConflict>(decision);
  CHECK(conflict.actual == now.last());
  CHECK(conflict.status == now.life.status);
  switch (conflict.kind) {
    case AppendConflict::Kind::revision:
      return "unexpected";
    case AppendConflict::Kind::tombstoned:
      return "tombstoned";
    case AppendConflict::Kind::beyond_end:
      return "beyond the end";
    case AppendConflict::Kind::other_event:
    case AppendConflict::Kind::partly_repeated:
      break;
  }
  return "of no known kind";
}

constexpr StreamNow absent{};
constexpr StreamNow open{{7}, {StreamStatus::open, {3}}};
constexpr StreamNow deleted{{7}, {StreamStatus::deleted, {7}}};
constexpr StreamNow ended{{7}, {StreamStatus::tombstoned, {7}}};

// -- a store with a few streams --

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;
  RetentionMemory memory;

  Fixture() { reopen(); }
  void reopen() {
    store.reset();
    store = must(EventStore::open(disk, clock, "store", small_store(2048)));
  }

  void append(const std::string& stream, const Lines& names) {
    const auto outcome = must(store->append(request_of(stream, Expected::any(), names)));
    REQUIRE_MESSAGE(std::holds_alternative<AppendedEvents>(outcome), text_of(outcome));
  }
  // "a00", "a01" …
  void append_many(const std::string& stream, int count, char letter = 'a') {
    for (int i = 0; i < count; ++i) {
      const std::string name = letter + std::string(i < 10 ? "0" : "") + std::to_string(i);
      append(stream, {name});
    }
  }
  std::string truncate(const std::string& stream, std::uint64_t before) {
    return text_of(must(store->truncate_stream(stream, {before}, Expected::any())));
  }
  std::string remove(const std::string& stream) {
    return text_of(must(store->delete_stream(stream, Expected::any())));
  }
  std::string end(const std::string& stream) {
    return text_of(must(store->tombstone_stream(stream, Expected::any())));
  }
  std::string appended(const std::string& stream, const Expected& expected, const Lines& names) {
    return text_of(must(store->append(request_of(stream, expected, names))));
  }

  // What a reader with the filter gives, one way and the other.
  Lines read(const EventFilter& filter) {
    const auto reader = must(StoreReader::open(disk, "store"));
    reader->set_filter(filter);
    const Lines lines = lines_of(*reader);
    Lines back;
    for (;;) {
      const Event* event = must(reader->previous());
      if (event == nullptr) break;
      back.insert(back.begin(), line_of(*event));
    }
    CHECK(back == lines);
    return lines;
  }
  Lines read(const std::string& stream) {
    EventFilter filter;
    filter.streams = {stream};
    return read(filter);
  }
  Lines read_all() { return read(EventFilter{}); }

  RetentionReport retain(Position floor = {UINT64_MAX}, const RetentionRule& rule = {}) {
    must(store->seal());
    RetentionPlan plan;
    plan.rule_of = [&](std::string_view) { return rule; };
    plan.floor = floor;
    const auto report = must(apply_retention(*store, plan, memory));
    verify();
    return report;
  }
  void verify() {
    const auto verified = must(verify_store(disk, "store", [](const VerifyProgress&) {}));
    for (const std::string& damage : verified.damage) FAIL_CHECK(damage);
  }
  StreamState state_of(const std::string& stream) {
    const auto reader = must(StoreReader::open(disk, "store"));
    for (const StreamState& state : must(reader->streams())) {
      if (state.name == stream) return state;
    }
    return {};
  }
};

}  // namespace

TEST_CASE("streams: every row of the decision table") {
  using enum StreamRequest::Kind;
  const Revision none;
  CHECK(decided(truncate, {0}, Expected::any(), absent) == "so already");
  CHECK(decided(truncate, {1}, Expected::any(), absent) == "beyond the end");
  CHECK(decided(remove, none, Expected::any(), absent) == "so already");
  CHECK(decided(remove, none, Expected::no_stream(), absent) == "so already");
  CHECK(decided(remove, none, Expected::exists(), absent) == "unexpected");
  CHECK(decided(remove, none, Expected::exactly({0}), absent) == "unexpected");
  CHECK(decided(tombstone, none, Expected::any(), absent) == "tombstoned from 1");
  CHECK(decided(tombstone, none, Expected::no_stream(), absent) == "tombstoned from 1");
  CHECK(decided(tombstone, none, Expected::exists(), absent) == "unexpected");

  for (const Expected& any : {Expected::any(), Expected::exists(), Expected::exactly({6})}) {
    CHECK(decided(truncate, {4}, any, open) == "open from 4");
    CHECK(decided(truncate, {7}, any, open) == "open from 7");
    CHECK(decided(truncate, {8}, any, open) == "beyond the end");
    CHECK(decided(remove, none, any, open) == "deleted from 8");
    CHECK(decided(tombstone, none, any, open) == "tombstoned from 8");
  }
  for (const Expected& other : {Expected::no_stream(), Expected::exactly({5})}) {
    CHECK(decided(truncate, {3}, other, open) == "so already");
    CHECK(decided(truncate, {4}, other, open) == "unexpected");
    CHECK(decided(truncate, {8}, other, open) == "unexpected");
    CHECK(decided(remove, none, other, open) == "unexpected");
    CHECK(decided(tombstone, none, other, open) == "unexpected");
  }

  for (const Expected& every : {Expected::any(), Expected::exists(), Expected::no_stream(),
                                Expected::exactly({6}), Expected::exactly({2})}) {
    CHECK(decided(truncate, {7}, every, deleted) == "so already");
    CHECK(decided(remove, none, every, deleted) == "so already");
    CHECK(decided(truncate, {7}, every, ended) == "tombstoned");
    CHECK(decided(remove, none, every, ended) == "tombstoned");
    CHECK(decided(tombstone, none, every, ended) == "so already");
  }
  CHECK(decided(truncate, {8}, Expected::any(), deleted) == "beyond the end");
  CHECK(decided(tombstone, none, Expected::any(), deleted) == "tombstoned from 8");
  CHECK(decided(tombstone, none, Expected::no_stream(), deleted) == "tombstoned from 8");
  CHECK(decided(tombstone, none, Expected::exactly({6}), deleted) == "tombstoned from 8");
  CHECK(decided(tombstone, none, Expected::exists(), deleted) == "unexpected");
}

TEST_CASE("streams: what an append expects of a stream that ended") {
  CHECK(holds(Expected::any(), deleted));
  CHECK(holds(Expected::no_stream(), deleted));
  CHECK(holds(Expected::exactly({6}), deleted));
  CHECK_FALSE(holds(Expected::exists(), deleted));
  CHECK_FALSE(holds(Expected::exactly({5}), deleted));
  for (const Expected& every :
       {Expected::any(), Expected::exists(), Expected::no_stream(), Expected::exactly({6})})
    CHECK_FALSE(holds(every, ended));
}

TEST_CASE("streams: a deleted stream is begun anew, its revisions going on") {
  Fixture f;
  f.append("s", {"a", "b"});
  CHECK(f.remove("s") == "deleted at 2, from 3, next 3");
  CHECK(f.remove("s") == "deleted as before, from 3, next 3");
  CHECK(f.read("s").empty());
  CHECK(f.appended("s", Expected::exists(), {"c"}) ==
        "stream s was deleted at revision 2, expected exists");
  CHECK(f.appended("s", Expected::no_stream(), {"a"}) == "appended at 3, next 4");
  CHECK(f.appended("s", Expected::no_stream(), {"a"}) == "repeated at 3, next 4");
  CHECK(f.appended("s", Expected::any(), {"b"}) == "appended at 4, next 5");
  CHECK(f.read("s") == Lines{"s/3 aa {}", "s/4 bb {}"});
  CHECK(f.state_of("s").life == StreamLife{StreamStatus::open, {3}});
  f.reopen();
  CHECK(f.read("s") == Lines{"s/3 aa {}", "s/4 bb {}"});
  CHECK(f.appended("s", Expected::exactly({4}), {"c"}) == "appended at 5, next 6");
}

TEST_CASE("streams: a tombstoned stream takes nothing, also when it was never used before") {
  Fixture f;
  f.append("s", {"a"});
  CHECK(f.end("s") == "tombstoned at 1, from 2, next 2");
  CHECK(f.end("never") == "tombstoned at 2, from 1, next 1");
  for (int again = 0; again < 2; ++again) {
    for (const Expected& every :
         {Expected::any(), Expected::exists(), Expected::no_stream(), Expected::exactly({1})}) {
      const auto outcome = must(f.store->append(request_of("s", every, {"a"})));
      REQUIRE(std::holds_alternative<AppendConflict>(outcome));
      CHECK(std::get<AppendConflict>(outcome).kind == AppendConflict::Kind::tombstoned);
      CHECK(std::get<AppendConflict>(outcome).actual == Revision{1});
    }
    CHECK(f.read("s").empty());
    f.reopen();
  }
  // Nor does it fit a condition of an append to another stream.
  AppendRequest request = request_of("other", Expected::any(), {"a"});
  request.streams.push_back(part_of("s", Expected::any(), {}));
  CHECK(std::holds_alternative<AppendConflict>(must(f.store->append(request))));
}

TEST_CASE("streams: a request in the same group as what it follows sees it") {
  Fixture f;
  std::vector<std::string> answers;
  for (int i = 0; i < 3; ++i) {
    f.store->submit(request_of("s", Expected::any(), {"a" + std::to_string(i)}),
                    [](Result<AppendOutcome> outcome) { must(std::move(outcome)); });
  }
  CHECK(f.remove("s") == "deleted at 3, from 4, next 4");
  CHECK(f.read("s").empty());
}

TEST_CASE("streams: every way to read a stream passes over what does not count, everything not") {
  Fixture f;
  f.append_many("cart-1", 60);
  f.append_many("cart-2", 20);
  f.append_many("order-1", 60);
  REQUIRE(f.truncate("cart-1", 50) == "open at 140, from 50, next 61");
  REQUIRE(f.remove("cart-2") == "deleted at 141, from 21, next 21");
  REQUIRE(f.end("order-1") == "tombstoned at 142, from 61, next 61");
  f.append_many("order-2", 40);  // so that what was said lies in a sealed segment as well

  const auto check = [&] {
    const Lines cart = f.read("cart-1");
    REQUIRE(cart.size() == 11);
    CHECK(cart.front() == "cart-1/50 a5 {}");
    CHECK(cart.back() == "cart-1/60 ! stream_truncated");
    CHECK(f.read("cart-2").empty());
    CHECK(f.read("order-1").empty());
    EventFilter category;
    category.categories = {"cart-"};
    CHECK(f.read(category) == cart);
    category.categories = {"order-"};
    CHECK(f.read(category).size() == 40);
    EventFilter typed;
    typed.streams = {"cart-1", "cart-2"};
    typed.types = {"Happened"};
    CHECK(f.read(typed).size() == 10);
    EventFilter by_id;
    by_id.streams = {"cart-1", "order-1"};
    by_id.event_ids = {id_of("a10")};
    CHECK(f.read(by_id).empty());
    by_id.event_ids = {id_of("a55")};
    CHECK(f.read(by_id) == Lines{"cart-1/55 a5 {}"});
    const auto reader = must(f.store->reader());
    for (const std::uint64_t revision : {0, 10, 49, 50}) {
      must(reader->seek("cart-1", {revision}));
      reader->only_streams({"cart-1"});
      CHECK(must(reader->next())->revision == Revision{50});
    }
    must(reader->seek("cart-1", {57}));
    CHECK(must(reader->next())->revision == Revision{57});
    must(reader->seek("cart-2", {3}));
    CHECK(reader->position() == f.store->durable());
  };
  SUBCASE("without indexes") { check(); }
  SUBCASE("with indexes") {
    must(f.store->make_indexes());
    check();
  }
  SUBCASE("opened anew") {
    f.reopen();
    check();
  }
  SUBCASE("without a durable page") {
    f.reopen();
    f.store.reset();
    must(f.disk.remove("store/durable"));
    CHECK(f.read("cart-1").size() == 11);
    CHECK(f.read("order-1").empty());
    return;
  }
  SUBCASE("compacted") {
    CHECK(f.read_all().size() == 183);
    f.retain();
    check();
  }
  CHECK(f.read_all().back() == "order-2/39 a3 {}");
}

TEST_CASE("streams: a reader that waits at the end learns what became of its stream") {
  Fixture f;
  f.append("s", {"a", "b"});
  const auto reader = must(f.store->reader());
  reader->only_streams({"s"});
  CHECK(lines_of(*reader).size() == 2);
  f.remove("s");
  f.append("other", {"a"});
  CHECK(lines_of(*reader).empty());
  f.append("s", {"c"});
  CHECK(lines_of(*reader) == Lines{"s/3 cc {}"});
  must(reader->seek({0}));
  CHECK(lines_of(*reader) == Lines{"s/3 cc {}"});
}

TEST_CASE("streams: retention takes out what does not count, without a rule, and nothing else") {
  Fixture f;
  f.append_many("cart-1", 60);
  f.append_many("cart-2", 20);
  f.append_many("keep", 20);
  f.truncate("cart-1", 50);
  f.remove("cart-2");
  CHECK(f.retain().events_removed == 70);
  const Lines all = f.read_all();
  CHECK(all.size() == 102 - 70);
  CHECK(std::find(all.begin(), all.end(), "cart-2/20 ! stream_deleted") != all.end());
  CHECK(f.read("keep").size() == 20);
  CHECK(f.retain().events_removed == 0);
  // Begun anew, the event that ended it is no news any more.
  f.append("cart-2", {"n"});
  CHECK(f.retain().events_removed == 1);
  CHECK(f.read("cart-2") == Lines{"cart-2/21 nn {}"});
}

TEST_CASE("streams: retention leaves to consumers what they have not read") {
  Fixture f;
  f.append_many("s", 60);
  f.remove("s");
  const auto held = f.retain({30});
  CHECK(held.held_back);
  CHECK(held.events_removed > 0);
  CHECK(held.events_removed <= 30);
  CHECK(f.read("s").empty());
  CHECK(held.events_removed + f.retain().events_removed == 60);
}

TEST_CASE("streams: what they are stays known when every event before is gone") {
  Fixture f;
  f.append_many("gone", 30);
  f.append_many("cut", 30);
  f.end("gone");
  f.truncate("cut", 30);
  f.append_many("s", 60);
  f.clock.advance(std::chrono::hours(10));
  RetentionRule rule;
  rule.max_age = std::chrono::hours(5);
  CHECK(f.retain({UINT64_MAX}, rule).segments_let_go > 0);
  CHECK(f.read_all().empty());
  f.reopen();
  CHECK(f.state_of("gone").life == StreamLife{StreamStatus::tombstoned, {31}});
  CHECK(f.state_of("cut").life == StreamLife{StreamStatus::open, {30}});
  CHECK(f.appended("gone", Expected::any(), {"a"}) ==
        "stream gone was tombstoned at revision 30: it ended for ever, use another name");
  CHECK(f.appended("cut", Expected::exactly({30}), {"x"}) == "appended at 122, next 32");
}

TEST_CASE(
    "streams: an aggregate snapshot that misses events which count no more is used, one that "
    "misses others is not") {
  Fixture f;
  f.append_many("s", 20);
  const StreamId stream = f.store->stream("s");
  AggregateSnapshots snapshots(f.disk, "store", f.store->manifest().uuid);
  must(snapshots.save(stream, "s", {{9}, "to nine"}));
  const auto load = [&] {
    return must(snapshots.load(stream, "s", {100}, f.state_of("s").life)).has_value();
  };
  CHECK(load());
  f.truncate("s", 10);
  CHECK(load());
  f.truncate("s", 12);
  CHECK_FALSE(load());
  must(snapshots.save(stream, "s", {{15}, "to fifteen"}));
  CHECK(load());
  f.remove("s");
  CHECK_FALSE(load());
  f.append("s", {"x"});
  CHECK_FALSE(load());
  for (std::uint64_t last = 25; last < 27; ++last) {
    f.remove("s");
    f.retain();
    CHECK_FALSE(must(f.disk.exists("store/state/aggregates/00000001.aggregate")));
    f.append("s", {"begun anew"});
    must(snapshots.save(stream, "s", {{last}, "anew"}));
    CHECK(load());
  }
}

TEST_CASE("streams: a table's ends only with the table, and an ended name takes no table") {
  Fixture f;
  Writer writer(*f.store);
  writer.begin(1);
  writer.row(1, "a");
  must(writer.commit());
  const auto ended = f.store->tombstone_stream("shop.public.orders", Expected::any());
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::misconfigured);
  CHECK(ended.error().what.find("retention rule") != std::string::npos);
  CHECK_FALSE(f.store->truncate_stream("shop.public.orders", {1}, Expected::any()));
  CHECK_FALSE(f.store->delete_stream("shop.$ddl", Expected::any()));

  f.append("shop.public.late", {"a"});
  f.remove("shop.public.late");
  Writer late(*f.store, "shop.public.late");
  late.begin(2);
  late.row(1, "b");
  must(late.commit());
  const auto reader = must(f.store->reader());
  reader->only_streams({"shop.public.late"});
  CHECK(must(reader->next())->revision == Revision{2});

  f.end("shop.public.barred");
  Writer barred(*f.store, "shop.public.barred");
  barred.begin(3);
  barred.row(1, "c");
  const auto refused = barred.commit();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::conflict);
  CHECK(refused.error().what.find("ended for ever") != std::string::npos);
}

TEST_CASE("streams: a restore to any position knows what streams were there") {
  Fixture f;
  f.append("s", {"a", "b"});
  f.remove("s");
  f.append("s", {"c"});
  f.truncate("s", 4);
  f.end("t");
  const auto ignore = [](const CopyProgress&) {};
  must(back_up_store(f.disk, f.clock, "store", "backup", ignore));
  const std::vector<Lines> expected = {{},
                                       {"s/0 aa {}"},
                                       {"s/0 aa {}", "s/1 bb {}"},
                                       {},
                                       {"s/3 cc {}"},
                                       {"s/4 ! stream_truncated"},
                                       {"s/4 ! stream_truncated"}};
  for (std::uint64_t end = 0; end < expected.size(); ++end) {
    CAPTURE(end);
    const std::string folder = "restored" + std::to_string(end);
    must(restore_store(f.disk, f.clock, "backup", folder, Position{end}, ignore));
    const auto reader = must(StoreReader::open(f.disk, folder));
    reader->only_streams({"s"});
    CHECK(lines_of(*reader) == expected[end]);
    const auto restored = must(EventStore::open(f.disk, f.clock, folder, small_store()));
    const auto outcome = must(restored->append(request_of("t", Expected::no_stream(), {"a"})));
    CHECK(std::holds_alternative<AppendConflict>(outcome) == (end == 6));
  }
}

TEST_CASE("streams: a salvage knows what became of them, also by a batch that is lost") {
  Fixture f;
  f.append_many("s", 10);
  f.append_many("t", 10);
  f.append_many("u", 10);
  must(f.store->seal());
  const std::uint64_t segment = f.store->manifest().segments.back().id;
  f.truncate("u", 5);
  f.remove("s");
  f.end("t");
  REQUIRE(f.store->manifest().segments.back().id == segment);
  must(f.store->seal());
  f.append_many("v", 5);
  f.store.reset();
  // The batches that said so.
  const StorePaths paths("store");
  const std::string path = paths.segment(segment, 0);
  const auto file = must(f.disk.open_write(path));
  std::string bytes;
  must(file->read(0, 1 << 16, bytes));
  bool damaged = false;
  SUBCASE("whole") {}
  SUBCASE("lost") { damaged = true; }
  if (damaged) must(file->write(bytes.find_last_not_of('\0') - 300, std::string(200, 'x')));
  must(salvage_store(f.disk, f.clock, "store", "salvaged", [](const CopyProgress&) {}));
  const auto salvaged = must(EventStore::open(f.disk, f.clock, "salvaged", small_store()));
  const auto outcome = must(salvaged->append(request_of("t", Expected::any(), {"x"})));
  REQUIRE(std::holds_alternative<AppendConflict>(outcome));
  CHECK(std::get<AppendConflict>(outcome).kind == AppendConflict::Kind::tombstoned);
  const auto reader = must(salvaged->reader());
  reader->only_streams({"s", "t"});
  CHECK(lines_of(*reader).empty());
  const auto verified = must(verify_store(f.disk, "salvaged", [](const VerifyProgress&) {}));
  for (const std::string& each : verified.damage) FAIL_CHECK(each);
}

namespace {

// One event of 10,000 bytes that do not compress.
Result<AppendOutcome> append_noise(Fixture& f, int number) {
  std::string noise;
  for (std::uint64_t seed = 1; noise.size() < 10'000; seed = seed * 6364136223846793005 + 1)
    noise.push_back(static_cast<char>(seed >> 56));
  AppendRequest request = request_of("s", Expected::any(), {});
  request.streams.front().events.push_back(event_of("n" + std::to_string(number), noise));
  return f.store->append(request);
}

void fill_disk(Fixture& f) {
  Result<AppendOutcome> outcome = fail(Code::failed, "nothing yet");
  for (int i = 0; i < 1000; ++i) {
    outcome = append_noise(f, i);
    if (!outcome) break;
  }
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == Code::disk_full);
  REQUIRE_FALSE(append_noise(f, 1000));
}

}  // namespace

TEST_CASE("streams: below the floor of free disk a stream can still be cut and ended") {
  Fixture f;
  f.append("s", {"a", "b"});
  f.store.reset();
  f.disk.set_capacity(1 << 20);
  StoreOptions options = small_store(64 << 10);
  options.disk_floor_bytes = 4 << 20;
  f.store = must(EventStore::open(f.disk, f.clock, "store", options));
  fill_disk(f);
  // More of them than the segment has room for.
  for (std::uint64_t n = 1; n < 200; ++n) CHECK(f.truncate("s", n).starts_with("open at "));
  CHECK(f.remove("s").starts_with("deleted at "));
  CHECK(f.read("s").empty());
}

TEST_CASE("streams: where no whole segment fits any more, a stream can still be cut and ended") {
  Fixture f;
  f.append("s", {"a", "b"});
  f.store.reset();
  constexpr std::uint64_t segment_bytes = 64 << 10;
  std::uint64_t used = 0;
  for (const auto& [path, content] : f.disk.files()) used += content.size();
  f.disk.set_capacity(used + 5 * segment_bytes / 2);
  const auto open = [&] {
    f.store = must(EventStore::open(f.disk, f.clock, "store", small_store(segment_bytes)));
  };
  open();
  fill_disk(f);
  const std::size_t segments = f.store->manifest().segments.size();
  for (std::uint64_t n = 1; n < 60; ++n) REQUIRE(f.truncate("s", n).starts_with("open at "));
  CHECK(f.store->manifest().segments.size() > segments);
  f.store.reset();
  open();
  CHECK(f.remove("s").starts_with("deleted at "));
  CHECK(f.read("s").empty());
  f.store.reset();
  for (const std::string& each :
       must(verify_store(f.disk, "store", [](const VerifyProgress&) {})).damage)
    FAIL_CHECK(each);
}

TEST_CASE("full disk: a rewrite that has no room leaves what is left to who appends") {
  Fixture f;
  f.append("s", {"a", "b"});
  f.store.reset();
  std::uint64_t used = 0;
  for (const auto& [path, content] : f.disk.files()) used += content.size();
  f.disk.set_capacity(used + 1000);
  f.store = must(EventStore::open(f.disk, f.clock, "store", small_store(64 << 10)));
  CHECK_FALSE(f.store->seal());
  f.append("s", {"c"});
  CHECK(f.read("s").size() == 3);
}

TEST_CASE("full disk: an index is made behind the next segment's space, or where there is none") {
  Fixture f;
  f.store.reset();
  constexpr std::uint64_t segment_bytes = 64 << 10;
  f.store = must(EventStore::open(f.disk, f.clock, "store", small_store(segment_bytes)));
  for (int i = 0; f.store->manifest().segments.size() < 2; ++i) must(append_noise(f, i));
  f.store.reset();
  std::uint64_t used = 0;
  for (const auto& [path, content] : f.disk.files()) used += content.size();
  const std::string index = "store/segments/00000001-0.index";
  const auto is_made_with = [&](std::uint64_t free_bytes) {
    FaultyDisk disk = f.disk;
    static_cast<void>(disk.remove(index));
    disk.set_capacity(used + free_bytes);
    const auto store = must(EventStore::open(disk, f.clock, "store", small_store(segment_bytes)));
    static_cast<void>(store->make_indexes());
    return disk.files().contains(index);
  };
  CHECK(is_made_with(2 * segment_bytes));
  CHECK(is_made_with(segment_bytes / 2));
}

TEST_CASE("streams: retention cut off at any disk call leaves what counts, and what they are" *
          doctest::test_suite("crash")) {
  Fixture f;
  f.append_many("s", 25);
  f.append_many("t", 25);
  f.append_many("u", 25);
  f.truncate("s", 20);
  f.remove("t");
  f.end("u");
  must(f.store->seal());
  const Lines counting = f.read("s");
  REQUIRE(counting.size() == 6);
  f.store.reset();
  const FaultyDisk before = f.disk.after_kill();
  const auto retain = [](FaultyDisk& disk, FakeClock& clock) -> Result<std::uint64_t> {
    TRY(const auto store, EventStore::open(disk, clock, "store", small_store(2048)));
    RetentionPlan plan;
    plan.rule_of = [](std::string_view) { return RetentionRule{}; };
    RetentionMemory memory;
    TRY(const RetentionReport report, apply_retention(*store, plan, memory));
    return report.events_removed;
  };
  FaultyDisk whole = before;
  REQUIRE(must(retain(whole, f.clock)) == 70);
  const auto calls = whole.calls();
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    if (!changes_disk(calls[call])) continue;
    CAPTURE(call);
    FaultyDisk disk = before;
    disk.crash_at(call, 100);
    static_cast<void>(retain(disk, f.clock));
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      f.disk = disk.after_power_loss(survives, call);
      static_cast<void>(must(retain(f.disk, f.clock)));
      CHECK(f.read("s") == counting);
      CHECK(f.read("t").empty());
      CHECK(f.read_all().size() == 6 + 2);
      CHECK(f.state_of("u").life == StreamLife{StreamStatus::tombstoned, {26}});
    }
  }
}

TEST_CASE("streams: an erasure reaches events that no longer count") {
  Fixture f;
  StreamAppend part{"s", Expected::any(), {}};
  part.events.push_back(event_of("a", "{\"secret\":\"7f3a\"}"));
  part.events.back().key = "k";
  must(f.store->append(AppendRequest{{part}}));
  f.remove("s");
  CHECK(must(erase(*f.store, "s", {"k"}, {})).events == 1);
  for (const std::string& name : must(f.disk.list("store/segments"))) {
    const std::string bytes = must(read_file(f.disk, "store/segments/" + name));
    CHECK(bytes.find("7f3a") == std::string::npos);
  }
  f.verify();
}

}  // namespace tidelog::testing
