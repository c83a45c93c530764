// The store against the disk it lies on, each figure a ratio within this run: appends beside a bare
// loop of write and fdatasync on a zeroed file, verified reads and folds beside a loop that only
// checksums the same bytes. Run by scripts/bench.sh store.
//   store_bench DIRECTORY [appends | in-flight | reads]      prints one JSON object a figure
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bench/bench.h"
#include "core/clock.h"
#include "core/crc32c.h"
#include "core/disk.h"
#include "core/value_codec.h"
#include "eventstore/event_store.h"
#include "eventstore/recovery.h"
#include "eventstore/store_reader.h"
#include "projections/state.h"

namespace tidelog {
namespace {

constexpr std::size_t event_bytes = 200;

// Events of 200 bytes: an 8-byte key among `keys`, and a payload that compresses like rows do.
class Rows {
 public:
  Rows(EventStore& store, std::uint64_t keys)
      : store_(store), stream_(store.stream("bench.public.rows")), keys_(keys) {
    schema_.table_schema = "public";
    schema_.table = "rows";
    schema_.columns = {{"id", "bigint", ValueKind::int64, true, 20, -1},
                       {"payload", "text", ValueKind::text, false, 25, -1}};
  }

  void transaction(BatchBuilder& batch, std::uint64_t rows) {
    const auto version = store_.schema(stream_, schema_);
    id_ = std::to_string(++transactions_);
    Transaction transaction;
    transaction.id = id_;
    transaction.commit_time = {static_cast<std::int64_t>(transactions_)};
    batch.begin(transaction);
    if (version.is_new) {
      EventBody event;
      std::string encoded;
      put_schema(encoded, schema_);
      event.type = EventType::schema;
      event.stream = stream_;
      event.schema = version.id;
      event.body = encoded;
      batch.add(event);
    }
    for (std::uint64_t i = 0; i < rows; ++i) add(batch, version.id);
    batch.commit();
  }

 private:
  void add(BatchBuilder& batch, SchemaId schema) {
    const std::uint64_t id = (row_++ * 0x9E37'79B9'7F4A'7C15) % keys_;
    key_.clear();
    put_value(key_, Value(static_cast<std::int64_t>(id)));
    row_bytes_ = key_;
    payload_ =
        fmt::format("{:016x}{:016x}", id * 0x2545'F491'4F6C'DD1D, row_ * 0x9E37'79B9'7F4A'7C15);
    payload_.resize(event_bytes - 30, 'p');
    put_value(row_bytes_, Value(Text{payload_}));
    EventBody event;
    event.type = EventType::update;
    event.stream = stream_;
    event.schema = schema;
    event.key = key_;
    event.body = row_bytes_;
    batch.add(event);
  }

  EventStore& store_;
  StreamId stream_;
  Schema schema_;
  std::uint64_t keys_;
  std::uint64_t row_ = 0;
  std::uint64_t transactions_ = 0;
  std::string id_, key_, row_bytes_, payload_;
};

double raw_syncs_per_second(Disk& disk, const std::string& directory, std::uint64_t count,
                            std::size_t bytes) {
  const auto file = must(disk.create(directory + "/raw"));
  must(write_zeros(*file, 0, (count + 1) * bytes));
  must(file->sync());
  const std::string data(bytes, 'x');
  const double took = seconds([&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      must(file->write(i * bytes, data));
      must(file->sync());
    }
  });
  must(disk.remove(directory + "/raw"));
  return static_cast<double>(count) / took;
}

void bench_single_appends(Disk& disk, Clock& clock, const std::string& directory) {
  constexpr std::uint64_t count = 3000;
  const auto store = must(EventStore::open(disk, clock, directory + "/single", {}));
  Rows rows(*store, 1000);
  BatchBuilder batch;
  double ratio_best = 0;
  for (int round = 0; round < 3; ++round) {
    const double raw = raw_syncs_per_second(disk, directory, count, event_bytes);
    const double took = seconds([&] {
      for (std::uint64_t i = 0; i < count; ++i) {
        rows.transaction(batch, 1);
        must(store->append(batch));
      }
    });
    ratio_best = std::max(ratio_best, static_cast<double>(count) / took / raw);
  }
  report("append, one 200-byte event a commit, one writer", ratio_best, "x of a raw fdatasync loop",
         0.9, "best of 3 rounds of 3000, in turn");
}

void bench_group_commit(Disk& disk, Clock& clock, const std::string& directory) {
  constexpr int writers = 64;
  constexpr std::uint64_t count = 2000;
  const auto store = must(EventStore::open(disk, clock, directory + "/group", {}));
  const double took = seconds([&] {
    std::vector<std::jthread> threads;
    for (int w = 0; w < writers; ++w) {
      threads.emplace_back([&] {
        Rows rows(*store, 1000);
        BatchBuilder batch;
        for (std::uint64_t i = 0; i < count; ++i) {
          rows.transaction(batch, 1);
          must(store->append(batch));
        }
      });
    }
  });
  report("append, one event a commit, 64 writers", writers * static_cast<double>(count) / took,
         "events/s", 0, "2000 each");
}

// Clients that each keep several appends in flight, every one with the revision that it expects, on
// a stream of its own: what an HTTP server with such clients does.
class Client {
 public:
  Client(EventStore& store, int number, std::uint64_t in_flight, std::size_t events)
      : store_(store),
        stream_(fmt::format("account-{}", number)),
        in_flight_(in_flight),
        events_(events) {}

  void run(std::uint64_t appends) {
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    while (answered < appends) {
      for (; sent < appends && sent - answered < in_flight_; ++sent) send(sent);
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return answers_ != 0; });
      answered += std::exchange(answers_, 0);
    }
  }

 private:
  void send(std::uint64_t number) {
    AppendRequest request;
    StreamAppend& part = request.streams.emplace_back();
    part.stream = stream_;
    part.expected = number == 0 ? ExpectedRevision::no_stream()
                                : ExpectedRevision::exactly(Revision{number * events_ - 1});
    part.events.resize(events_);
    for (NewEvent& event : part.events) {
      event.type = "AmountMoved";
      event.content_type = "application/json";
      event.data = fmt::format(R"({{"from":"{:016x}","amount":{},"text":")",
                               (number + 1) * 0x2545'F491'4F6C'DD1D, number % 977);
      event.data.resize(event_bytes - 30, 'p');
      event.data += "\"}";
    }
    store_.submit(std::move(request), [this](const Result<AppendOutcome>& outcome) {
      if (!outcome || !std::holds_alternative<AppendedEvents>(*outcome)) std::abort();
      if (count_answer() == 1) arrived_.notify_one();
    });
  }

  std::uint64_t count_answer() {
    const std::lock_guard lock(mutex_);
    return ++answers_;
  }

  EventStore& store_;
  const std::string stream_;
  const std::uint64_t in_flight_;
  const std::size_t events_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::uint64_t answers_ = 0;
};

double events_per_second_in_flight(Disk& disk, Clock& clock, const std::string& directory,
                                   int clients, std::uint64_t in_flight, std::size_t events,
                                   std::uint64_t appends) {
  const auto store = must(EventStore::open(disk, clock, directory, {}));
  const double took = seconds([&] {
    std::vector<std::jthread> threads;
    for (int c = 0; c < clients; ++c) {
      threads.emplace_back([&, c] { Client(*store, c, in_flight, events).run(appends); });
    }
  });
  return static_cast<double>(clients) * static_cast<double>(appends * events) / took;
}

void bench_in_flight(Disk& disk, Clock& clock, const std::string& directory) {
  constexpr int clients = 2;
  constexpr std::uint64_t in_flight = 32;
  double best = 0;
  double best_raw = 0;
  for (int round = 0; round < 3; ++round) {
    best_raw = std::max(best_raw, raw_syncs_per_second(disk, directory, 1000, 64 * event_bytes));
    best = std::max(best, events_per_second_in_flight(
                              disk, clock, fmt::format("{}/in-flight-{}", directory, round),
                              clients, in_flight, 1, 100'000));
  }
  report("append, expected revision, 64 in flight, one event each", best, "events/s", 150'000,
         fmt::format("best of 3; 2 clients with 32 each; a raw loop syncs 64 events {:.0f} times/s",
                     best_raw));
  best = 0;
  for (int round = 0; round < 3; ++round) {
    best = std::max(best, events_per_second_in_flight(
                              disk, clock, fmt::format("{}/requests-{}", directory, round), clients,
                              in_flight, 100, 8'000));
  }
  report("append, expected revision, 64 in flight, 100 events each", best, "events/s", 1'000'000,
         "best of 3; 2 clients with 32 each");
}

void bench_batches(Disk& disk, Clock& clock, const std::string& directory) {
  constexpr std::uint64_t batches = 2000;
  const auto store = must(EventStore::open(disk, clock, directory + "/batches", {}));
  Rows rows(*store, 100'000);
  BatchBuilder batch;
  const double took = seconds([&] {
    for (std::uint64_t i = 0; i < batches; ++i) {
      rows.transaction(batch, 1000);
      must(store->append(batch));
    }
  });
  report("append, 1000 events a commit, one writer", batches * 1000 / took, "events/s", 0,
         "2 M events of 200 bytes, fsync each");
}

void bench_reads(Disk& disk, const std::string& directory) {
  const auto reader = must(StoreReader::open(disk, directory + "/batches"));
  std::uint64_t events = 0;
  std::uint64_t raw_bytes = 0;
  const double read = seconds([&] {
    for (;;) {
      const Event* event = must(reader->next());
      if (event == nullptr) break;
      ++events;
      raw_bytes += event->body->size() + event->key.value_or(std::string_view()).size();
    }
  });
  report("verified replay in process", static_cast<double>(events) / read, "events/s", 5'000'000,
         fmt::format("{} events, {:.0f} MB of rows, checksums verified, page cache", events,
                     static_cast<double>(raw_bytes) / 1e6));

  const auto file = must(disk.open_read(directory + "/batches/segments/00000001-0.log"));
  std::string bytes;
  std::uint32_t crc = 0;
  const auto segment_bytes = must(file->size());
  const double checksum = seconds([&] {
    for (std::uint64_t offset = 0; offset < segment_bytes; offset += bytes.size()) {
      must(file->read(offset, 256 * 1024, bytes));
      crc = crc32c(bytes, crc);
    }
  });
  report("a bare loop that reads and checksums a segment",
         static_cast<double>(segment_bytes) / checksum / 1e9, "GB/s", 0,
         fmt::format("crc {:08x}", crc));

  const double folded = seconds([&] {
    const Position end = must(reader->end_through(reader->durable()));
    const auto fold = must(state_at(*reader, "bench.public.rows", end, nullptr));
  });
  report("state of a 100,000-row table by replay", static_cast<double>(events) / folded, "events/s",
         2'000'000, "2 M events");
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  using namespace tidelog;
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: store_bench DIRECTORY [appends | in-flight | reads]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const std::string_view only = argc == 3 ? argv[2] : "";
  const auto is_wanted = [&](std::string_view part) { return only.empty() || only == part; };
  const auto disk = real_disk();
  const auto clock = real_clock();
  must(disk->make_directory(directory));
  if (is_wanted("appends")) {
    bench_single_appends(*disk, *clock, directory);
    bench_group_commit(*disk, *clock, directory);
  }
  if (is_wanted("in-flight")) bench_in_flight(*disk, *clock, directory);
  if (is_wanted("reads")) {
    bench_batches(*disk, *clock, directory);
    bench_reads(*disk, directory);
  }
  return 0;
}
