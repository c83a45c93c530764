// Erasure: no byte of the key's events stays in the store, whenever it is interrupted, and nothing
// else changes.
#include "eventstore/erasure.h"

#include <doctest/doctest.h>

#include <set>

#include "eventstore/retention.h"
#include "eventstore/state_directory.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

std::string key_of(std::int64_t id) {
  std::string key;
  put_value(key, Value(id));
  return key;
}

// Row changes of one table, a transaction each.
class Table {
 public:
  explicit Table(EventStore& store) : store_(store), stream_(store.stream("shop.public.orders")) {}

  void insert(std::int64_t id, std::string_view note) { one(row(EventType::insert, id, note)); }
  void load(std::int64_t id, std::string_view note) { one(row(EventType::load, id, note)); }
  void update(std::int64_t id, std::string_view note) { one(row(EventType::update, id, note)); }
  void remove(std::int64_t id) { one(gone(id)); }
  void truncate() {
    EventBody event;
    event.type = EventType::truncate;
    one(event);
  }
  void move(std::int64_t from, std::int64_t to, std::string_view note) {
    EventBody old = gone(from);
    old.moved = true;
    begin();
    put(old);
    EventBody event = row(EventType::insert, to, note);
    const std::string old_key = key_of(from);
    event.moved = true;
    event.before_kind = Before::key;
    event.before = old_key;
    put(event);
    end();
  }

 private:
  EventBody row(EventType type, std::int64_t id, std::string_view note) {
    key_ = key_of(id);
    row_ = key_;
    put_value(row_, Value(Text{note}));
    EventBody event;
    event.type = type;
    event.key = key_;
    event.body = row_;
    return event;
  }
  EventBody gone(std::int64_t id) {
    key_ = key_of(id);
    EventBody event;
    event.type = EventType::remove;
    event.key = key_;
    event.before_kind = Before::key;
    event.before = key_;
    return event;
  }
  void one(const EventBody& event) {
    begin();
    put(event);
    end();
  }
  void begin() { batch_.begin({"7", {}, {}, {}, 0, 0}); }
  void put(EventBody event) {
    event.stream = stream_;
    const auto version = store_.schema(stream_, orders_schema());
    std::string encoded;
    put_schema(encoded, orders_schema());
    if (version.is_new) {
      EventBody schema;
      schema.type = EventType::schema;
      schema.stream = stream_;
      schema.schema = version.id;
      schema.body = encoded;
      batch_.add(schema);
    }
    event.schema = version.id;
    batch_.add(event);
  }
  void end() {
    batch_.commit();
    must(store_.append(batch_));
  }

  EventStore& store_;
  StreamId stream_;
  BatchBuilder batch_;
  std::string key_, row_;
};

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;

  Fixture() { open(); }
  void open() {
    store.reset();
    store = must(EventStore::open(disk, clock, "store", small_store(1024)));
  }
  ErasureReport erase(std::int64_t id) {
    return must(tidelog::erase(*store, "shop.public.orders", {key_of(id)}, {}));
  }
  RetentionReport compact(std::uint64_t keys_bytes_max = 64 << 20) {
    must(store->seal());
    RetentionPlan plan;
    plan.keys_bytes_max = keys_bytes_max;
    plan.rule_of = [](std::string_view) {
      RetentionRule rule;
      rule.compact = true;
      return rule;
    };
    plan.make_base = [](const std::string&, Position) { return Status(); };
    RetentionMemory memory;
    return must(apply_retention(*store, plan, memory));
  }
  std::set<std::string> notes() {
    std::set<std::string> notes;
    for (const Seen& event : read_all(*must(store->reader()))) {
      if (!event.note.empty()) notes.insert(event.note);
    }
    return notes;
  }
};

// One that moved in from key 1, and another one after it.
void two_rows_under_five(Table& table) {
  table.insert(1, "mine-a");
  table.move(1, 5, "mine-b");
  table.remove(5);
  table.insert(5, "other-a");
  table.update(5, "other-b");
}

bool mentions(const FaultyDisk& disk, const std::string& text) {
  for (const auto& [path, content] : disk.files()) {
    if (content.find(text) != std::string::npos) return true;
  }
  return false;
}

void check_whole(FaultyDisk& disk) {
  const auto report = must(verify_store(disk, "store", [](const VerifyProgress&) {}));
  for (const std::string& damage : report.damage) FAIL_CHECK(damage);
}

}  // namespace

TEST_CASE("erasure: every event of the key becomes a marker, the others stay in their places") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "mine-first");
  table.insert(2, "other");
  table.update(1, "mine-second");
  table.remove(1);
  table.insert(1, "mine-third");
  const auto before = read_all(*must(f.store->reader()));
  CHECK(f.erase(1).events == 4);
  const auto after = read_all(*must(f.store->reader()));
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    CAPTURE(i);
    const bool mine = i != 0 && before[i].note != "other";
    CHECK(after[i].type == (mine ? EventType::erased : before[i].type));
    CHECK(after[i].note == (mine ? "" : before[i].note));
    CHECK(after[i].revision == before[i].revision);
    CHECK(after[i].position == before[i].position);
  }
  check_whole(f.disk);
  CHECK_FALSE(mentions(f.disk, "mine"));
}

TEST_CASE("erasure: the marker has neither key nor content nor schema") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "mine");
  f.erase(1);
  const auto reader = must(f.store->reader());
  must(reader->seek({1}));
  const Event* event = must(reader->next());
  REQUIRE(event->type == EventType::erased);
  CHECK_FALSE(event->key);
  CHECK_FALSE(event->body);
  CHECK(event->before_kind == Before::none);
  CHECK(event->schema == SchemaId{});
  CHECK(event->attributes.empty());
  CHECK(event->stream_name == "shop.public.orders");
}

TEST_CASE("erasure: a row is followed through its key changes, in both directions") {
  for (const std::int64_t asked : {1, 2, 3}) {
    CAPTURE(asked);
    Fixture f;
    Table table(*f.store);
    table.insert(1, "mine-a");
    table.update(1, "mine-b");
    table.move(1, 2, "mine-c");
    table.move(2, 3, "mine-d");
    table.update(3, "mine-e");
    CHECK(f.erase(asked).events == 7);
    CHECK(f.notes().empty());
    CHECK_FALSE(mentions(f.disk, "mine"));
  }
}

TEST_CASE("erasure: another row that had one of these keys at another time stays") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "an earlier row");
  table.remove(1);
  table.insert(1, "mine-a");
  table.move(1, 2, "mine-b");
  table.insert(1, "a later row");
  table.move(1, 5, "the later row elsewhere");
  f.erase(2);
  CHECK(f.notes() ==
        std::set<std::string>{"an earlier row", "a later row", "the later row elsewhere"});
}

TEST_CASE("erasure: another row that has one of these keys now stays after compaction as well") {
  Fixture f;
  Table table(*f.store);
  two_rows_under_five(table);
  CHECK(f.compact().events_removed == 2);  // the first of each row; not the end of the first row
  f.erase(1);
  CHECK(f.notes() == std::set<std::string>{"other-b"});
}

TEST_CASE("erasure: it stays as well when compaction remembers one transaction at a time") {
  Fixture f;
  Table table(*f.store);
  two_rows_under_five(table);
  table.insert(7, "gone");
  table.remove(7);
  table.insert(7, "back");
  // The end of the first row stays, that of key 7 does not.
  CHECK(f.compact(0).events_removed == 4);
  f.erase(1);
  CHECK(f.notes() == std::set<std::string>{"other-b", "back"});
}

// A base state may hold another row under a key that the erased one had.
TEST_CASE("erasure: of saved rows, those that were changed after the row had left their key stay") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "mine-a");
  table.update(1, "mine-b");
  table.move(1, 5, "mine-c");
  table.insert(1, "other");
  CHECK(f.compact().events_removed == 2);
  const Position end = f.store->durable();
  std::optional<Erasure> told;
  ErasureOptions options;
  options.forget = [&](const Erasure& erasure) -> Status {
    told = erasure;
    return {};
  };
  must(tidelog::erase(*f.store, "shop.public.orders", {key_of(5)}, options));
  REQUIRE(told);
  REQUIRE(told->events.size() == 2);
  CHECK(told->has(key_of(1), {1}));  // its insertion, which compaction took
  CHECK(told->has(key_of(5), {0}));
  CHECK(told->has(key_of(5), told->events.back()));
  CHECK_FALSE(told->has(key_of(1), {end.value - 1}));
  CHECK_FALSE(told->has(key_of(2), {0}));
}

TEST_CASE("erasure: a row that was loaded again is the same row") {
  Fixture f;
  Table table(*f.store);
  table.load(1, "mine-a");
  table.move(1, 5, "mine-b");
  table.load(5, "mine-c");
  f.erase(1);
  CHECK(f.notes().empty());
}

TEST_CASE("state files: what a process removed before it was killed does not come back") {
  FaultyDisk disk;
  const StateDirectory states(disk, "store");
  const SnapshotName name{{1}, {7}, false};
  must(disk.make_directory("store"));
  {
    const auto lock = must(states.lock("first"));
    const std::string temporary = states.temporary_path("1");
    must(must(disk.create(temporary))->sync());
    must(states.publish(temporary, name));
    must(disk.remove(states.path(name)));  // and killed here
  }
  const auto lock = must(states.lock("second"));
  CHECK(must(states.list()).empty());
  FaultyDisk left = disk.after_power_loss(Survives::nothing, 0);
  CHECK(must(StateDirectory(left, "store").list()).empty());
}

TEST_CASE("erasure: what the key held before a truncation is erased as well") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "mine-a");
  table.insert(2, "other");
  table.truncate();
  table.insert(1, "mine-b");
  f.erase(1);
  CHECK(f.notes() == std::set<std::string>{"other"});
}

TEST_CASE("erasure: a key that no event has changes nothing") {
  Fixture f;
  Table table(*f.store);
  table.insert(1, "other");
  CHECK(f.erase(9).events == 0);
  CHECK(f.notes() == std::set<std::string>{"other"});
}

TEST_CASE("erasure: cut off at any disk call, it is taken up again and leaves no byte" *
          doctest::test_suite("crash")) {
  Fixture f;
  Table table(*f.store);
  for (int i = 0; i < 12; ++i) {
    table.insert(100 + i, "other " + std::to_string(i));
    table.insert(1, "mine " + std::to_string(i));
    if (i % 3 == 0) table.move(1, 2, "mine elsewhere");
    if (i % 3 == 0) table.remove(2);
  }
  const std::set<std::string> kept = [&] {
    std::set<std::string> notes = f.notes();
    std::erase_if(notes, [](const std::string& note) { return note.starts_with("mine"); });
    return notes;
  }();
  const FaultyDisk before = f.disk;
  const auto erase_on = [&](FaultyDisk& disk) -> Status {
    TRY(const auto store, EventStore::open(disk, f.clock, "store", small_store(1024)));
    TRY_DO(tidelog::erase(*store, "shop.public.orders", {key_of(2)}, {}));
    return {};
  };
  FaultyDisk whole = before;
  must(erase_on(whole));
  REQUIRE_FALSE(mentions(whole, "mine elsewhere"));

  for (std::uint64_t call = 0; call < whole.call_count(); ++call) {
    FaultyDisk crashed = before;
    crashed.crash_at(call);
    if (erase_on(crashed)) continue;
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      CAPTURE(call);
      CAPTURE(name_of(survives));
      FaultyDisk disk = crashed.after_power_loss(survives, call);
      {
        const auto store = must(EventStore::open(disk, f.clock, "store", small_store(1024)));
        must(resume_erasures(*store, {}));
      }
      must(erase_on(disk));  // as a person would who saw the first try fail
      CHECK_FALSE(mentions(disk, "mine elsewhere"));
      check_whole(disk);
      const auto store = must(EventStore::open(disk, f.clock, "store", small_store(1024)));
      std::set<std::string> notes;
      for (const Seen& event : read_all(*must(store->reader()))) notes.insert(event.note);
      for (const std::string& note : kept) CHECK(notes.contains(note));
    }
  }
}

TEST_CASE("erasure: a damaged list of what is to be erased is told, not taken for none") {
  Fixture f;
  f.disk.put_file("store/erasures", std::string("TLGE\x01\0\0\0\x01garbage", 16));
  CHECK(pending_erasures(f.disk, f.store->paths()).error().code == Code::corrupt);
}

}  // namespace tidelog::testing
