#include "connectors/tables/stream_names.h"

#include <doctest/doctest.h>

namespace tidelog::testing {

TEST_CASE("stream names: schema, dot, table; taken again by the same table") {
  StreamNames names;
  CHECK(names.take("public", "orders").value() == "public.orders");
  CHECK(names.take("public", "orders").value() == "public.orders");
  CHECK(names.take("a.b", "c").value() == "a.b.c");
  CHECK(names.take("a.b", "c").value() == "a.b.c");
}

TEST_CASE("stream names: two tables that would have one stream are refused by their names") {
  StreamNames names;
  CHECK(names.take("a", "b.c").has_value());
  const auto refused = names.take("a.b", "c");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::misconfigured);
  CHECK(refused.error().what ==
        "the tables \"a\".\"b.c\" and \"a.b\".\"c\" would have one stream for their events: leave "
        "one of them out of `tables`, or give it another name");
}

}  // namespace tidelog::testing
