#include "connectors/postgres/recent_map.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace tidelog::postgres {
namespace {

TEST_CASE("recent map: the newest keys are kept, and never more than twice the limit") {
  RecentMap<int, std::string> map(10);
  for (int i = 0; i < 1'000; ++i) {
    map.put(i, std::to_string(i));
    CHECK(map.size() <= 20);
    for (int newest = i; newest > std::max(-1, i - 10); --newest) {
      const std::string* found = map.find(newest);
      REQUIRE(found != nullptr);
      CHECK(*found == std::to_string(newest));
    }
  }
  CHECK(map.find(0) == nullptr);
}

TEST_CASE("recent map: what is asked for again and again stays") {
  RecentMap<int, std::string> map(10);
  map.put(-1, "kept");
  for (int i = 0; i < 1'000; ++i) {
    map.put(i, "other");
    REQUIRE(map.find(-1) != nullptr);
  }
  CHECK(*map.find(-1) == "kept");
  map.put(-1, "new");
  CHECK(*map.find(-1) == "new");
}

}  // namespace
}  // namespace tidelog::postgres
