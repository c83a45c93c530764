#include <doctest/doctest.h>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

TEST_CASE("sqlstate: each class has its meaning") {
  CHECK(code_of_sqlstate("") == Code::unavailable);
  CHECK(code_of_sqlstate("08006") == Code::unavailable);
  CHECK(code_of_sqlstate("57P01") == Code::unavailable);
  CHECK(code_of_sqlstate("57P03") == Code::unavailable);
  CHECK(code_of_sqlstate("53300") == Code::unavailable);
  CHECK(code_of_sqlstate("53400") == Code::misconfigured);
  CHECK(code_of_sqlstate("28P01") == Code::misconfigured);
  CHECK(code_of_sqlstate("3D000") == Code::misconfigured);
  CHECK(code_of_sqlstate("42501") == Code::misconfigured);
  CHECK(code_of_sqlstate("42704") == Code::misconfigured);
  CHECK(code_of_sqlstate("55006") == Code::conflict);
  CHECK(code_of_sqlstate("55000") == Code::misconfigured);
  CHECK(code_of_sqlstate("57014") == Code::timeout);
  CHECK(code_of_sqlstate("XX000") == Code::failed);
}

TEST_CASE("settings: URL and connection string are both read") {
  for (const std::string_view text :
       {"postgresql://u:p@h1,h2:5433/db", "host=h1,h2 user=u password=p dbname=db"}) {
    CAPTURE(text);
    const auto settings = read_connection_settings(text);
    REQUIRE(settings);
    const auto value_of = [&](std::string_view keyword) {
      for (const Setting& setting : *settings) {
        if (setting.keyword == keyword) return setting.value;
      }
      return std::string();
    };
    CHECK(value_of("host") == "h1,h2");
    CHECK(value_of("dbname") == "db");
  }
}

TEST_CASE("settings: no refusal shows a piece of the password") {
  for (const std::string_view text :
       {"postgresql://user:sec@ret@host/db", "postgresql://user:sec/ret@host/db",
        "postgresql://user:7/secret@host/db", "postgresql://user:sec%zzret@host/db",
        "password='secret", "host=h secret", "host=h nonsense=secret",
        "postgresql://user:secret@[::1/db", "host=h port=secret"}) {
    CAPTURE(text);
    const auto settings = read_connection_settings(text);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == Code::misconfigured);
    CHECK(settings.error().what.find("sec") == std::string::npos);
    CHECK(settings.error().what.find("ret@") == std::string::npos);
  }
}

TEST_CASE("names: a slot's default name has only letters that a slot may have") {
  PostgresOptions options;
  options.name = "Shop-1 größe";
  CHECK(slot_name(options) == "tidelog_shop_1_gr____e");
  CHECK(owns_publication(options));
  options.slot = "mine";
  options.publication = "Theirs";
  CHECK(slot_name(options) == "mine");
  CHECK(publication_name(options) == "Theirs");
  CHECK_FALSE(owns_publication(options));
}

TEST_CASE("quoting: identifiers, texts and arrays") {
  CHECK(quote_identifier("a\"b") == "\"a\"\"b\"");
  CHECK(quote_literal("it's") == "'it''s'");
  CHECK(array_literal({"a", "b\"c\\"}) == "{\"a\",\"b\\\"c\\\\\"}");
}

}  // namespace
}  // namespace tidelog::testing
