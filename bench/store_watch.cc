// Watches a store from beside its writer, for bench/postgres_bench.py.
//   store_watch position STORE             the durable end
//   store_watch wait STORE POSITION        ends once there is a store, and its durable end there
//   store_watch latency STORE POSITION N   of N events from a position on: from the commit, by the
//                                          server's clock, until they are read here
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "core/disk.h"
#include "eventstore/store_reader.h"

namespace tidelog {
namespace {

constexpr auto patience = std::chrono::minutes(5);

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void pause_us(long micros) {
  const timespec time{0, micros * 1000};
  ::ppoll(nullptr, 0, &time, nullptr);
}

int out_of_patience() {
  fmt::print(stderr, "store_watch: nothing came for minutes\n");
  return 1;
}

int wait_until(Disk& disk, const std::string& store, Position position) {
  const auto clock = real_clock();
  const auto end = clock->steady() + patience;
  std::unique_ptr<StoreReader> reader;
  while (!reader || reader->durable() < position) {
    if (clock->steady() > end) return out_of_patience();
    pause_us(1000);
    if (reader) continue;
    if (auto opened = StoreReader::open(disk, store)) reader = *std::move(opened);
  }
  return 0;
}

double milliseconds_at(const std::vector<std::int64_t>& sorted, double part) {
  const auto index = static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * part);
  return static_cast<double>(sorted[index]) / 1000;
}

int measure_latency(StoreReader& reader, Position from, std::size_t count) {
  const auto clock = real_clock();
  auto end = clock->steady() + patience;
  must(reader.seek(from));
  std::vector<std::int64_t> micros;
  while (micros.size() < count) {
    const Event* const event = must(reader.next());
    if (event == nullptr) {
      if (clock->steady() > end) return out_of_patience();
      pause_us(100);
      continue;
    }
    micros.push_back(clock->now().value - event->transaction.commit_time.value);
  }
  std::sort(micros.begin(), micros.end());
  fmt::print("{:.3f} {:.3f} {:.3f}\n", milliseconds_at(micros, 0.5), milliseconds_at(micros, 0.99),
             milliseconds_at(micros, 1));
  return 0;
}

int main_of(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments[0];
  if (arguments.size() < (what == "latency" ? 4U : what == "wait" ? 3U : 2U)) {
    fmt::print(stderr,
               "store_watch position STORE | wait STORE POSITION | latency STORE POSITION N\n");
    return 2;
  }
  const auto disk = real_disk();
  if (what == "wait") return wait_until(*disk, arguments[1], Position{number(arguments[2])});
  const auto reader = must(StoreReader::open(*disk, arguments[1]));
  if (what == "latency")
    return measure_latency(*reader, Position{number(arguments[2])}, number(arguments[3]));
  fmt::print("{}\n", reader->durable().value);
  return 0;
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  return tidelog::main_of(std::vector<std::string>(argv + 1, argv + argc));
}
