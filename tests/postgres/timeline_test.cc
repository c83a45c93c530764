#include "connectors/postgres/timeline.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

TEST_CASE("timeline history: lines, comments and empty lines") {
  const auto history = read_timeline_history(
      "# kept\n1\t0/3000110\tno recovery target specified\n\n2\t0/5000000\treason with spaces\n");
  REQUIRE(history);
  REQUIRE(history->size() == 2);
  CHECK(history->at(0).timeline == 1);
  CHECK(history->at(0).at.value == 0x3000110);
  CHECK(history->at(1).timeline == 2);
}

TEST_CASE("timeline history: a position up to the switch is part of it, one behind is not") {
  const std::vector<TimelineSwitch> history = {{1, Lsn{100}}, {2, Lsn{200}}};
  CHECK(leads_to(history, 1, Lsn{100}));
  CHECK_FALSE(leads_to(history, 1, Lsn{101}));
  CHECK(leads_to(history, 2, Lsn{150}));
  CHECK_FALSE(leads_to(history, 3, Lsn{1}));
}

TEST_CASE("timeline history: what cannot be read is corrupt") {
  CHECK_FALSE(read_timeline_history("one\t0/1\tx\n"));
  CHECK_FALSE(read_timeline_history("1\tzero\tx\n"));
  CHECK_FALSE(read_timeline_history("1\n"));
}

}  // namespace
}  // namespace tidelog::testing
