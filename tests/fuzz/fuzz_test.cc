// Every fuzz target over its seeds and mutations of them that are the same in each run, so that the
// sanitizers see the parsers without libFuzzer, too. With TIDELOG_FUZZ_SEEDS=FOLDER the seeds are
// written there, for scripts/fuzz.sh.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/seeds.h"
#include "tests/support/seed.h"

namespace tidelog::fuzz {
namespace {

// In memory of its own size, so that a sanitizer sees a read behind it.
void run(const Target& target, std::string_view input) {
  const std::unique_ptr<char[]> copy(new char[input.size()]);
  input.copy(copy.get(), input.size());
  target.run(std::string_view(copy.get(), input.size()));
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, std::uint64_t seed)
      : seeds_(seeds), random_(seed) {}

  std::string next() {
    std::string bytes = seeds_[below(seeds_.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) mutate(bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void mutate(std::string& bytes) {
    if (bytes.empty()) {
      bytes.push_back(static_cast<char>(random_()));
      return;
    }
    const std::size_t at = below(bytes.size());
    const std::size_t count = std::min(1 + below(below(2) == 0 ? 4 : 64), bytes.size() - at);
    constexpr std::string_view numbers[] = {std::string_view("\0\0\0\0\0\0\0\0", 8),
                                            "\xff\xff\xff\xff\xff\xff\xff\x7f",
                                            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                            "\x80\x80\x80\x80\x10",
                                            "\x01",
                                            "\xff\xff"};
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        bytes.erase(at, count);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, count));
        break;
      case 4: {
        const std::string_view number = numbers[below(std::size(numbers))];
        bytes.replace(at, std::min(number.size(), bytes.size() - at), number);
        break;
      }
      case 5: {
        const std::string& other = seeds_[below(seeds_.size())];
        const std::size_t from = other.empty() ? 0 : below(other.size());
        bytes = bytes.substr(0, at) + other.substr(from);
        break;
      }
      default:
        bytes.resize(at);
        break;
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_;
};

// Whole stores take longer than single structures.
std::size_t rounds_of(std::string_view target) { return target == "segment_file" ? 1'000 : 10'000; }

}  // namespace

TEST_CASE("fuzz: every target has seeds, and every seed a target") {
  const Seeds seeds = all_seeds();
  CHECK(targets().size() == seeds.size());
  for (const Target& target : targets()) {
    CAPTURE(target.name);
    REQUIRE(seeds.contains(target.name));
    CHECK_FALSE(seeds.find(target.name)->second.empty());
  }
}

TEST_CASE("fuzz: no seed and no mutation of one makes a parser do anything but answer") {
  const Seeds seeds = all_seeds();
  const std::uint64_t seed = testing::test_seed(20'261'126);
  for (const Target& target : targets()) {
    INFO(target.name);
    const auto found = seeds.find(target.name);
    REQUIRE(found != seeds.end());
    for (const std::string& bytes : found->second) run(target, bytes);
    run(target, {});
    Mutator mutations(found->second, seed);
    for (std::size_t n = 0; n < rounds_of(target.name); ++n) run(target, mutations.next());
  }
}

TEST_CASE("fuzz: the seeds can be written to a folder") {
  const char* const folder = std::getenv("TIDELOG_FUZZ_SEEDS");
  if (folder == nullptr) return;
  for (const auto& [target, list] : all_seeds()) {
    const std::filesystem::path path = std::filesystem::path(folder) / target;
    std::filesystem::create_directories(path);
    for (std::size_t n = 0; n < list.size(); ++n) {
      std::ofstream file(path / ("seed-" + std::to_string(n)), std::ios::binary);
      file << list[n];
      CHECK(file.good());
    }
  }
}

}  // namespace tidelog::fuzz
