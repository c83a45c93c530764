#include "eventstore/held_file.h"

#include <random>

#include "tests/eventstore/store_fixture.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using Records = std::vector<std::string>;

// Those that count, and how many do not.
struct Content {
  Records records;
  std::size_t dropped = 0;
};

Content content_of(HeldTransaction& held) {
  Content content;
  must(held.for_each([&](const HeldTransaction::Record& record) -> Status {
    if (record.dropped) {
      ++content.dropped;
    } else {
      content.records.emplace_back(record.bytes);
    }
    return {};
  }));
  return content;
}

std::unique_ptr<EventStore> open_store(Disk& disk, Clock& clock) {
  return must(EventStore::open(disk, clock, "store", small_store()));
}

std::vector<std::string> staged_files(FaultyDisk& disk) { return must(disk.list("store/staging")); }

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store = open_store(disk, clock);
  SourceId source = store->source("shop");

  // What a restart finds.
  void reopen() {
    store.reset();
    store = open_store(disk, clock);
    source = store->source("shop");
  }
};

// Numbers that compress to a third, of as many bytes.
std::string numbers(int seed, std::size_t bytes) {
  std::string out;
  for (auto i = static_cast<std::uint32_t>(seed); out.size() < bytes; i = i * 7 + 1)
    out += std::to_string(i % 100'000);
  out.resize(bytes);
  return out;
}

}  // namespace

TEST_CASE("held: what was added is read back in order, however much it is") {
  Fixture f;
  const auto held = must(f.store->hold(f.source));
  CHECK(content_of(*held).records.empty());
  Records added;
  for (int i = 0; i < 3'000; ++i) {
    added.push_back(numbers(i, static_cast<std::size_t>(i % 700)));
    must(held->add(7, added.back()));
    if (i % 1'000 == 999) must(held->rest());
    if (i % 500 == 0) CHECK(content_of(*held).records == added);
  }
  added.push_back(numbers(1, 2 << 20));
  must(held->add(7, added.back()));
  CHECK(content_of(*held).records == added);
}

TEST_CASE("held: a little needs no file, and every file goes with its object") {
  Fixture f;
  {
    const auto held = must(f.store->hold(f.source));
    must(held->add(1, "little"));
    CHECK(staged_files(f.disk).empty());
    must(held->rest());
    CHECK(staged_files(f.disk).size() == 1);
    CHECK(content_of(*held).records == Records{"little"});
  }
  CHECK(staged_files(f.disk).empty());
}

TEST_CASE("held: a part that is dropped takes its records so far along, and no other") {
  Fixture f;
  const auto held = must(f.store->hold(f.source));
  must(held->add(1, "a"));
  must(held->add(2, "b"));
  must(held->rest());
  must(held->add(3, "c"));
  must(held->add(2, "d"));
  held->drop(2);
  must(held->add(1, "e"));
  must(held->add(2, "f"));
  held->drop(9);
  CHECK(content_of(*held).records == Records{"a", "c", "e", "f"});
  CHECK(content_of(*held).dropped == 2);
}

TEST_CASE("held: one that was kept is there after a restart, the others are not") {
  Fixture f;
  auto kept = must(f.store->hold(f.source));
  const auto other = must(f.store->hold(f.source));
  for (const auto& held : {kept.get(), other.get()}) {
    must(held->add(1, "a"));
    must(held->add(2, "b"));
    held->drop(1);
    must(held->rest());
  }
  must(kept->keep("order-7"));
  const std::uint64_t id = kept->id();
  FaultyDisk after = f.disk.after_kill();
  const auto store = open_store(after, f.clock);
  CHECK(staged_files(after).size() == 1);
  const auto found = must(store->kept(store->source("shop"), {id}));
  REQUIRE(found.size() == 1);
  CHECK(found[0]->id() == id);
  CHECK(found[0]->about() == "order-7");
  CHECK(content_of(*found[0]).records == Records{"b"});
  CHECK(content_of(*found[0]).dropped == 1);
  // A new one gets another number.
  const auto next = must(store->hold(store->source("shop")));
  CHECK(next->id() > id);
  found[0]->remove();
  CHECK(staged_files(after).empty());
}

TEST_CASE("held: what is not asked for any more is removed, of that source alone") {
  Fixture f;
  const SourceId other = f.store->source("other");
  std::vector<std::uint64_t> ids;
  for (const SourceId source : {f.source, f.source, other}) {
    const auto held = must(f.store->hold(source));
    must(held->add(1, "a"));
    must(held->keep("name"));
    ids.push_back(held->id());
  }
  CHECK(must(f.store->kept(f.source, {ids[1]})).size() == 1);
  CHECK(staged_files(f.disk).size() == 2);
  CHECK(must(f.store->kept(other, {ids[2]})).size() == 1);
  CHECK(must(f.store->kept(f.source, {})).empty());
  CHECK(staged_files(f.disk).size() == 1);
}

TEST_CASE("held: a kept one that is missing, cut or damaged is corruption, at any bit") {
  Fixture f;
  const auto held = must(f.store->hold(f.source));
  must(held->add(1, "first"));
  must(held->rest());
  must(held->add(2, numbers(3, 600)));
  held->drop(1);
  must(held->keep("order-7"));
  const std::vector<std::uint64_t> ids = {held->id()};
  const std::string path = "store/staging/" + staged_files(f.disk).at(0);
  const std::string bytes = f.disk.files().at(path);

  // Only a flip of what no checksum covers could be read; there is nothing like that.
  const auto reads = [&](FaultyDisk& disk) {
    const auto store = open_store(disk, f.clock);
    const auto found = store->kept(store->source("shop"), ids);
    if (!found) {
      CHECK((found.error().code == Code::corrupt || found.error().code == Code::unsupported));
      return false;
    }
    const auto read =
        (*found)[0]->for_each([](const HeldTransaction::Record&) { return Status(); });
    if (!read) CHECK(read.error().code == Code::corrupt);
    return read.has_value();
  };
  FaultyDisk whole = f.disk.after_kill();
  CHECK(reads(whole));
  for (std::uint64_t bit = 0; bit < bytes.size() * 8; ++bit) {
    FaultyDisk flipped = f.disk.after_kill();
    flipped.flip_bit(path, bit);
    CAPTURE(bit);
    CHECK_FALSE(reads(flipped));
  }
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    FaultyDisk cut = f.disk.after_kill();
    cut.put_file(path, bytes.substr(0, size));
    CAPTURE(size);
    CHECK_FALSE(reads(cut));
  }
  FaultyDisk gone = f.disk.after_kill();
  must(gone.remove(path));
  CHECK_FALSE(reads(gone));
}

TEST_CASE(
    "held: a kept one survives a power loss at any later disk call, and until then is whole or "
    "not there") {
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    Fixture f;
    const std::uint64_t before = f.disk.call_count();
    f.disk.crash_at(before + call);
    const auto held = must(f.store->hold(f.source));
    bool done = held->add(1, numbers(1, 300'000)) && held->rest() && held->add(2, "b");
    done = done && held->keep("order-7");
    const bool crashed = f.disk.crashed();
    for (const Survives survives : {Survives::nothing, Survives::all, Survives::some}) {
      CAPTURE(name_of(survives));
      FaultyDisk after = f.disk.after_power_loss(survives, call);
      const auto store = open_store(after, f.clock);
      const auto found = store->kept(store->source("shop"), {held->id()});
      if (done) REQUIRE(found);
      if (!found) continue;
      const auto records = content_of(*found->at(0)).records;
      CHECK(records == Records{numbers(1, 300'000), "b"});
    }
    if (!crashed) break;
  }
}

TEST_CASE("held: a full disk is told, and a sync that failed, too") {
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    Fixture f;
    f.disk.fail_at(f.disk.call_count() + call, FaultyDisk::Repeat::once, Code::disk_full);
    const auto held = must(f.store->hold(f.source));
    Status done = held->add(1, numbers(1, 300'000));
    if (done) done = held->rest();
    if (done) done = held->keep("order-7");
    if (done) break;
    CHECK(done.error().code == Code::disk_full);
    f.disk.mend();
    CHECK(f.store->kept(f.source, {}));
  }
}

TEST_CASE("held: random parts, dropped and added again, kept at the end") {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  for (int round = 0; round < 50; ++round) {
    Fixture f;
    auto held = must(f.store->hold(f.source));
    std::vector<std::pair<std::uint64_t, std::string>> expected;
    for (int i = 0; i < 500; ++i) {
      const std::uint64_t part = random() % 6;
      if (random() % 40 == 0) {
        held->drop(part);
        std::erase_if(expected, [&](const auto& record) { return record.first == part; });
      } else if (random() % 50 == 0) {
        must(held->rest());
      } else {
        expected.emplace_back(part, numbers(i, random() % 3'000));
        must(held->add(part, expected.back().second));
      }
    }
    must(held->keep("name"));
    const auto found = must(f.store->kept(f.source, {held->id()}));
    Records records;
    for (const auto& record : expected) records.push_back(record.second);
    CHECK(content_of(*found.at(0)).records == records);
  }
}

}  // namespace tidelog::testing
