#include "app/lag.h"

#include <doctest/doctest.h>

namespace tidelog {
namespace {

UnixMicros second(std::int64_t number) { return {number * 1'000'000}; }

}  // namespace

TEST_CASE("lag: nothing is known before the first look, and when the database does not answer") {
  Lag lag;
  CHECK_FALSE(lag.seconds(second(1), second(2)));
  lag.look(1'000, 10, second(10));
  CHECK(lag.missing() == 10U);
  lag.not_known();
  CHECK_FALSE(lag.missing());
  CHECK_FALSE(lag.seconds(second(1), second(11)));
}

TEST_CASE("lag: it counts from the last commit that is stored, and is 0 when all is") {
  Lag lag;
  lag.look(1'000, 10, second(10));
  CHECK(lag.seconds(second(7), second(11)) == 4.0);
  CHECK_FALSE(lag.seconds({}, second(11)));
  lag.look(1'000, 0, second(12));
  CHECK(lag.seconds(second(7), second(13)) == 0.0);
}

TEST_CASE("lag: a server whose clock is ahead makes none that is negative") {
  Lag lag;
  lag.look(1'000, 10, second(10));
  CHECK(lag.seconds(second(99), second(11)) == 0.0);
}

TEST_CASE("lag: tables that rest while others write are not behind") {
  Lag lag;
  lag.look(1'000, 400, second(10'000));
  lag.look(2'000, 900, second(10'002));  // stored up to 1,100: all that was there before
  CHECK(lag.seconds(second(7), second(10'003)) == 3.0);
  lag.look(9'000, 7'500, second(10'004));  // up to 1,500: less than the look before
  CHECK(lag.seconds(second(7), second(10'005)) == 5.0);
  lag.look(9'500, 7'000, second(10'006));  // up to 2,500: all of the second look
  CHECK(lag.seconds(second(7), second(10'007)) == 5.0);
}

}  // namespace tidelog
