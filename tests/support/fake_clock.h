// FakeClock: a clock that stands still until a test moves it. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/clock.h"

namespace tidelog::testing {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(UnixMicros now = {1'764'000'000'000'000}) : now_(now.value) {}

  UnixMicros now() override { return {now_.load()}; }
  std::chrono::steady_clock::time_point steady() override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(steady_.load()));
  }

  // Time passes.
  void advance(std::chrono::microseconds duration) {
    now_ += duration.count();
    steady_ += duration.count();
  }
  // Somebody sets the wall clock, forwards or back.
  void set_now(UnixMicros now) { now_ = now.value; }

 private:
  std::atomic<std::int64_t> now_;
  std::atomic<std::int64_t> steady_ = 0;
};

}  // namespace tidelog::testing
