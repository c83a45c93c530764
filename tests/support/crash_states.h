// How many crash states a test goes through, and how many it went through: printed, and noted in
// the file that TIDELOG_CRASH_STATES_FILE names, so that scripts/test.sh can tell the sum of a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tidelog::testing {

// TIDELOG_CRASH_STATES=number asks for other numbers than the usual ones. Under a sanitizer the
// usual ones are fewer.
std::uint64_t wanted_crash_states(std::uint64_t usual);

// A line of a test's own, and of the run's.
void report_crash_states(const std::string& test, std::uint64_t states);

// Of runs that take long (TIDELOG_CRASH_STATES is set): tells on the standard error how far it is,
// every so often, and whether the time is over (TIDELOG_CRASH_MINUTES).
class CrashProgress {
 public:
  explicit CrashProgress(std::uint64_t wanted);
  void at(std::uint64_t states, std::uint64_t seed);
  bool time_is_over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::uint64_t wanted_;
  std::uint64_t next_ = 0;
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace tidelog::testing
