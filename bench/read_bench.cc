// Reading a part of the store against reading all of it: filters, one aggregate, one key, and the
// opening of a large store after its writer was killed. Run by scripts/bench.sh store.
//   read_bench DIRECTORY [MILLION_EVENTS]     prints one JSON object a figure
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/value_codec.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"

namespace tidelog {
namespace {

constexpr std::size_t event_bytes = 200;
constexpr std::uint64_t streams = 100;
constexpr std::uint64_t keys = 1'000'000;
constexpr std::uint64_t aggregate_events = 10'000;
constexpr std::uint64_t segment_bytes = 4 << 20;  // many, so that a look-up meets some hundreds

std::uint64_t mixed(std::uint64_t n) {
  n = (n ^ (n >> 30)) * 0xBF58'476D'1CE4'E5B9;
  n = (n ^ (n >> 27)) * 0x94D0'49BB'1331'11EB;
  return n ^ (n >> 31);
}

// Which stream event `i` of `count` belongs to: a hundredth of all lies together in one, an
// aggregate likewise, another one is spread over everything; the rest goes to 100 streams in no
// order.
std::string_view stream_of(std::uint64_t i, std::uint64_t count,
                           const std::vector<std::string>& names) {
  if (i % (count / aggregate_events) == 7) return "bench.spread_aggregate";
  if (i >= count / 2 && i < count / 2 + aggregate_events) return "bench.clustered_aggregate";
  if (i >= count / 10 * 7 && i < count / 10 * 7 + count / 100) return "bench.clustered";
  return names[mixed(i) % streams];
}

std::uint64_t key_of(std::uint64_t i) { return mixed(i * 3) % keys; }

std::string key_bytes(std::uint64_t key) {
  std::string bytes;
  put_value(bytes, Value(static_cast<std::int64_t>(key)));
  return bytes;
}

void fill(Disk& disk, Clock& clock, const std::string& directory, std::uint64_t count) {
  StoreOptions options;
  options.segment_bytes = segment_bytes;
  const auto store = must(EventStore::open(disk, clock, directory, options));
  std::vector<std::string> names;
  for (std::uint64_t n = 0; n < streams; ++n) names.push_back(fmt::format("bench.s{}", n));
  BatchBuilder batch;
  std::string key, row;
  for (std::uint64_t i = 0; i < count;) {
    Transaction transaction;
    const std::string id = std::to_string(i);
    transaction.id = id;
    transaction.commit_time = {static_cast<std::int64_t>(i)};
    batch.begin(transaction);
    for (std::uint64_t n = 0; n < 1000; ++n, ++i) {
      EventBody event;
      event.type = EventType::update;
      event.stream = store->stream(stream_of(i, count, names));
      key = key_bytes(key_of(i));
      // About half of it is the same from row to row, as in tables.
      row = fmt::format("{:016x}{:016x}{:016x}{:016x}{:016x}", mixed(i), mixed(i + 1), mixed(i + 2),
                        mixed(i + 3), mixed(i + 4));
      row.resize(event_bytes - 24, 'p');
      event.key = key;
      event.body = row;
      batch.add(event);
    }
    batch.commit();
    must(store->append(batch));
  }
  must(store->make_indexes());
}

struct Timed {
  double seconds = 0;
  std::uint64_t events = 0;
};

// The best of three, each from the log's begin.
Timed read_through(StoreReader& reader, const EventFilter& filter) {
  Timed best;
  reader.set_filter(filter);
  for (int round = 0; round < 3; ++round) {
    std::uint64_t events = 0;
    const double took = seconds([&] {
      must(reader.seek({0}));
      while (must(reader.next()) != nullptr) ++events;
    });
    if (round == 0 || took < best.seconds) best = {took, events};
  }
  return best;
}

EventFilter of_stream(std::string name) {
  EventFilter filter;
  filter.streams.push_back(std::move(name));
  return filter;
}

void bench_filters(StoreReader& reader) {
  const Timed all = read_through(reader, {});
  report("verified replay of 100 streams", static_cast<double>(all.events) / all.seconds,
         "events/s", 5'000'000, Better::higher,
         fmt::format("{} events of 200 bytes, best of 3, page cache", all.events));
  const Timed clustered = read_through(reader, of_stream("bench.clustered"));
  report("a filter that takes 1 %, clustered", all.seconds / clustered.seconds, "x of a full scan",
         10, Better::higher,
         fmt::format("{} events in {:.1f} ms", clustered.events, clustered.seconds * 1e3));
  const Timed spread = read_through(reader, of_stream("bench.s17"));
  report("a filter that takes 1 %, spread evenly", all.seconds / spread.seconds, "x of a full scan",
         3, Better::higher,
         fmt::format("{} events in {:.1f} ms", spread.events, spread.seconds * 1e3));
  EventFilter everything;
  everything.types = {"update"};
  const Timed useless = read_through(reader, everything);
  report("a filter that takes everything", all.seconds / useless.seconds, "x of a full scan", 0.9,
         Better::higher, fmt::format("{} events", useless.events));
}

void bench_aggregates(StoreReader& reader) {
  for (const auto& [name, goal] : {std::pair("clustered", 10.0), std::pair("spread", 50.0)}) {
    const Timed read = read_through(reader, of_stream(fmt::format("bench.{}_aggregate", name)));
    report(fmt::format("an aggregate of 10,000 events, {}", name), read.seconds * 1e3, "ms", goal,
           Better::lower, fmt::format("{} events", read.events));
  }
}

void bench_keys(StoreReader& reader, std::uint64_t count, std::uint64_t segments) {
  constexpr int rounds = 50;
  std::uint64_t found = 0;
  double took = 0;
  for (int round = 0; round <= rounds; ++round) {
    const std::uint64_t i = mixed(static_cast<std::uint64_t>(round)) % count;
    EventFilter filter = of_stream(fmt::format("bench.s{}", mixed(i) % streams));
    filter.keys.push_back(key_bytes(key_of(i)));
    reader.set_filter(std::move(filter));
    must(reader.seek({0}));
    // The last segment has no index: what it costs is another figure.
    reader.read_until({count - count / 50});
    const double once = seconds([&] {
      while (must(reader.next()) != nullptr) ++found;
    });
    if (round != 0) took += once;  // the first one opens the indexes
  }
  reader.read_until({UINT64_MAX});
  report("one key of one stream, all sealed segments", took / rounds * 1e3, "ms", 1, Better::lower,
         fmt::format("mean of {} keys over {} segments, indexes open, {} events found", rounds,
                     segments, found));
}

// Verify against a loop that reads the same files and does nothing with them, as cat does.
void bench_verify(Disk& disk, const std::string& directory) {
  const std::string segments = directory + "/segments";
  const auto names = must(disk.list(segments));
  const auto forget_all = [&] {
    for (const std::string& name : names) forget_cached(segments + "/" + name);
  };
  std::uint64_t bytes = 0;
  const auto read_all = [&] {
    constexpr std::size_t chunk_bytes = 1 << 20;
    std::string chunk;
    bytes = 0;
    for (const std::string& name : names) {
      const auto file = must(disk.open_read(segments + "/" + name));
      for (std::uint64_t offset = 0;; offset += chunk.size()) {
        must(file->read(offset, chunk_bytes, chunk));
        if (chunk.empty()) break;
        bytes += chunk.size();
      }
    }
  };
  const auto verify_all = [&] {
    if (!must(verify_store(disk, directory, [](const VerifyProgress&) {})).damage.empty())
      std::exit(1);
  };
  for (const bool cold : {true, false}) {
    if (cold) forget_all();
    const double reading = seconds(read_all);
    if (cold) forget_all();
    const double verifying = seconds(verify_all);
    const double megabytes = static_cast<double>(bytes) / 1e6;
    report(cold ? "verify, from disk" : "verify, from the page cache", reading / verifying,
           "x of reading", cold ? 0.9 : 0, Better::higher,
           fmt::format("{:.0f} MB in {} files: {:.0f} MB/s, reading alone {:.0f} MB/s", megabytes,
                       names.size(), megabytes / verifying, megabytes / reading));
  }
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  using namespace tidelog;
  if (argc < 2) {
    fmt::print(stderr, "usage: read_bench DIRECTORY [MILLION_EVENTS]\n");
    return 2;
  }
  const std::string directory = argv[1];
  std::uint64_t millions = 10;
  if (argc > 2) {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), millions);
  }
  const std::uint64_t count = std::max<std::uint64_t>(millions, 1) * 1'000'000;
  const auto disk = real_disk();
  const auto clock = real_clock();
  fill(*disk, *clock, directory, count);
  const auto reader = must(StoreReader::open(*disk, directory));
  const StoreStats stats = must(reader->stats());
  bench_filters(*reader);
  bench_aggregates(*reader);
  bench_keys(*reader, count, stats.segment_count);
  bench_verify(*disk, directory);
  return 0;
}
