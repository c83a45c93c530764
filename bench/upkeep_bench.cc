// What the store's upkeep costs those who append meanwhile, how fast all of it is verified, how
// long a large store takes to open after its writer was killed, and the memory of it all. Run by
// scripts/bench.sh store.
//   upkeep_bench DIRECTORY [GIGABYTES]     prints one JSON object a figure
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench.h"
#include "core/disk.h"
#include "eventstore/backup.h"
#include "eventstore/event_store.h"
#include "eventstore/retention.h"
#include "eventstore/verify.h"

namespace tidelog {
namespace {

constexpr std::size_t event_bytes = 200;
constexpr std::uint64_t filled_events = 3'000'000;
constexpr std::uint64_t keys = 200'000;

StoreOptions options_of(std::uint64_t segment_bytes) {
  StoreOptions options;
  options.segment_bytes = segment_bytes;
  return options;
}

// Events of an application, of which the newest of each key counts.
void fill(EventStore& store, std::uint64_t count) {
  BatchBuilder batch;
  std::string row;
  for (std::uint64_t i = 0; i < count;) {
    batch.begin({"", {static_cast<std::int64_t>(i)}, {}, {}, 0, 0});
    for (std::uint64_t n = 0; n < 1000; ++n, ++i) {
      const std::string key = std::to_string(i * 7919 % keys);
      row = fmt::format("{:0>{}}", i * 0x9E3779B97F4A7C15ULL, event_bytes - key.size());
      EventBody event;
      event.type = EventType::message;
      event.stream = store.stream("bench.upkeep");
      event.key = key;
      event.body = row;
      batch.add(event);
    }
    batch.commit();
    must(store.append(batch));
  }
}

// One event a commit, one after the other: how long the slowest hundredth takes at least, in ms.
double append_p99(EventStore& store, const std::function<bool(std::size_t)>& goes_on) {
  std::vector<double> took;
  const std::string data(event_bytes, 'd');
  while (goes_on(took.size())) {
    AppendRequest request;
    request.streams.push_back({"bench.appended", ExpectedRevision::any(), {}});
    NewEvent event;
    event.type = "Appended";
    event.data = data;
    request.streams.front().events.push_back(std::move(event));
    took.push_back(seconds([&] { must(store.append(std::move(request))); }));
  }
  std::sort(took.begin(), took.end());
  return took[took.size() * 99 / 100] * 1e3;
}

void compact(EventStore& store) {
  RetentionPlan plan;
  plan.rule_of = [](std::string_view) {
    RetentionRule rule;
    rule.compact = true;
    return rule;
  };
  RetentionMemory memory;
  must(apply_retention(store, plan, memory));
}

void bench_p99(Disk& disk, Clock& clock, const std::string& directory) {
  const auto store =
      must(EventStore::open(disk, clock, directory + "/store", options_of(16 << 20)));
  fill(*store, filled_events);
  constexpr std::size_t appends_min = 3000;
  const double alone = append_p99(*store, [](std::size_t done) { return done < appends_min; });
  must(store->seal());
  std::atomic<bool> upkeep_done = false;
  std::thread upkeep([&] {
    must(back_up_store(disk, clock, directory + "/store", directory + "/backup",
                       [](const CopyProgress&) {}));
    compact(*store);
    upkeep_done = true;
  });
  std::size_t appends = 0;
  const double beside = append_p99(*store, [&](std::size_t done) {
    appends = done;
    return done < appends_min || !upkeep_done;
  });
  upkeep.join();
  report(
      "append, p99 beside a backup, then a compaction", beside / alone, "x of alone", 4,
      Better::lower,
      fmt::format("{:.2f} ms of {} appends, alone {:.2f} ms; {} events are copied, then compacted",
                  beside, appends, alone, filled_events));
}

void bench_verify(Disk& disk, const std::string& directory) {
  const auto read_all = [&] {
    std::uint64_t total = 0;
    std::string bytes;
    for (const std::string& name : must(disk.list(directory + "/store/segments"))) {
      const auto file = must(disk.open_read(directory + "/store/segments/" + name));
      const std::uint64_t size = must(file->size());
      constexpr std::uint64_t piece = 1 << 20;
      for (std::uint64_t offset = 0; offset < size; offset += piece)
        must(file->read(offset, std::min(piece, size - offset), bytes));
      total += size;
    }
    return total;
  };
  std::uint64_t bytes = read_all();
  const double bare = seconds([&] { bytes = read_all(); });
  const double verified = seconds(
      [&] { must(verify_store(disk, directory + "/store", [](const VerifyProgress&) {})); });
  report("verify", static_cast<double>(bytes) / verified / 1e9, "GB/s", 0,
         fmt::format("{:.2f} GB in the page cache; reading the files alone {:.2f} GB/s",
                     static_cast<double>(bytes) / 1e9, static_cast<double>(bytes) / bare / 1e9));
}

// A writer that ends without closing anything, as kill -9 ends it; then the store is opened.
void bench_open(Disk& disk, Clock& clock, const std::string& directory, std::uint64_t gigabytes) {
  const pid_t writer = ::fork();
  if (writer == 0) {
    const auto store = must(EventStore::open(disk, clock, directory, options_of(64 << 20)));
    BatchBuilder batch;
    std::string row(1 << 16, 'r');
    std::uint64_t noise = 1;
    for (std::uint64_t written = 0; written < gigabytes * 1'000'000'000;) {
      batch.begin({"1", {1}, {}, {}, 0, 0});
      for (int i = 0; i < 100; ++i, written += row.size()) {
        for (std::size_t at = 0; at + 8 <= row.size(); at += 8) {
          noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
          for (std::size_t byte = 0; byte < 8; ++byte)
            row[at + byte] = static_cast<char>(noise >> (8 * byte));
        }
        EventBody event;
        event.type = EventType::message;
        event.stream = store->stream("bench.large");
        event.body = row;
        batch.add(event);
      }
      batch.commit();
      must(store->append(batch));
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(writer, &status, 0);
  std::unique_ptr<EventStore> store;
  const double took = seconds(
      [&] { store = must(EventStore::open(disk, clock, directory, options_of(64 << 20))); });
  report(
      "opening after the writer was killed, large store", took * 1e3, "ms", 1000, Better::lower,
      fmt::format("a store of {} GB, as much of it in the page cache as there is room", gigabytes));
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  using namespace tidelog;
  if (argc < 2) {
    fmt::print(stderr, "usage: upkeep_bench DIRECTORY [GIGABYTES]\n");
    return 2;
  }
  const std::string directory = argv[1];
  std::uint64_t gigabytes = 20;
  if (argc > 2) {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), gigabytes);
  }
  const auto disk = real_disk();
  const auto clock = real_clock();
  bench_p99(*disk, *clock, directory);
  bench_verify(*disk, directory);
  if (gigabytes != 0) bench_open(*disk, *clock, directory + "/large", gigabytes);
  return 0;
}
