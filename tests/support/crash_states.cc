#include "tests/support/crash_states.h"

#include <doctest/doctest.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string_view>

namespace tidelog::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t sanitizer_share = 30;
#else
constexpr std::uint64_t sanitizer_share = 1;
#endif

constexpr std::uint64_t progress_interval = 20'000;

std::uint64_t number_from_environment_or(std::uint64_t other, const char* name) {
  std::uint64_t number = other;
  if (const char* given = std::getenv(name))
    std::from_chars(given, given + std::string_view(given).size(), number);
  return number;
}

}  // namespace

std::uint64_t wanted_crash_states(std::uint64_t usual) {
  return number_from_environment_or(usual / sanitizer_share, "TIDELOG_CRASH_STATES");
}

void report_crash_states(const std::string& test, std::uint64_t states) {
  MESSAGE(states << " crash states");
  if (const char* path = std::getenv("TIDELOG_CRASH_STATES_FILE"))
    std::ofstream(path, std::ios::app) << states << "\t" << test << "\n" << std::flush;
}

CrashProgress::CrashProgress(std::uint64_t wanted) : wanted_(wanted) {
  const std::uint64_t minutes = number_from_environment_or(0, "TIDELOG_CRASH_MINUTES");
  if (minutes != 0) end_ = std::chrono::steady_clock::now() + std::chrono::minutes(minutes);
}

void CrashProgress::at(std::uint64_t states, std::uint64_t seed) {
  if (states < next_ || std::getenv("TIDELOG_CRASH_STATES") == nullptr) return;
  std::cerr << states << " of " << wanted_ << " crash states, seed " << seed << "\n" << std::flush;
  next_ = states + progress_interval;
}

}  // namespace tidelog::testing
