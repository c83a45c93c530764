#include "projections/row_shape.h"

#include <doctest/doctest.h>

#include "core/value_codec.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

Schema people(Transform transform, const std::string& detail = {}) {
  Schema schema{"public", "people", ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "integer", ValueKind::int64, true, 23, -1});
  schema.columns.push_back({"mail", "text", ValueKind::text, false, 25, -1, transform, detail});
  schema.columns.push_back({"city", "text", ValueKind::text, false, 25, -1});
  return schema;
}

std::string row_of(const Value& mail, const Value& city) {
  std::string row;
  put_value(row, Value(std::int64_t{1}));
  put_value(row, mail);
  put_value(row, city);
  return row;
}

TEST_CASE("row shape: a value is taken from a row that was stored under the same transform alone") {
  struct Case {
    Schema known;
    Schema row;
    bool alike;
  };
  for (const Case& c : std::initializer_list<Case>{
           {people(Transform::none), people(Transform::masked), false},
           {people(Transform::masked), people(Transform::none), false},
           {people(Transform::masked, "-"), people(Transform::masked, "+"), false},
           {people(Transform::hashed, "one"), people(Transform::kept), false},
           {people(Transform::hashed, "one"), people(Transform::hashed, "one"), true},
           {people(Transform::none), people(Transform::kept), true},
       }) {
    const std::string stored = row_of(Value(Text{"a"}), Value(Text{"b"}));
    const Value mail = c.alike ? Value(Text{"a"}) : Value(Unchanged{});
    const std::string expected = row_of(mail, Value(Text{"b"}));
    std::string filled;
    must(put_filled(filled, {row_of(Value(Unchanged{}), Value(Unchanged{})), &c.row},
                    {stored, &c.known}));
    CHECK(filled == expected);
    std::string reshaped;
    must(put_reshaped(reshaped, {stored, &c.known}, c.row));
    CHECK(reshaped == expected);
    CHECK(same_row_shape(c.known, c.row) == c.alike);
  }
}

}  // namespace
}  // namespace tidelog::testing
