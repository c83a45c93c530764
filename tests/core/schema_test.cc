#include "core/schema.h"

#include <doctest/doctest.h>

#include <limits>

#include "tests/core/damage.h"
#include "tests/core/sample_values.h"

namespace tidelog::testing {
namespace {

Schema orders() {
  Schema schema;
  schema.table_schema = "public";
  schema.table = "orders";
  schema.columns = {{"shop", "text", ValueKind::text, true, 25, -1},
                    {"price", "numeric(10,2)", ValueKind::decimal, false, 1700, 655'366},
                    {"id", "bigint", ValueKind::int64, true, 20, -1}};
  return schema;
}

Schema transformed() {
  Schema schema = orders();
  schema.columns[0].transform = Transform::hashed;
  schema.columns[0].transform_detail = "5f1e";
  schema.columns[1].transform = Transform::kept;
  schema.left_out = {"password", "note"};
  return schema;
}

Schema of_a_table() {
  Schema schema = orders();
  schema.table_id = 16'384;
  schema.types_asked = true;
  schema.key_asked = true;
  return schema;
}

std::string stored(const Schema& schema) {
  std::string out;
  put_schema(out, schema);
  return out;
}

std::string row_of(const Value& shop, const Value& price, const Value& id) {
  return testing::stored(shop) + testing::stored(price) + testing::stored(id);
}

TEST_CASE("schema: it is read as it was stored") {
  Schema extreme = orders();
  extreme.identity = ReplicaIdentity::nothing;
  extreme.columns[0].type_id = std::numeric_limits<std::uint32_t>::max();
  extreme.columns[0].type_modifier = std::numeric_limits<std::int32_t>::min();
  Schema both = transformed();
  both.key_asked = true;
  Schema ended = orders();
  ended.ended = true;
  for (const Schema& schema :
       {orders(), extreme, transformed(), of_a_table(), both, ended, Schema{}}) {
    const auto again = read_schema(stored(schema));
    REQUIRE(again);
    CHECK(*again == schema);
  }
}

TEST_CASE("schema: every prefix is corrupt") {
  for_each_prefix(stored(orders()), [](std::string_view prefix) {
    const auto schema = read_schema(prefix);
    REQUIRE_FALSE(schema);
    CHECK(schema.error().code == Code::corrupt);
  });
}

TEST_CASE("schema: every prefix is corrupt, but for the one that leaves out no column") {
  const std::string bytes = stored(transformed());
  Schema whole = transformed();
  whole.left_out.clear();
  for_each_prefix(bytes, [&](std::string_view prefix) {
    const auto schema = read_schema(prefix);
    CHECK(schema.has_value() == (prefix == stored(whole)));
  });
}

TEST_CASE("schema: every prefix is corrupt, but for the one that does not say which table it is") {
  for_each_prefix(stored(of_a_table()), [&](std::string_view prefix) {
    CHECK(read_schema(prefix).has_value() == (prefix == stored(orders())));
  });
}

TEST_CASE("schema: what would say nothing is corrupt") {
  for (const std::string& end : {std::string("\0\0\0", 3), std::string("\0\1\4", 3)})
    CHECK_FALSE(read_schema(stored(orders()) + end));
}

TEST_CASE("schema: bytes too many are corrupt") {
  CHECK_FALSE(read_schema(stored(orders()) + "x"));
  CHECK_FALSE(read_schema(stored(orders()) + '\0'));
}

TEST_CASE("schema: what is read from bytes with a flipped bit has a stored form") {
  for (const Schema& good : {orders(), transformed(), of_a_table()}) {
    for_each_flipped_bit(stored(good), [](std::string_view flipped) {
      const auto schema = read_schema(flipped);
      if (schema) CHECK(read_schema(stored(*schema)));
    });
  }
}

TEST_CASE("schema: an identity, a kind or a flag that is not known is corrupt") {
  Schema schema;
  schema.columns.resize(1);
  const std::string good = stored(schema);
  REQUIRE(read_schema(good));
  for (const auto& [offset, bad] : {std::pair<std::size_t, char>{2, '\0'},
                                    {2, '\x05'},
                                    {6, '\0'},
                                    {6, '\x01'},
                                    {6, static_cast<char>(value_kind_count)},
                                    {7, '\x04'}}) {
    CAPTURE(offset);
    std::string bytes = good;
    bytes[offset] = bad;
    const auto read = read_schema(bytes);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::corrupt);
  }
}

TEST_CASE("schema: it has a key when a column is part of it") {
  CHECK(orders().has_key());
  CHECK_FALSE(Schema{}.has_key());
}

TEST_CASE("key of a row: the key columns' values in column order") {
  std::string key = "before";
  REQUIRE(put_key_of_row(key, orders(), row_of(Text{"a"}, Null{}, std::int64_t{7})));
  CHECK(key == "before" + testing::stored(Text{"a"}) + testing::stored(std::int64_t{7}));
}

TEST_CASE("key of a row: empty without key columns") {
  Schema schema = orders();
  for (Column& column : schema.columns) column.key = false;
  std::string key;
  REQUIRE(put_key_of_row(key, schema, row_of(Text{"a"}, Null{}, std::int64_t{7})));
  CHECK(key.empty());
}

TEST_CASE("key of a row: an unchanged value outside the key does not matter") {
  std::string key;
  CHECK(put_key_of_row(key, orders(), row_of(Text{"a"}, Unchanged{}, std::int64_t{7})));
}

TEST_CASE("key of a row: an unchanged key column is refused by name, and nothing is appended") {
  std::string key = "before";
  const Status status = put_key_of_row(key, orders(), row_of(Text{"a"}, Null{}, Unchanged{}));
  CHECK(key == "before");
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Code::unsupported);
  CHECK(status.error().what ==
        "public.orders: the key column id was not sent with the row, so the row has no key");
}

TEST_CASE("key of a row: every prefix of a row is corrupt, and nothing is appended") {
  for_each_prefix(row_of(Text{"a"}, Decimal{"1.50"}, std::int64_t{700}),
                  [](std::string_view prefix) {
                    std::string key = "before";
                    const Status status = put_key_of_row(key, orders(), prefix);
                    CHECK(key == "before");
                    REQUIRE_FALSE(status);
                    CHECK(status.error().code == Code::corrupt);
                  });
}

}  // namespace
}  // namespace tidelog::testing
