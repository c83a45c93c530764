// The seed of a random test: new in each run, or a fixed one, and always printed. To repeat a run,
// or to make a fixed one random: TIDELOG_TEST_SEED=number.
#pragma once

#include <doctest/doctest.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string_view>

namespace tidelog::testing {

inline std::uint64_t seed_from_environment_or(std::uint64_t other) {
  std::uint64_t seed = other;
  if (const char* given = std::getenv("TIDELOG_TEST_SEED")) {
    std::from_chars(given, given + std::string_view(given).size(), seed);
  }
  MESSAGE("TIDELOG_TEST_SEED=" << seed);
  return seed;
}

inline std::uint64_t test_seed() { return seed_from_environment_or(std::random_device{}()); }
// For tests whose worth in a normal run is that they are the same each time.
inline std::uint64_t test_seed(std::uint64_t usual) { return seed_from_environment_or(usual); }

}  // namespace tidelog::testing
