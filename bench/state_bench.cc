// State of the past: 10 million events of 200 bytes over a table of 1 million rows, what a state
// snapshot costs to make, and what it saves. Run by scripts/bench.sh store.
//   state_bench DIRECTORY [EVENTS]       prints one JSON object a figure
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include "bench/bench.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/value_codec.h"
#include "eventstore/aggregate_snapshots.h"
#include "eventstore/event_store.h"
#include "eventstore/state_directory.h"
#include "projections/key_state.h"
#include "projections/snapshots.h"
#include "projections/state.h"

namespace tidelog {
namespace {

constexpr std::size_t payload_bytes = 170;
constexpr std::string_view stream_name = "bench.public.rows";

std::string key_of(std::uint64_t id) {
  std::string key;
  put_value(key, Value(static_cast<std::int64_t>(id)));
  return key;
}

// The first `keys` events insert the rows, the others update them, spread evenly.
void fill(EventStore& store, std::uint64_t events, std::uint64_t keys) {
  Schema schema;
  schema.table_schema = "public";
  schema.table = "rows";
  schema.columns = {{"id", "bigint", ValueKind::int64, true, 20, -1},
                    {"payload", "text", ValueKind::text, false, 25, -1}};
  const StreamId stream = store.stream(stream_name);
  BatchBuilder batch;
  std::string encoded;
  put_schema(encoded, schema);
  std::string row;
  std::string payload;
  for (std::uint64_t number = 0; number < events;) {
    batch.begin({});
    const auto version = store.schema(stream, schema);
    EventBody event;
    event.stream = stream;
    event.schema = version.id;
    if (version.is_new) {
      event.type = EventType::schema;
      event.body = encoded;
      batch.add(event);
    }
    for (int i = 0; i < 1000 && number < events; ++i, ++number) {
      const std::uint64_t id = number < keys ? number : number * 0x9E37'79B9'7F4A'7C15 % keys;
      const std::string key = key_of(id);
      payload = fmt::format("{:016x}{:016x}", id * 0x2545'F491'4F6C'DD1D, number);
      payload.resize(payload_bytes, 'p');
      row = key;
      put_value(row, Value(Text{payload}));
      event.type = number < keys ? EventType::insert : EventType::update;
      event.key = key;
      event.body = row;
      batch.add(event);
    }
    batch.commit();
    must(store.append(batch));
  }
}

void bench_making(StoreReader& reader, Position early, Position late) {
  const StateDirectory directory(reader.disk(), reader.directory());
  const auto lock = must(directory.lock("state_bench"));
  const std::string stream(stream_name);
  const double first = seconds([&] { must(make_snapshot(reader, {stream, early}, nullptr, {})); });
  report("state snapshot, from the begin", first, "s", 0, Better::lower,
         fmt::format("{} events, in windows of 32 MiB", early.value));
  const double next = seconds([&] { must(make_snapshot(reader, {stream, late}, nullptr, {})); });
  report("state snapshot, from the one before", next, "s", 0, Better::lower,
         fmt::format("{} events later", late.value - early.value));
}

void bench_state(StoreReader& reader, Position end, std::string_view how) {
  std::uint64_t rows = 0;
  const double took = seconds([&] {
    const auto fold = must(state_at(reader, std::string(stream_name), end, nullptr));
    must(fold->for_each([&](const TableRow&) -> Status {
      ++rows;
      return {};
    }));
  });
  report("state at a past moment, whole", took, "s", 3, Better::lower,
         fmt::format("{} rows, {}", rows, how));
}

void bench_key(StoreReader& reader, Position end, std::uint64_t keys) {
  const auto state =
      must(KeyState::open(reader.disk(), reader.directory(), std::string(stream_name), nullptr));
  must(state->row_at(key_of(0), end));  // opens the snapshot
  constexpr int count = 20;
  const double took = seconds([&] {
    for (std::uint64_t i = 1; i <= count; ++i) {
      must(state->row_at(key_of(i * 0x9E37'79B9 % keys), end));
    }
  });
  report("state at a past moment, one key", took * 1000 / count, "ms", 1, Better::lower,
         "snapshot and the key's own events after it");
}

void bench_aggregate(StoreReader& reader) {
  AggregateSnapshots snapshots(reader.disk(), reader.directory(), reader.uuid());
  must(snapshots.save({9}, "bench-1", {{10'000}, std::string(10'000, 's')}));
  constexpr int count = 1000;
  const double took = seconds([&] {
    for (int i = 0; i < count; ++i) must(snapshots.load({9}, "bench-1", {10'000}, {}));
  });
  report("aggregate snapshot of 10 kB, loaded", took * 1000 / count, "ms", 1, Better::lower,
         "one file");
}

int run(const std::string& directory, std::uint64_t events) {
  const auto disk = real_disk();
  const auto clock = real_clock();
  must(disk->make_directory(directory));
  const std::uint64_t keys = events / 10;
  {
    const auto store = must(EventStore::open(*disk, *clock, directory, {}));
    fill(*store, events, keys);
    must(store->make_indexes());
  }
  const auto reader = must(StoreReader::open(*disk, directory));
  const Position end = reader->durable();
  const Position asked = must(reader->end_through(Position{end.value * 9 / 10}));
  const Position early = must(reader->end_through(Position{end.value * 7 / 10}));
  const Position late = must(reader->end_through(Position{end.value * 8 / 10}));
  bench_state(*reader, asked, "by a full replay");
  bench_making(*reader, early, late);
  bench_state(*reader, asked, "by a snapshot and a tenth of the events");
  bench_key(*reader, asked, keys);
  bench_aggregate(*reader);
  return 0;
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  std::uint64_t events = 10'000'000;
  if (argc == 3) {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), events);
  }
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "state_bench DIRECTORY [EVENTS]\n");
    return 2;
  }
  return tidelog::run(argv[1], events);
}
