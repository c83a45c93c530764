// What the store's upkeep costs those who append meanwhile, how long a large store takes to open
// after its writer was killed, and the memory that a store takes. Run by
// scripts/bench.sh store.
//   upkeep_bench DIRECTORY [GIGABYTES]     prints one JSON object a figure
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench.h"
#include "core/disk.h"
#include "eventstore/backup.h"
#include "eventstore/event_store.h"
#include "eventstore/retention.h"
#include "eventstore/store_reader.h"

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

// A row that no codec makes smaller.
void put_noise(std::string& row, std::uint64_t& noise) {
  for (std::size_t at = 0; at + 8 <= row.size(); at += 8) {
    noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
    for (std::size_t byte = 0; byte < 8; ++byte)
      row[at + byte] = static_cast<char>(noise >> (8 * byte));
  }
}

// The same bytes in a file of their own, synced as often: what the disk alone makes others wait.
void write_plainly(Disk& disk, const std::string& path, std::uint64_t bytes) {
  const auto file = must(disk.create(path));
  std::string row(1 << 20, 'r');
  std::uint64_t noise = 1;
  for (std::uint64_t written = 0; written < bytes; written += row.size()) {
    put_noise(row, noise);
    must(file->write(written, row));
    if (written % (64 << 20) == 0) must(file->sync());
  }
  must(file->sync());
}

// One transaction of a source, as large as that, from its first row until it is visible.
void commit_large(EventStore& store, std::uint64_t bytes) {
  const auto staged = must(store.stage());
  must(staged->begin({"1", {1}, {}, {}, 0, 0}));
  std::string row(1 << 14, 'r');
  std::uint64_t noise = 1;
  for (std::uint64_t written = 0; written < bytes; written += row.size()) {
    put_noise(row, noise);
    EventBody event;
    event.type = EventType::message;
    event.stream = store.stream("bench.large");
    event.body = row;
    must(staged->add(event));
  }
  must(store.adopt(*staged, store.source("bench"), "1"));
}

void bench_large_transaction(Disk& disk, Clock& clock, const std::string& directory,
                             std::uint64_t gigabytes) {
  const auto store = must(EventStore::open(disk, clock, directory, options_of(64 << 20)));
  const auto p99_beside = [&](const std::function<void()>& work) {
    std::atomic<bool> is_done = false;
    std::thread worker([&] {
      work();
      is_done = true;
    });
    const double p99 = append_p99(*store, [&](std::size_t) { return !is_done; });
    worker.join();
    return p99;
  };
  const std::uint64_t bytes = gigabytes * 1'000'000'000;
  const double plain = p99_beside([&] { write_plainly(disk, directory + "/plain", bytes); });
  must(disk.remove(directory + "/plain"));
  const double beside = p99_beside([&] { commit_large(*store, bytes); });
  report(
      "append, p99 beside a large transaction of a source", beside / plain,
      "x of beside a file that is written", 1.5, Better::lower,
      fmt::format("{:.2f} ms beside {} GB in one transaction, {:.2f} ms beside a file of as many "
                  "bytes",
                  beside, gigabytes, plain));
}

// In one that ends without closing anything, as kill -9 ends it.
void in_another_process(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

// A large store whose writer was killed, and what opening it takes.
void bench_open(Disk& disk, Clock& clock, const std::string& directory, std::uint64_t gigabytes) {
  in_another_process([&] {
    const auto store = must(EventStore::open(disk, clock, directory, options_of(64 << 20)));
    BatchBuilder batch;
    std::string row(1 << 16, 'r');
    std::uint64_t noise = 1;
    for (std::uint64_t written = 0; written < gigabytes * 1'000'000'000;) {
      batch.begin({"1", {1}, {}, {}, 0, 0});
      for (int i = 0; i < 100; ++i, written += row.size()) {
        put_noise(row, noise);
        EventBody event;
        event.type = EventType::message;
        event.stream = store->stream("bench.large");
        event.body = row;
        batch.add(event);
      }
      batch.commit();
      must(store->append(batch));
    }
  });
  const std::string segments = directory + "/segments";
  for (const bool cold : {false, true}) {
    if (cold) {
      for (const std::string& name : must(disk.list(segments)))
        forget_cached(segments + "/" + name);
    }
    // Each in a process of its own that ends without closing, like the first.
    in_another_process([&] {
      std::unique_ptr<EventStore> store;
      const double took = seconds(
          [&] { store = must(EventStore::open(disk, clock, directory, options_of(64 << 20))); });
      report(fmt::format("opening after the writer was killed, {}", cold ? "cold" : "warm"),
             took * 1e3, "ms", cold ? 2000 : 1000, Better::lower,
             fmt::format("a store of {} GB", gigabytes));
      if (!cold) return;
      // What the background does after opening has been done when an index was looked at.
      must(store->make_indexes());
      report("anonymous resident memory, idle", anonymous_megabytes(), "MB", 16, Better::lower,
             fmt::format("the store of {} GB, opened", gigabytes));
    });
  }
}

// Many clients, and a reader that follows them.
void bench_memory(Disk& disk, Clock& clock, const std::string& directory) {
  in_another_process([&] {
    const auto store = must(EventStore::open(disk, clock, directory, options_of(64 << 20)));
    constexpr std::size_t clients = 64;
    constexpr int appends = 4000;
    std::atomic<std::size_t> done = 0;
    std::vector<std::jthread> threads;
    for (std::size_t client = 0; client < clients; ++client) {
      threads.emplace_back([&, client] {
        for (int i = 0; i < appends; ++i) {
          AppendRequest request;
          request.streams.push_back({fmt::format("bench.client-{}", client), {}, {}});
          NewEvent event;
          event.type = "Appended";
          event.data = std::string(event_bytes, 'd');
          request.streams.front().events.assign(10, event);
          must(store->append(std::move(request)));
        }
        ++done;
      });
    }
    double most = 0;
    const auto reader = must(store->reader());
    while (done < clients) {
      while (must(reader->next()) != nullptr) {
      }
      most = std::max(most, anonymous_megabytes());
    }
    report("anonymous resident memory, under load", most, "MB", 128, Better::lower,
           fmt::format("{} writers of 10 events an append, {} events in all, one reader", clients,
                       clients * appends * 10));
  });
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
  bench_memory(*disk, *clock, directory + "/load");
  if (gigabytes != 0)
    bench_large_transaction(*disk, *clock, directory + "/transaction", gigabytes / 2);
  if (gigabytes != 0) bench_open(*disk, *clock, directory + "/large", gigabytes);
  return 0;
}
