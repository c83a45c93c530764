// A fuzz target: one parser, given any bytes. It gives a value or an error, and what it gives can
// be written and read again. Each target is one file with one TIDELOG_FUZZ_TARGET; libFuzzer drives
// it in the `fuzz` preset (fuzz_main.cc, scripts/fuzz.sh), and in every build fuzz_test.cc drives
// all of them over seeds.cc's structures and some thousands of mutations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/invariant.h"

namespace tidelog::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view input);  // aborts on what it finds
};

// Those that are linked in.
inline std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

struct Registered {
  Registered(std::string_view name, void (*run)(std::string_view)) {
    targets().push_back({name, run});
  }
};

// -- what targets share --

// Reads `bytes`, writes what it got, and reads that: the two values have the same bytes.
template <class Read, class Write>
void check_round_trip(std::string_view bytes, Read read, Write write) {
  const auto value = read(bytes);
  if (!value) return;
  const std::string written = write(*value);
  const auto again = read(std::string_view(written));
  INVARIANT(again, "what was written can be read");
  INVARIANT(write(*again) == written, "a value has one form");
}

}  // namespace tidelog::fuzz

#define TIDELOG_FUZZ_TARGET(name)                                                 \
  static void fuzz_##name(std::string_view input);                                \
  static const ::tidelog::fuzz::Registered registered_##name(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view input)
