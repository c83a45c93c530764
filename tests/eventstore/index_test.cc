// Segments' indexes, and the reads that go by them: whatever a filter, a direction, an index that
// is there or not, the answer is that of a plain scan.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "eventstore/index_builder.h"
#include "eventstore/segment_index.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;
  void open(std::uint64_t segment_bytes = 16384) {
    store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
  }
};

// One event, with all that a filter looks at.
struct Line {
  std::string text;  // everything that a reader gets
  std::string stream, type, name, key, old_key;
  bool moved = false;
  std::uint64_t position = 0, revision = 0;
};

Line line_of(const Event& event) {
  Line line;
  line.stream = event.stream_name;
  line.type = name_of(event.type);
  line.name = find_attribute(event.attributes, Attribute::name).value_or("");
  line.key = event.key.value_or("none");
  if (event.before_kind == Before::key) line.old_key = event.before;
  line.moved = event.moved;
  line.position = event.position.value;
  line.revision = event.revision.value;
  line.text = fmt::format(
      "{} {} {} {} {} {} {} {} {} {}/{} {} {} {}", line.position, line.stream, line.revision,
      line.type, line.name, line.key, line.old_key, event.body.value_or("none"),
      event.transaction.id, event.transaction.event_index, event.transaction.event_count,
      event.transaction.commit_time.value, event.append_time.value, event.source_name);
  return line;
}

std::vector<Line> forwards(StoreReader& reader) {
  std::vector<Line> lines;
  for (;;) {
    const Event* event = must(reader.next());
    if (event == nullptr) return lines;
    lines.push_back(line_of(*event));
  }
}

std::vector<Line> backwards(StoreReader& reader) {
  std::vector<Line> lines;
  for (;;) {
    const Event* event = must(reader.previous());
    if (event == nullptr) return lines;
    lines.push_back(line_of(*event));
  }
}

std::vector<std::string> texts(const std::vector<Line>& lines) {
  std::vector<std::string> all;
  for (const Line& line : lines) all.push_back(line.text);
  return all;
}

// Random histories: single events, large batches, staged transactions, moves, several sources.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {}

  void append(Fixture& f, int operations) {
    for (int i = 0; i < operations; ++i) {
      f.clock.advance(std::chrono::microseconds(below(1000)));
      if (below(12) == 0) {
        stage(f);
      } else {
        batch(f);
      }
    }
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

 private:
  static std::string stream_name(std::uint64_t n) {
    return fmt::format("{}.t{}", n % 2 == 0 ? "shop.public" : "crm", n);
  }

  template <class Into>
  void events(Fixture& f, Into& into, std::uint64_t count) {
    const std::uint64_t streams = below(3) == 0 ? 20 : 3;
    for (std::uint64_t i = 0; i < count; ++i) event(f, into, stream_name(below(streams)));
  }

  template <class Into>
  void event(Fixture& f, Into& into, const std::string& stream) {
    EventBody event;
    event.stream = f.store->stream(stream);
    key_ = "key" + std::to_string(below(30));
    body_ = std::string(below(400), static_cast<char>('a' + below(26)));
    event.body = body_;
    attributes_.clear();
    switch (below(10)) {
      case 0:
        event.type = EventType::truncate;
        event.body.reset();
        break;
      case 1:
      case 2: {
        event.type = EventType::application;
        constexpr const char* names[] = {"Paid", "Shipped",
                                         "insert"};  // also one that is called like ours
        put_attribute(attributes_, Attribute::name, names[below(3)]);
        put_attribute(attributes_, Attribute::event_id, id(++ids_));
        event.attributes = attributes_;
        break;
      }
      case 3: {
        event.type = EventType::remove;
        event.moved = true;
        event.key = key_;
        give(into, event);
        other_key_ = "key" + std::to_string(below(30));
        event.type = EventType::insert;
        event.key = other_key_;
        if (below(2) == 0) {
          event.before_kind = Before::key;
          event.before = key_;
        }
        break;
      }
      default:
        event.type = below(2) == 0 ? EventType::insert : EventType::update;
        event.key = key_;
    }
    give(into, event);
  }

  void batch(Fixture& f) {
    BatchBuilder builder;
    const std::uint64_t transactions = 1 + below(3);
    for (std::uint64_t t = 0; t < transactions; ++t) {
      begin(builder);
      events(f, builder, 1 + (below(6) == 0 ? below(120) : below(5)));
      builder.commit();
    }
    const std::uint64_t source = below(3);
    if (source != 0) builder.set_source(f.store->source("s" + std::to_string(source)), "at");
    must(f.store->append(builder));
  }

  void stage(Fixture& f) {
    const auto staged = must(f.store->stage());
    begin(*staged);
    events(f, *staged, 1 + below(300));
    must(f.store->adopt(*staged, f.store->source("s1"), "at"));
  }

  template <class Into>
  void begin(Into& into) {
    id_ = std::to_string(++transactions_);
    Transaction transaction;
    transaction.id = id_;
    transaction.commit_time = {static_cast<std::int64_t>(transactions_ * 10 + below(25))};
    if constexpr (std::is_same_v<Into, StagingWriter>) {
      must(into.begin(transaction));
    } else {
      into.begin(transaction);
    }
  }

  static std::string id(std::uint64_t n) { return fmt::format("{:016}", n); }
  static void give(BatchBuilder& into, const EventBody& event) { into.add(event); }
  static void give(StagingWriter& into, const EventBody& event) { must(into.add(event)); }

  std::mt19937_64 random_;
  std::uint64_t transactions_ = 0;
  std::uint64_t ids_ = 0;
  std::string id_, key_, other_key_, body_, attributes_;
};

EventFilter random_filter(History& random) {
  EventFilter filter;
  const auto name = [&] {
    const std::uint64_t n = random.below(22);
    return fmt::format("{}.t{}", n % 2 == 0 ? "shop.public" : "crm", n);
  };
  const std::uint64_t kind = random.below(6);
  if (kind <= 2) filter.streams.push_back(name());
  if (kind == 1) filter.streams.push_back(name());
  if (kind == 3) filter.categories.emplace_back("crm.");
  if (kind == 4) filter.categories.emplace_back("shop.public.");
  const char* const types[] = {"insert", "truncate", "Paid", "application", "delete", "never"};
  if (random.below(3) == 0) filter.types.emplace_back(types[random.below(6)]);
  if (random.below(5) == 0) filter.types.emplace_back(types[random.below(6)]);
  if (random.below(4) == 0) filter.application_types.emplace_back(types[random.below(6)]);
  if (random.below(3) == 0) {
    filter.keys.push_back("key" + std::to_string(random.below(33)));
    filter.whole_history = random.below(2) == 0;
  }
  return filter;
}

// What the filter says, without any of the reader's means.
bool takes(const EventFilter& filter, const std::vector<Line>& all, std::size_t at) {
  const Line& line = all[at];
  const auto in = [](const std::vector<std::string>& list, const std::string& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  const bool by_category =
      std::any_of(filter.categories.begin(), filter.categories.end(),
                  [&](const std::string& prefix) { return line.stream.starts_with(prefix); });
  if (filter.names_streams() && !in(filter.streams, line.stream) && !by_category) return false;
  const bool by_name = !event_type_named(line.name) && in(filter.types, line.name);
  const bool type =
      in(filter.types, line.type) ||
      (line.type == "application" && (by_name || in(filter.application_types, line.name)));
  if (filter.names_types() && !type) return false;
  if (filter.keys.empty() || in(filter.keys, line.key)) return true;
  if (!filter.whole_history) return false;
  if (line.type == "truncate") return true;
  const bool second = line.moved && line.type == "insert" && at > 0 && all[at - 1].moved &&
                      all[at - 1].type == "delete" && in(filter.keys, all[at - 1].key) &&
                      all[at - 1].stream == line.stream;
  // Its first half must be wanted, too.
  const bool first_taken = !filter.names_types() || in(filter.types, "delete");
  return in(filter.keys, line.old_key) || (second && first_taken);
}

std::vector<std::string> filtered(const EventFilter& filter, const std::vector<Line>& all) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (takes(filter, all, i)) lines.push_back(all[i].text);
  }
  return lines;
}

std::vector<std::string> reversed(std::vector<std::string> lines) {
  std::reverse(lines.begin(), lines.end());
  return lines;
}

std::size_t index_count(const FaultyDisk& disk) {
  const auto files = disk.files();
  return static_cast<std::size_t>(std::count_if(
      files.begin(), files.end(), [](const auto& file) { return file.first.ends_with(".index"); }));
}

void check_reads(StoreReader& reader, const std::vector<Line>& all, History& random, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const EventFilter filter = random_filter(random);
    CAPTURE(round);
    reader.set_filter(filter);
    const auto expected = filtered(filter, all);
    must(reader.seek({0}));
    CHECK(texts(forwards(reader)) == expected);
    // The second half of a key change without its old key shows itself only after the first.
    if (!filter.whole_history) CHECK(texts(backwards(reader)) == reversed(expected));
    const Position middle{random.below(all.size() + 1)};
    must(reader.seek(middle));
    const auto rest = texts(forwards(reader));
    must(reader.seek(middle));
    const auto before =
        filter.whole_history ? std::vector<std::string>() : texts(backwards(reader));
    if (!filter.whole_history) {
      auto both = reversed(before);
      both.insert(both.end(), rest.begin(), rest.end());
      CHECK(both == expected);
    }
  }
  reader.set_filter({});
}

}  // namespace

TEST_CASE("index: a filtered read, either way, with and without indexes, is a scan and a filter") {
  const std::uint64_t seed = test_seed();
  CAPTURE(seed);
  for (std::uint64_t round = 0; round < 4; ++round) {
    History random(seed + round);
    Fixture f;
    f.open(8192);
    random.append(f, 150);
    const auto plain = must(f.store->reader());
    const auto all = forwards(*plain);
    REQUIRE(all.size() == f.store->durable().value);
    CHECK(texts(backwards(*plain)) == reversed(texts(all)));
    check_reads(*plain, all, random, 10);
    must(f.store->make_indexes());
    REQUIRE(index_count(f.disk) > 2);
    check_reads(*plain, all, random, 25);
    const auto fresh = must(f.store->reader());
    CHECK(texts(backwards(*fresh)).empty());
    must(fresh->seek(f.store->durable()));
    CHECK(texts(backwards(*fresh)) == reversed(texts(all)));
    check_reads(*fresh, all, random, 10);
  }
}

TEST_CASE("index: a place by revision, by time and by transaction is the same with and without") {
  const std::uint64_t seed = test_seed();
  CAPTURE(seed);
  History random(seed);
  Fixture f;
  f.open(8192);
  random.append(f, 120);
  const auto reader = must(f.store->reader());
  const auto all = forwards(*reader);
  for (const bool indexed : {false, true}) {
    CAPTURE(indexed);
    if (indexed) must(f.store->make_indexes());
    const auto asked = must(f.store->reader());
    for (int i = 0; i < 40; ++i) {
      const Line& line = all[random.below(all.size())];
      must(asked->seek(line.stream, Revision{line.revision}));
      CHECK(asked->position().value == line.position);
    }
    must(asked->seek(all.front().stream, Revision{1'000'000}));
    CHECK(asked->position() == asked->durable());
  }
  // Against a reader of a store whose indexes are taken away.
  FaultyDisk bare(f.disk);
  for (const auto& [path, content] : f.disk.files()) {
    if (path.ends_with(".index")) must(bare.remove(path));
  }
  const auto plain = must(StoreReader::open(bare, "store"));
  const auto indexed = must(f.store->reader());
  for (std::int64_t time = 0; time < 3000; time += 13) {
    for (const std::string source : {"", "s1", "s2"}) {
      CAPTURE(time);
      CAPTURE(source);
      const UnixMicros at{source.empty() ? f.clock.now().value - 60'000 + time * 30 : time};
      CHECK(must(plain->end_through(at, source)) == must(indexed->end_through(at, source)));
    }
  }
  for (std::uint64_t last = 0; last < all.size(); last += 7)
    CHECK(must(plain->end_through(Position{last})) == must(indexed->end_through(Position{last})));
}

TEST_CASE("index: made again it has the same bytes") {
  History random(7);
  Fixture f;
  f.open(5000);
  random.append(f, 60);
  must(f.store->make_indexes());
  const auto first = f.disk.files();
  const StorePaths paths("store");
  const auto manifest = must(read_manifest(f.disk, paths));
  for (std::size_t i = 0; i + 1 < manifest.segments.size(); ++i) {
    const IndexSubject subject{manifest.uuid, manifest.segments[i], manifest.segments[i + 1].base};
    const std::string path = paths.index(subject.segment.id, 0);
    must(f.disk.remove(path));
    must(make_index(f.disk, paths, subject, {}));
    CHECK(f.disk.files().at(path) == first.at(path));
  }
}

TEST_CASE("index: a missing, damaged or foreign one is made anew by the writer") {
  History random(8);
  Fixture f;
  f.open(5000);
  random.append(f, 60);
  must(f.store->make_indexes());
  const auto whole = f.disk.files();
  const StorePaths paths("store");
  REQUIRE(index_count(f.disk) >= 4);
  must(f.disk.remove(paths.index(1, 0)));
  f.disk.flip_bit(paths.index(2, 0), 8 * 300);
  f.disk.put_file(paths.index(3, 0), whole.at(paths.index(4, 0)));
  f.disk.put_file(paths.index(4, 0), "short");
  f.store.reset();
  f.open(5000);
  must(f.store->make_indexes());
  for (std::uint64_t id = 1; id <= 4; ++id) {
    CAPTURE(id);
    CHECK(f.disk.files().at(paths.index(id, 0)) == whole.at(paths.index(id, 0)));
  }
}

TEST_CASE("index: any flipped bit is noticed or makes no difference" *
          doctest::test_suite("slow")) {
  History random(9);
  Fixture f;
  f.open(12000);
  random.append(f, 24);
  must(f.store->make_indexes());
  const StorePaths paths("store");
  const auto all = forwards(*must(f.store->reader()));
  EventFilter filter;
  filter.streams = {all[3].stream};
  filter.types = {all[3].type};
  const auto expected = filtered(filter, all);
  EventFilter keyed;
  keyed.streams = {all[5].stream};
  keyed.keys = {all[5].key};
  const auto keyed_expected = filtered(keyed, all);
  const std::string path = paths.index(1, 0);
  const std::uint64_t bits = f.disk.files().at(path).size() * 8;
  for (std::uint64_t bit = 0; bit < bits; bit += 3) {
    FaultyDisk flipped(f.disk);
    flipped.flip_bit(path, bit);
    const auto reader = must(StoreReader::open(flipped, "store"));
    reader->set_filter(filter);
    const bool same = texts(forwards(*reader)) == expected;
    const bool same_back = texts(backwards(*reader)) == reversed(expected);
    reader->set_filter(keyed);
    must(reader->seek({0}));
    const bool same_keyed = texts(forwards(*reader)) == keyed_expected;
    if (same && same_back && same_keyed) continue;
    CAPTURE(bit);
    CHECK(same);
    CHECK(same_back);
    CHECK(same_keyed);
  }
}

TEST_CASE("index: a crash anywhere while one is made leaves a store that opens" *
          doctest::test_suite("crash")) {
  History random(10);
  Fixture f;
  f.open(8192);
  random.append(f, 30);
  f.store.reset();
  const auto expected = texts(forwards(*must(StoreReader::open(f.disk, "store"))));
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FaultyDisk disk(f.disk);
    auto store = must(EventStore::open(disk, f.clock, "store", small_store(16384)));
    disk.crash_at(disk.call_count() + call, call % 700);
    const Status made = store->make_indexes();
    const bool crashed = disk.crashed();
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      FaultyDisk left = disk.after_power_loss(survives, call);
      const auto again = must(EventStore::open(left, f.clock, "store", small_store(16384)));
      CHECK(texts(forwards(*must(again->reader()))) == expected);
      must(again->make_indexes());
      const auto reader = must(again->reader());
      must(reader->seek(again->durable()));
      CHECK(texts(backwards(*reader)) == reversed(expected));
    }
    store.reset();
    if (!crashed) break;
    call += call / 8;  // the calls are many and alike
  }
}

TEST_CASE("index: a reader beside a writer that seals segments sees every event once" *
          doctest::test_suite("threads")) {
  Fixture f;
  StoreOptions options = small_store(16384);
  options.background = true;
  f.store = must(EventStore::open(f.disk, f.clock, "store", options));
  constexpr std::uint64_t count = 1500;
  const auto note = std::string(100, 'n');
  EventFilter filter;
  filter.streams = {"shop.public.customers"};
  const auto reader = must(f.store->reader());
  reader->set_filter(filter);
  std::jthread writing([&] {
    Writer orders(*f.store);
    Writer customers(*f.store, "shop.public.customers");
    for (std::uint64_t i = 1; i <= count; ++i) {
      Writer& writer = i % 10 == 0 ? customers : orders;
      writer.begin(i * 10);
      writer.row(static_cast<std::int64_t>(i), note);
      must(writer.commit());
    }
  });
  std::uint64_t next = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (next < count / 10 + 1 && std::chrono::steady_clock::now() < deadline) {
    const Event* event = must(reader->next());
    if (event == nullptr) {
      std::this_thread::yield();
      continue;
    }
    REQUIRE(event->revision.value == next++);
    // Another one goes back from here meanwhile.
    if (next % 50 != 0) continue;
    const auto back = must(StoreReader::open(f.disk, "store"));
    back->set_filter(filter);
    must(back->seek(reader->position()));
    std::uint64_t left = next;
    while (const Event* earlier = must(back->previous()))
      REQUIRE(earlier->revision.value == --left);
    CHECK(left == 0);
  }
  CHECK(next == count / 10 + 1);
}

}  // namespace tidelog::testing
