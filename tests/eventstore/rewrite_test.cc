// Rewriting sealed segments: what is kept is as it was, what is not is gone, and positions,
// revisions, transactions and the chain stay, however often a segment is rewritten.
#include "eventstore/rewrite.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "eventstore/packing.h"
#include "eventstore/verify.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using Fates = std::map<std::uint64_t, Fate>;

class PlannedFates : public RewritePlan {
 public:
  explicit PlannedFates(const Fates& fates) : fates_(fates) {}
  bool touches(Position begin, Position end) override {
    const auto at = fates_.lower_bound(begin.value);
    return at != fates_.end() && at->first < end.value;
  }
  Result<Fate> fate(const Event& event) override {
    const auto at = fates_.find(event.position.value);
    return at == fates_.end() ? Fate::keep : at->second;
  }

 private:
  const Fates& fates_;
};

// A store with transactions of one to forty events, some of them staged, in three streams.
struct History {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;
  std::mt19937_64 random;

  explicit History(std::uint64_t seed) : random(seed) { open(); }

  void open(format::Codec sealed_codec = format::Codec::lz4) {
    store.reset();
    StoreOptions options = small_store();
    options.sealed_codec = sealed_codec;
    store = must(EventStore::open(disk, clock, "store", options));
  }

  std::uint64_t below(std::uint64_t n) { return random() % n; }

  std::string note() {
    std::string text(below(120), 'a');
    for (char& c : text) c = static_cast<char>('a' + below(26));
    return text;
  }

  void write(int transactions) {
    std::vector<std::unique_ptr<Writer>> writers;
    for (const char* name : {"shop.public.orders", "shop.public.lines", "other"})
      writers.push_back(std::make_unique<Writer>(*store, name));
    for (int i = 0; i < transactions; ++i) {
      Writer& writer = *writers[below(writers.size())];
      const auto lsn = static_cast<std::uint64_t>(100 + i);
      writer.begin(lsn, i);
      if (below(12) == 0) {
        const auto staged = must(store->stage());
        must(writer.batch.move_open_transaction_to(*staged));
        for (std::uint64_t n = 1 + below(300); n > 0; --n)
          must(writer.put_row(*staged, static_cast<std::int64_t>(n), note()));
        must(store->adopt(*staged, writer.source(), writer.resume()));
        continue;
      }
      for (std::uint64_t n = 1 + below(40); n > 0; --n)
        writer.row(static_cast<std::int64_t>(n), note());
      must(writer.commit());
    }
    must(store->seal());
  }

  // Some alone, some in a row, some transactions whole.
  Fates some_fates(const std::vector<Seen>& events) {
    Fates fates;
    const auto any = [&] { return below(3) == 0 ? Fate::erase : Fate::remove; };
    for (int i = 0; i < 30; ++i) {
      const std::size_t begin = below(events.size());
      const std::size_t count = 1 + below(below(2) == 0 ? 3 : 200);
      const Fate fate = any();
      for (std::size_t at = begin; at < std::min(begin + count, events.size()); ++at)
        fates[events[at].position] = fate;
    }
    for (int i = 0; i < 10; ++i) {
      const Seen& one = events[below(events.size())];
      for (const Seen& event : events) {
        if (event.transaction == one.transaction) fates[event.position] = Fate::remove;
      }
    }
    return fates;
  }

  RewriteCounts rewrite(const Fates& fates) {
    PlannedFates plan(fates);
    const format::Manifest manifest = store->manifest();
    RewriteCounts counts;
    for (std::size_t i = 0; i + 1 < manifest.segments.size(); ++i) {
      const auto done =
          must(rewrite_segment(disk, store->paths(), manifest.segments[i],
                               manifest.segments[i + 1].base, plan, store->sealed_codec()));
      if (!done) continue;
      must(store->replace_segment(done->segment));
      counts += done->counts;
    }
    return counts;
  }
};

std::vector<Seen> after(std::vector<Seen> events, const Fates& fates) {
  std::erase_if(events, [&](const Seen& event) {
    const auto fate = fates.find(event.position);
    return fate != fates.end() && fate->second == Fate::remove;
  });
  for (Seen& event : events) {
    if (!fates.contains(event.position)) continue;
    event.type = EventType::erased;
    event.note.clear();
  }
  return events;
}

void check_whole(History& history, const std::vector<Seen>& expected) {
  const auto reader = must(history.store->reader());
  const auto events = read_all(*reader);
  REQUIRE(events.size() == expected.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    CAPTURE(i);
    CHECK(events[i] == expected[i]);
  }
  const auto report = must(verify_store(history.disk, "store", [](const VerifyProgress&) {}));
  for (const std::string& damage : report.damage) FAIL_CHECK(damage);
  // By the indexes of the new generations, from the end, and one stream alone.
  must(history.store->make_indexes());
  must(reader->seek(history.store->durable()));
  for (auto at = expected.rbegin(); at != expected.rend(); ++at) {
    const Event* const event = must(reader->previous());
    REQUIRE(event != nullptr);
    CHECK(seen(*event) == *at);
  }
  CHECK(must(reader->previous()) == nullptr);
  reader->only_streams({"shop.public.lines"});
  must(reader->seek({0}));
  for (const Seen& one : expected) {
    if (one.stream == "shop.public.lines") CHECK(seen(*must(reader->next())) == one);
  }
  CHECK(must(reader->next()) == nullptr);
}

}  // namespace

TEST_CASE("rewrite: what is kept stays as it was, again and again, also after a restart") {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t round = 0; round < 6; ++round) {
    CAPTURE(round);
    History history(seed + round);
    history.write(60);
    auto expected = read_all(*must(history.store->reader()));
    for (int again = 0; again < 3; ++again) {
      CAPTURE(again);
      const Fates fates = history.some_fates(expected);
      const RewriteCounts counts = history.rewrite(fates);
      expected = after(std::move(expected), fates);
      CHECK(counts.removed + counts.erased > 0);
      check_whole(history, expected);
      history.open();
      check_whole(history, expected);
      if (again == 1) {
        history.write(3);
        expected = read_all(*must(history.store->reader()));
      }
    }
  }
}

TEST_CASE("packing: segments become smaller, every event stays, and nothing is packed twice") {
  History history(test_seed());
  history.write(60);
  const auto expected = read_all(*must(history.store->reader()));
  PackingMemory memory;
  CHECK(must(pack_segments(*history.store, memory, {})).segments == 0);  // lz4 as they are
  history.open(format::Codec::zstd);
  memory.clear();
  const PackingReport report = must(pack_segments(*history.store, memory, {}));
  CHECK(report.segments > 0);
  CHECK(report.bytes_after < report.bytes_before - report.bytes_before / 8);
  check_whole(history, expected);
  memory.clear();  // as after a restart
  CHECK(must(pack_segments(*history.store, memory, {})).segments == 0);

  const Fates fates = history.some_fates(expected);
  history.rewrite(fates);
  check_whole(history, after(expected, fates));
  memory.clear();
  CHECK(must(pack_segments(*history.store, memory, {})).segments == 0);
}

TEST_CASE("rewrite: reading from any position gives the first event that is still there") {
  History history(test_seed());
  history.write(40);
  const auto before = read_all(*must(history.store->reader()));
  const Fates fates = history.some_fates(before);
  history.rewrite(fates);
  const auto expected = after(before, fates);
  const auto reader = must(history.store->reader());
  for (std::uint64_t position = 0; position < before.size(); position += 7) {
    CAPTURE(position);
    const auto next = std::find_if(expected.begin(), expected.end(),
                                   [&](const Seen& event) { return event.position >= position; });
    must(reader->seek({position}));
    const Event* event = must(reader->next());
    REQUIRE((event != nullptr) == (next != expected.end()));
    if (event != nullptr) CHECK(seen(*event) == *next);
  }
}

TEST_CASE("rewrite: a position whose event is gone still ends its transaction") {
  History history(test_seed());
  history.write(40);
  const auto before = read_all(*must(history.store->reader()));
  const Fates fates = history.some_fates(before);
  history.rewrite(fates);
  const auto kept = after(before, fates);
  const auto reader = must(history.store->reader());
  // Which events a cut leaves; nothing else of it can be told.
  const auto kept_before = [&](std::uint64_t position) {
    return std::count_if(kept.begin(), kept.end(),
                         [&](const Seen& event) { return event.position < position; });
  };
  for (std::uint64_t last = 0; last < before.size(); last += 3) {
    CAPTURE(last);
    const Seen& event = before[last];
    const std::uint64_t first = event.position - event.index;
    const std::uint64_t whole = first + event.count == last + 1 ? last + 1 : first;
    CHECK(kept_before(must(reader->end_through(Position{last})).value) == kept_before(whole));
  }
}

TEST_CASE("rewrite: a reader in the middle of a segment that is rewritten goes on") {
  for (std::uint64_t seed = test_seed(), end = seed + 8; seed != end; ++seed) {
    CAPTURE(seed);
    History history(seed);
    history.write(40);
    const auto before = read_all(*must(history.store->reader()));
    const auto reader = must(history.store->reader());
    std::vector<Seen> events;
    for (std::uint64_t n = history.below(before.size()); n > 0; --n)
      events.push_back(seen(*must(reader->next())));
    const Fates fates = history.some_fates(before);
    history.rewrite(fates);
    for (const Seen& event : read_all(*reader)) events.push_back(event);

    // What is gone may still be given from a file that is open; what is there must be.
    std::set<std::uint64_t> positions;
    std::uint64_t last = 0;
    for (const Seen& event : events) {
      CHECK((positions.empty() || event.position > last));
      last = event.position;
      positions.insert(event.position);
      if (event.type != EventType::erased) CHECK(event == before[event.position]);
    }
    for (const Seen& event : after(before, fates)) CHECK(positions.contains(event.position));
  }
}

TEST_CASE("rewrite: a segment of which nothing is taken is not made anew") {
  History history(test_seed());
  history.write(20);
  const auto files = history.disk.files();
  CHECK(history.rewrite({}).bytes_after == 0);
  CHECK(history.disk.files() == files);
}

TEST_CASE("rewrite: erased and removed text is in no file of the store") {
  History history(test_seed());
  Writer writer(*history.store);
  constexpr const char* secrets[] = {"Q7RZK1XW9V", "M4TJH8YB2C"};
  for (const char* secret : secrets) {
    writer.begin(10);
    writer.row(1, "before");
    writer.row(2, secret);
    must(writer.commit());
  }
  const auto staged = must(history.store->stage());
  writer.begin(20);
  must(writer.batch.move_open_transaction_to(*staged));
  must(writer.put_row(*staged, 3, secrets[0]));
  must(writer.put_row(*staged, 4, "beside"));
  must(history.store->adopt(*staged, writer.source(), writer.resume()));
  must(history.store->seal());
  const auto mentions = [&](const char* text) {
    std::size_t count = 0;
    for (const auto& [path, content] : history.disk.files())
      count += content.find(text) != std::string::npos ? 1 : 0;
    return count;
  };
  REQUIRE(mentions(secrets[0]) == 2);
  Fates fates;
  for (const Seen& event : read_all(*must(history.store->reader()))) {
    if (event.note == secrets[0]) fates[event.position] = Fate::erase;
    if (event.note == secrets[1]) fates[event.position] = Fate::remove;
  }
  history.rewrite(fates);
  CHECK(mentions(secrets[0]) == 0);
  CHECK(mentions(secrets[1]) == 0);
  CHECK(mentions("beside") == 1);
}

TEST_CASE("rewrite: segments are let go from the front, and the store begins behind them") {
  History history(test_seed());
  history.write(60);
  const auto before = read_all(*must(history.store->reader()));
  const auto old_reader = must(history.store->reader());
  must(old_reader->next());
  const format::Manifest manifest = history.store->manifest();
  REQUIRE(manifest.segments.size() > 4);
  const format::ManifestSegment first = manifest.segments[3];
  must(history.store->drop_segments_before(first.id));
  for (int again = 0; again < 2; ++again) {
    const auto reader = must(history.store->reader());
    CHECK(reader->first() == first.base);
    auto expected = before;
    std::erase_if(expected, [&](const Seen& e) { return e.position < first.base.value; });
    check_whole(history, expected);
    CHECK(must(reader->end_through(Position{0})) == first.base);
    history.open();
  }
  const auto rest = read_all(*old_reader);
  CHECK(rest.back() == before.back());
  for (const auto& [path, content] : history.disk.files()) {
    CHECK(path.find("/00000001") == std::string::npos);
  }
}

}  // namespace tidelog::testing
