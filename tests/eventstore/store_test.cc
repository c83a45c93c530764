#include <algorithm>

#include "eventstore/batch_cursor.h"
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

// A schema event, or a row of `version`.
EventBody event_of(StreamId stream, SchemaId version, EventType type, std::string_view body) {
  EventBody event;
  event.type = type;
  event.stream = stream;
  event.schema = version;
  event.body = body;
  return event;
}

std::string encoded(const Schema& schema) {
  std::string bytes;
  put_schema(bytes, schema);
  return bytes;
}

std::size_t adopted_files(const FaultyDisk& disk) {
  const auto files = disk.files();
  return static_cast<std::size_t>(std::count_if(files.begin(), files.end(), [](const auto& file) {
    return file.first.ends_with(".adopted");
  }));
}

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

TEST_CASE("store: a schema version that comes back in a staged transaction is the newest again") {
  Fixture f;
  f.open();
  const StreamId stream = f.store->stream("shop.public.orders");
  const std::string first = encoded(orders_schema(1));
  const std::string second = encoded(orders_schema(2));
  const Transaction transaction{"1", {1}, {}, {}, 0, 0};
  const std::string row(100, 'r');
  BatchBuilder batch;
  const auto append = [&](SchemaId version, std::string_view announced) {
    batch.begin(transaction);
    if (!announced.empty()) batch.add(event_of(stream, version, EventType::schema, announced));
    batch.add(event_of(stream, version, EventType::insert, row));
    batch.commit();
    must(f.store->append(batch));
  };
  const SchemaId one = f.store->schema(stream, orders_schema(1)).id;
  append(one, first);
  const SchemaId two = f.store->schema(stream, orders_schema(2)).id;
  append(two, second);

  auto staged = must(f.store->stage());
  must(staged->begin(transaction));
  must(staged->add(event_of(stream, two, EventType::insert, row)));
  REQUIRE(f.store->schema(stream, orders_schema(1)).id == one);
  must(staged->add(event_of(stream, one, EventType::schema, first)));
  must(staged->add(event_of(stream, one, EventType::insert, row)));
  must(f.store->adopt(*staged, {}, {}));
  CHECK_FALSE(f.store->schema(stream, orders_schema(1)).is_new);

  for (int i = 0; i < 100; ++i) append(one, {});
  const auto reader = must(f.store->reader());
  REQUIRE(must(reader->stats()).segment_count > 2);
  must(reader->seek({reader->durable().value - 1}));
  CHECK(must(reader->schema(must(reader->next())->schema))->columns.size() == 2);
}

TEST_CASE("store: what a full disk refused does not come back from a segment that ended there") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Fixture f;
    f.open();
    Writer writer(*f.store);
    writer.begin(10);
    writer.row(1, "kept");
    must(writer.commit());
    writer.begin(20);
    writer.row(2, "refused");
    // Even seeds: the bytes cannot be cleared at once, either.
    const auto repeat = seed % 2 == 0 ? FaultyDisk::Repeat::for_ever : FaultyDisk::Repeat::once;
    f.disk.fail_at(f.disk.call_count(), repeat, Code::disk_full, seed % 4 == 0 ? 90 : 1 << 20);
    const auto refused = writer.commit();
    REQUIRE(!refused);
    REQUIRE(refused.error().code == Code::disk_full);
    f.disk.mend();
    writer.batch.clear();
    writer.begin(30);
    for (std::int64_t i = 0; i < 500; ++i) writer.row(i, std::to_string(i * 7919));
    must(writer.commit());
    REQUIRE(must(must(f.store->reader())->stats()).segment_count == 2);

    f.disk = f.disk.after_power_loss(Survives::some, seed);
    f.open();
    const auto all = read_all(*must(f.store->reader()));
    CHECK(all.size() == 502);
    CHECK(all[2].transaction == "30");
  }
}

TEST_CASE("store: an adoption that a full disk refused leaves no name in a segment that ends") {
  Fixture f;
  f.open();
  Writer writer(*f.store);
  writer.begin(10);
  writer.row(1, "one");
  must(writer.commit());
  const auto staged = must(f.store->stage());
  writer.begin(20);
  writer.row(2, "staged");
  must(writer.batch.move_open_transaction_to(*staged));
  must(staged->finish());
  // rename, sync, sync, and then the write of the commit batch
  f.disk.fail_at(f.disk.call_count() + 1, FaultyDisk::Repeat::once, Code::disk_full);
  const auto refused = f.store->adopt(*staged, writer.source(), writer.resume());
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::disk_full);
  f.disk.mend();
  CHECK(adopted_files(f.disk) == 0);

  writer.begin(30);
  for (std::int64_t i = 0; i < 500; ++i) writer.row(i, std::to_string(i * 7919));
  must(writer.commit());
  FaultyDisk killed = f.disk.after_kill();
  for (FaultyDisk* disk : {&killed, &f.disk}) {
    const bool goes_on = disk == &f.disk;
    if (goes_on) must(f.store->adopt(*staged, writer.source(), writer.resume()));
    FaultyDisk left = disk->after_power_loss(Survives::nothing, 0);
    const auto store = must(EventStore::open(left, f.clock, "store", small_store()));
    CHECK(read_all(*must(store->reader())).size() == (goes_on ? 503 : 502));
    CHECK(adopted_files(left) == (goes_on ? 1 : 0));
  }
}

TEST_CASE("store: a staging file that a full disk cut off is whole after later events") {
  Fixture f;
  f.open();
  Writer writer(*f.store);
  writer.begin(10);
  writer.row(1, "one");
  must(writer.commit());
  const auto staged = must(f.store->stage());
  writer.begin(20);
  // Alone, the row is too short to be compressed; with its like, both are shorter than the one.
  const std::string note(180, 'n');
  writer.row(2, note);
  must(writer.batch.move_open_transaction_to(*staged));
  f.disk.fail_at(f.disk.call_count(), FaultyDisk::Repeat::once, Code::disk_full, 1 << 20);
  REQUIRE(!f.store->adopt(*staged, writer.source(), writer.resume()));
  must(writer.put_row(*staged, 3, note));
  must(f.store->adopt(*staged, writer.source(), writer.resume()));
  CHECK(read_all(*must(f.store->reader())).size() == 4);
}

TEST_CASE("store: without its manifest a used store is refused, its first segment unharmed") {
  Fixture f;
  f.open();
  Writer writer(*f.store);
  writer.begin(10);
  writer.row(1, "one");
  must(writer.commit());
  f.store.reset();
  must(f.disk.remove("store/manifest"));
  f.disk.flip_bit("store/segments/00000001-0.log", 100);
  const auto before = f.disk.files().at("store/segments/00000001-0.log");
  const auto opened = EventStore::open(f.disk, f.clock, "store", small_store());
  REQUIRE(!opened);
  CHECK(opened.error().code == Code::corrupt);
  CHECK(f.disk.files().at("store/segments/00000001-0.log") == before);
}

TEST_CASE("store: a batch that claims more than its file holds is corrupt, and takes no memory") {
  FaultyDisk disk;
  for (const std::uint64_t claimed : {1ULL << 20, 1ULL << 40, (1ULL << 63) + 1000}) {
    CAPTURE(claimed);
    format::BatchHeader header;
    format::BatchExtension extension;
    header.event_count = 1;
    header.body_bytes = claimed;
    extension.blocks.push_back({claimed, 100, 1, format::Codec::none, 0});
    disk.put_file("/batch", format::encode(header, extension) + std::string(100, 'x'));
    const auto file = must(disk.open_read("/batch"));
    BatchCursor cursor(*file, {});
    if (must(cursor.next()) == BatchCursor::Step::bad) continue;
    const Status verified = cursor.verify_blocks();
    REQUIRE(!verified);
    CHECK(verified.error().code == Code::corrupt);
  }
}

TEST_CASE("store: after a seek that the disk refused, reading goes on at the new place") {
  Fixture f;
  f.open();
  Writer writer(*f.store);
  for (std::uint64_t i = 1; i <= 4; ++i) {
    writer.begin(i * 10);
    writer.row(static_cast<std::int64_t>(i), std::to_string(i));
    must(writer.commit());
  }
  const auto reader = must(f.store->reader());
  must(reader->next());
  f.disk.fail_at(f.disk.call_count() + 1, FaultyDisk::Repeat::once, Code::failed);
  REQUIRE(!reader->seek({3}));
  CHECK(seen(*must(reader->next())).note == "3");
}

}  // namespace tidelog::testing
