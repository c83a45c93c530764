#include "connectors/tables/table_pattern.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

bool matches(std::string_view pattern, std::string_view schema, std::string_view table) {
  const auto parsed = parse_table_pattern(pattern);
  REQUIRE(parsed);
  return parsed->matches(schema, table);
}

TEST_CASE("table pattern: a plain name means that table, letter for letter") {
  CHECK(matches("public.orders", "public", "orders"));
  CHECK_FALSE(matches("public.orders", "public", "Orders"));
  CHECK_FALSE(matches("public.orders", "public", "orders2"));
  CHECK_FALSE(matches("public.orders", "sales", "orders"));
  CHECK(matches("public.Orders", "public", "Orders"));
}

TEST_CASE("table pattern: a star is any run, a question mark one character") {
  CHECK(matches("public.*", "public", "orders"));
  CHECK(matches("*.orders", "sales", "orders"));
  CHECK(matches("public.o*s", "public", "orders"));
  CHECK(matches("public.o*s", "public", "os"));
  CHECK_FALSE(matches("public.o*s", "public", "order"));
  CHECK(matches("public.part_*_2024_*", "public", "part_a_b_2024_2024_1"));
  CHECK(matches("public.t?", "public", "t1"));
  CHECK_FALSE(matches("public.t?", "public", "t"));
  CHECK_FALSE(matches("public.t?", "public", "t12"));
}

TEST_CASE("table pattern: a character is one, however many bytes it has") {
  CHECK(matches("public.gr?ße", "public", "größe"));
  CHECK(matches("public.?", "public", "注"));
  CHECK(matches("public.?", "public", "😀"));
  CHECK_FALSE(matches("public.?", "public", "注文"));
  CHECK(matches("スキーマ.注文", "スキーマ", "注文"));
}

TEST_CASE("table pattern: bytes that are no UTF-8 are compared one by one") {
  CHECK(matches("public.\xFF?", "public", "\xFF\xFE"));
  CHECK_FALSE(matches("public.\xFF", "public", "\xFE"));
  CHECK(matches("public.?", "public", "\xE6"));
}

TEST_CASE("table pattern: quotes keep dots, wildcards and quotes as they are") {
  CHECK(matches("public.\"What?*\"", "public", "What?*"));
  CHECK_FALSE(matches("public.\"What?*\"", "public", "Whatever"));
  CHECK(matches("\"my.schema\".\"a.b\"", "my.schema", "a.b"));
  CHECK(matches("public.\"say \"\"hi\"\"\"", "public", "say \"hi\""));
  CHECK(parse_table_pattern("public.\"What?*\"")->literal());
  CHECK_FALSE(parse_table_pattern("public.o?")->literal());
}

TEST_CASE("table pattern: without quotes the first dot ends the schema") {
  CHECK(matches("public.a.b", "public", "a.b"));
}

TEST_CASE("table pattern: what is none is refused with what was meant") {
  for (const std::string_view bad : {"orders", "", ".", "public.", ".orders", "public.\"open",
                                     "public.\"\"", "public.\"a\"b\"", "\"public.orders\""}) {
    CAPTURE(bad);
    const auto parsed = parse_table_pattern(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::misconfigured);
  }
  CHECK(parse_table_pattern("orders").error().what.find("public.orders") != std::string::npos);
}

TEST_CASE("table pattern: many stars against a long name end soon") {
  const std::string name(2'000, 'a');
  CHECK_FALSE(matches("public.a*a*a*a*a*a*a*a*a*b", "public", name));
}

}  // namespace
}  // namespace tidelog::testing
