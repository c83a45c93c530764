#include "connectors/mysql/mariadb_gtid.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

MariadbGtidPosition position_of(std::string_view text) {
  Result<MariadbGtidPosition> position = MariadbGtidPosition::parse(text);
  REQUIRE(position);
  return *std::move(position);
}

TEST_CASE("mariadb positions: text is read and printed") {
  CHECK(position_of("").print().empty());
  CHECK(position_of("7-2-3, 0-1-18446744073709551615").print() == "0-1-18446744073709551615,7-2-3");
  for (const std::string_view text :
       {"1", "1-2", "1-2-", "a-b-c", "1-2-3-4", "0-1-1,0-2-2", "4294967296-1-1", "1-2-3;"}) {
    CAPTURE(text);
    CHECK(MariadbGtidPosition::parse(text).error().code == Code::misconfigured);
  }
}

TEST_CASE(
    "mariadb positions: the sequence decides within a domain, and who wrote its last number") {
  MariadbGtidPosition position = position_of("0-1-10,7-1-3");
  CHECK(position.contains({0, 1, 10}));
  CHECK(position.contains({0, 2, 9}));
  CHECK_FALSE(position.contains({0, 2, 10}));
  CHECK_FALSE(position.contains({0, 1, 11}));
  CHECK_FALSE(position.contains({5, 1, 1}));
  CHECK(position.is_reached_by(position_of("0-3-11,7-1-3,9-1-1")));
  CHECK_FALSE(position.is_reached_by(position_of("0-3-10,7-1-4,9-1-1")));
  CHECK_FALSE(position.is_reached_by(position_of("0-1-10")));
  CHECK(position_of("").is_reached_by(position));
  position.set({0, 3, 12});
  CHECK(position.print() == "0-3-12,7-1-3");
}

}  // namespace
}  // namespace tidelog::testing
