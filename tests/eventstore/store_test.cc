#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store;

  void open(std::uint64_t segment_bytes = 8192) {
    store.reset();
    store = must(EventStore::open(disk, clock, "store", small_store(segment_bytes)));
  }
};

}  // namespace

TEST_CASE("store: what is appended is read back in order, with gapless positions and revisions") {
  Fixture f;
  f.open();
  Writer orders(*f.store);
  Writer customers(*f.store, "shop.public.customers");
  orders.begin(100);
  orders.row(1, "one");
  orders.row(2, "two");
  must(orders.commit());
  customers.begin(200);
  customers.row(1, "anna");
  must(customers.commit());

  const auto all = read_all(*must(f.store->reader()));
  REQUIRE(all.size() == 5);
  CHECK(all[0].type == EventType::schema);
  CHECK(all[1] == Seen{1, 1, "shop.public.orders", EventType::insert, "one", "100", 1, 3});
  CHECK(all[2] == Seen{2, 2, "shop.public.orders", EventType::insert, "two", "100", 2, 3});
  CHECK(all[4] == Seen{4, 1, "shop.public.customers", EventType::insert, "anna", "200", 1, 2});
}

TEST_CASE("store: a reopened store goes on where it was, over many segments") {
  Fixture f;
  f.open();
  std::uint64_t rows = 0;
  for (int round = 0; round < 5; ++round) {
    f.open();
    Writer writer(*f.store);
    for (int i = 0; i < 40; ++i) {
      ++rows;
      writer.begin(rows * 10, static_cast<std::int64_t>(rows));
      writer.row(static_cast<std::int64_t>(rows),
                 "note " + std::to_string(rows) + std::string(100, 'x'));
      must(writer.commit());
    }
  }
  f.open();
  CHECK(f.store->durable().value == rows + 1);
  const auto reader = must(f.store->reader());
  const auto all = read_all(*reader);
  REQUIRE(all.size() == rows + 1);
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].position == i);
    CHECK(all[i].revision == i);
  }
  CHECK(must(reader->stats()).segment_count > 3);
  const auto resume = must(read_postgres_resume(f.store->source_position("shop")));
  CHECK(resume.end_lsn.value == rows * 10 + 1);
  for (std::uint64_t from = 0; from <= rows + 1; from += 7) {
    must(reader->seek({from}));
    const auto rest = read_all(*reader);
    REQUIRE(rest.size() == rows + 1 - from);
    if (!rest.empty()) CHECK(rest.front() == all[from]);
  }
}

TEST_CASE("store: a staged transaction is invisible until it is adopted, then whole") {
  Fixture f;
  f.open(64 * 1024);
  Writer writer(*f.store);
  writer.begin(10, 1000);
  writer.row(1, "before");
  must(writer.commit());
  auto staged = must(f.store->stage());
  writer.begin(20, 2000);
  must(writer.batch.move_open_transaction_to(*staged));
  constexpr std::int64_t rows = 30'000;
  for (std::int64_t i = 0; i < rows; ++i)
    must(writer.put_row(*staged, i, "staged " + std::to_string(i)));
  const auto reader = must(f.store->reader());
  CHECK(read_all(*reader).size() == 2);

  writer.begin(15, 1500);
  writer.row(2, "meanwhile");
  must(writer.commit());
  must(f.store->adopt(*staged, writer.source(), writer.resume()));
  staged.reset();
  writer.begin(30, 3000);
  writer.row(3, "after");
  must(writer.commit());

  const auto rest = read_all(*reader);
  REQUIRE(rest.size() == rows + 2);
  CHECK(rest[0].note == "meanwhile");
  CHECK(rest[1] == Seen{3, 3, "shop.public.orders", EventType::insert, "staged 0", "20", 0, rows});
  CHECK(rest[rows].revision == rows + 2);
  CHECK(rest[rows + 1].note == "after");
  CHECK(rest[rows + 1].revision == rows + 3);

  f.open(64 * 1024);
  const auto again = must(f.store->reader());
  CHECK(read_all(*again).size() == rows + 4);
  must(again->seek({20'000}));
  CHECK(must(again->next())->position.value == 20'000);
  CHECK(must(again->end_through(Position{20'000})).value == 3);
  CHECK(must(again->end_through(Position{rows + 2})).value == rows + 3);
  CHECK(must(again->end_through(UnixMicros{1999}, "shop")).value == 3);
  CHECK(must(again->end_through(UnixMicros{2000}, "shop")).value == rows + 3);
  CHECK(must(again->end_through(UnixMicros{999}, "shop")).value == 0);
  CHECK(must(again->end_through(UnixMicros{9999}, "shop")).value == rows + 4);
}

TEST_CASE("store: a filtered read gives the stream's events alone") {
  Fixture f;
  f.open();
  Writer orders(*f.store);
  Writer customers(*f.store, "shop.public.customers");
  for (std::uint64_t i = 1; i <= 50; ++i) {
    Writer& writer = i % 5 == 0 ? customers : orders;
    writer.begin(i * 10);
    writer.row(static_cast<std::int64_t>(i), "row");
    must(writer.commit());
  }
  const auto reader = must(f.store->reader());
  reader->only_streams({"shop.public.customers"});
  const auto found = read_all(*reader);
  CHECK(found.size() == 11);
  for (std::uint64_t i = 0; i < found.size(); ++i) CHECK(found[i].revision == i);
  CHECK(reader->position() == reader->durable());
  CHECK(must(reader->stream_names()) ==
        std::vector<std::string>{"shop.public.customers", "shop.public.orders"});
}

TEST_CASE("store: a second writer is refused, and told who has it") {
  Fixture f;
  f.open();
  const auto second = EventStore::open(f.disk, f.clock, "store", small_store());
  REQUIRE(!second);
  CHECK(second.error().code == Code::conflict);
  CHECK(second.error().what.find("a test") != std::string::npos);
}

}  // namespace tidelog::testing
