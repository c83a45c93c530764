#include "projections/row_map.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "tests/support/seed.h"

namespace tidelog {
namespace {

StoredRow row(std::string_view key, std::string_view bytes, std::uint64_t position = 0) {
  return {.key = key,
          .row = bytes,
          .schema = {1},
          .position = {position},
          .revision = {position},
          .copies = 1};
}

}  // namespace

TEST_CASE("row map: a row is found until it is erased") {
  RowMap map;
  CHECK(!map.find("a"));
  map.put(row("a", "1", 5));
  REQUIRE(map.find("a"));
  CHECK(map.find("a")->row == "1");
  CHECK(map.find("a")->position == Position{5});
  map.put(row("a", "a longer row than before, by far", 6));
  CHECK(map.find("a")->row == "a longer row than before, by far");
  CHECK(map.key_count() == 1);
  CHECK(map.erase("a"));
  CHECK(!map.erase("a"));
  CHECK(!map.find("a"));
}

TEST_CASE("row map: empty keys and rows are rows") {
  RowMap map;
  map.put(row("", ""));
  REQUIRE(map.find(""));
  CHECK(map.find("")->row.empty());
}

TEST_CASE("row map: equals a std::map after random changes that compact it many times") {
  std::mt19937 random(static_cast<std::uint32_t>(testing::test_seed()));
  RowMap map;
  std::map<std::string, std::string> model;
  for (int i = 0; i < 60'000; ++i) {
    const std::string key = "key " + std::to_string(random() % 2'000);
    if (random() % 4 == 0) {
      CHECK(map.erase(key) == (model.erase(key) > 0));
    } else {
      const std::string bytes(random() % 100 == 0 ? random() % 100'000 : random() % 1'000,
                              static_cast<char>(random()));
      map.put(row(key, bytes));
      model[key] = bytes;
    }
  }
  CHECK(map.key_count() == model.size());
  std::size_t live_bytes = 0;
  map.for_each([&](const StoredRow& stored) {
    const auto at = model.find(std::string(stored.key));
    REQUIRE(at != model.end());
    CHECK(at->second == stored.row);
    live_bytes += stored.row.size();
  });
  CHECK(map.arena_bytes() < 4 * live_bytes + (8 << 20));
}

TEST_CASE("row map: a row larger than a chunk is a row") {
  RowMap map;
  const std::string large(5 << 20, 'x');
  map.put(row("a", large));
  map.put(row("b", "small"));
  CHECK(map.find("a")->row == large);
  CHECK(map.find("b")->row == "small");
}

}  // namespace tidelog
