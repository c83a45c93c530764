// What the benchmarks share: an error ends them, time is the real clock's, a figure is one line of
// JSON (scripts/bench.sh).
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/result.h"

namespace tidelog {

inline void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "bench: {}\n", status.error().what);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "bench: {}\n", result.error().what);
    std::exit(1);
  }
  return *std::move(result);
}

inline double seconds(const std::function<void()>& work) {
  const auto clock = real_clock();
  const auto begin = clock->steady();
  work();
  return std::chrono::duration<double>(clock->steady() - begin).count();
}

// Drops a file from the page cache.
inline void forget_cached(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  if (file < 0) return;
  ::fdatasync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

// What this process holds that no file backs: the heap and the stacks.
inline double anonymous_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view name = "RssAnon:";
    if (!line.starts_with(name)) continue;
    const std::size_t begin = line.find_first_of("0123456789");
    double kilobytes = 0;
    std::from_chars(line.data() + begin, line.data() + line.size(), kilobytes);
    return kilobytes * 1024 / 1e6;
  }
  return 0;
}

// `goal` is the least, or the most, that the value may be; 0: it has none.
enum class Better : std::uint8_t { higher, lower };

inline void report(std::string_view figure, double value, std::string_view unit, double goal,
                   Better better, std::string_view how) {
  const bool met = goal == 0 || (better == Better::higher ? value >= goal : value <= goal);
  fmt::print(
      R"({{"suite":"store","figure":"{}","value":{:.4f},"unit":"{}","goal":{},"met":{},"how":"{}"}})"
      "\n",
      figure, value, unit, goal, met, how);
  std::fflush(stdout);
}

inline void report(std::string_view figure, double value, std::string_view unit, double goal,
                   std::string_view how) {
  report(figure, value, unit, goal, Better::higher, how);
}

}  // namespace tidelog
