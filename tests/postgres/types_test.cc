#include "connectors/postgres/types.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

TEST_CASE("types: each scalar has its kind") {
  CHECK(kind_of_type(16) == ValueKind::boolean);
  CHECK(kind_of_type(17) == ValueKind::bytes);
  CHECK(kind_of_type(20) == ValueKind::int64);
  CHECK(kind_of_type(21) == ValueKind::int64);
  CHECK(kind_of_type(23) == ValueKind::int64);
  CHECK(kind_of_type(26) == ValueKind::uint64);
  CHECK(kind_of_type(25) == ValueKind::text);
  CHECK(kind_of_type(1042) == ValueKind::text);
  CHECK(kind_of_type(1043) == ValueKind::text);
  CHECK(kind_of_type(114) == ValueKind::json);
  CHECK(kind_of_type(3802) == ValueKind::json);
  CHECK(kind_of_type(700) == ValueKind::float32);
  CHECK(kind_of_type(701) == ValueKind::float64);
  CHECK(kind_of_type(1700) == ValueKind::decimal);
  CHECK(kind_of_type(1082) == ValueKind::date);
  CHECK(kind_of_type(1083) == ValueKind::time);
  CHECK(kind_of_type(1266) == ValueKind::time_tz);
  CHECK(kind_of_type(1114) == ValueKind::timestamp);
  CHECK(kind_of_type(1184) == ValueKind::timestamp_tz);
  CHECK(kind_of_type(1186) == ValueKind::interval);
  CHECK(kind_of_type(1560) == ValueKind::bits);
  CHECK(kind_of_type(1562) == ValueKind::bits);
  CHECK(kind_of_type(2950) == ValueKind::uuid);
  CHECK(kind_of_type(5069) == ValueKind::uint64);
}

TEST_CASE("types: what has no kind of its own is kept as text of its type") {
  for (const std::uint32_t oid : {0U, 15U, 790U /* money */, 869U /* inet */, 1007U /* int4[] */,
                                  3904U /* int4range */, 16'384U, 4'294'967'295U}) {
    CAPTURE(oid);
    CHECK(kind_of_type(oid) == ValueKind::other);
  }
}

}  // namespace
}  // namespace tidelog::testing
