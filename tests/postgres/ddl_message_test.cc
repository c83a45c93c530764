#include "connectors/postgres/ddl_message.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/core/damage.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

std::string from_hex(const std::string& digits) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(digit(digits[i]) * 16 + digit(digits[i + 1])));
  return bytes;
}

// What the triggers of a PostgreSQL 18 wrote: a table with an array of an enumeration, a domain and
// a generated column is made, and renamed; another one is made; both are dropped.
std::vector<std::string> golden() {
  std::ifstream file(source_folder() / "tests/postgres/golden/ddl_18.hex");
  std::vector<std::string> messages;
  for (std::string line; std::getline(file, line);) messages.push_back(from_hex(line));
  REQUIRE(messages.size() == 4);
  return messages;
}

TEST_CASE("ddl message: the golden bytes of a table that was made describe it") {
  const auto message = read_ddl_message(golden()[0]);
  REQUIRE(message);
  CHECK(message->token == "secret");
  CHECK(message->problem.empty());
  CHECK(message->command == "CREATE TABLE");
  CHECK(message->statement.starts_with("create table orders (id bigint primary key, \"Straße\""));
  REQUIRE(message->touched.size() == 1);
  CHECK(message->touched[0].was_table.empty());
  const TableDescription& table = message->touched[0].now;
  CHECK(table.schema == "public");
  CHECK(table.table == "orders");
  CHECK(table.identity == ReplicaIdentity::primary_key);
  REQUIRE(table.columns.size() == 5);
  CHECK(table.columns[0].primary_key);
  CHECK(table.columns[0].not_null);
  CHECK(table.columns[0].type_name == "bigint");
  CHECK(table.columns[1].name == "Straße");
  CHECK(table.columns[1].type_name == "public.mood[]");
  CHECK_FALSE(table.columns[1].is_enum);  // an array of one
  CHECK(table.columns[2].type_modifier == 655'366);
  CHECK(table.columns[2].type_name == "numeric(10,2)");
  CHECK(table.columns[3].type_name == "public.positive");
  CHECK(table.columns[3].bottom_type == 23);
  CHECK(table.columns[3].type != 23);
  CHECK(table.columns[4].generated);
}

TEST_CASE("ddl message: the golden bytes of a table that was renamed have both its names") {
  const auto message = read_ddl_message(golden()[1]);
  REQUIRE(message);
  REQUIRE(message->touched.size() == 1);
  CHECK(message->touched[0].was_schema == "public");
  CHECK(message->touched[0].was_table == "orders");
  CHECK(message->touched[0].now.table == "purchases");
}

TEST_CASE("ddl message: the golden bytes of tables that were dropped name them") {
  const auto message = read_ddl_message(golden()[3]);
  REQUIRE(message);
  CHECK(message->touched.empty());
  REQUIRE(message->dropped.size() == 2);
  CHECK(message->dropped[0].table == "purchases");
  CHECK(message->dropped[1].table == "gone");
  CHECK(message->dropped[1].oid != 0);
}

TEST_CASE("ddl message: every prefix of a golden message is corrupt, and so are bytes too many") {
  for (const std::string& message : golden()) {
    for_each_prefix(message, [](std::string_view prefix) {
      const auto read = read_ddl_message(prefix);
      REQUIRE_FALSE(read);
      CHECK(read.error().code == Code::corrupt);
    });
    CHECK_FALSE(read_ddl_message(message + "0:"));
  }
}

TEST_CASE("ddl message: another version, letter or kind is corrupt") {
  const auto replaced = [](std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::string good = golden()[0];
  REQUIRE(read_ddl_message(good));
  CHECK_FALSE(read_ddl_message(replaced(good, "1:1", "1:2")));
  CHECK_FALSE(read_ddl_message(replaced(good, "6:orders1:d", "6:orders1:x")));
  CHECK_FALSE(read_ddl_message(replaced(good, "5:table", "5:tabla")));
  CHECK_FALSE(read_ddl_message(replaced(good, "2:np", "2:nz")));
  CHECK_FALSE(read_ddl_message(replaced(good, "1:15:table", "9:9999999995:table")));
}

TEST_CASE("ddl message: its token is known whatever else it says") {
  CHECK(token_of(golden()[0]) == read_ddl_message(golden()[0])->token);
  CHECK(token_of("1:26:secret9:nothing") == "secret");
  CHECK(token_of("1:16:secre").empty());
  CHECK(token_of("no message of theirs").empty());
}

TEST_CASE("ddl message: what claims more objects or columns than there are bytes is corrupt") {
  const std::string head = "1:16:secret0:11:ALTER TABLE1:x";
  CHECK_FALSE(read_ddl_message(head + "9:999999999" + std::string(1'000'000, '0')));
  CHECK_FALSE(read_ddl_message(head + "6:999999" + std::string(1'000'000, '0')));
  CHECK_FALSE(read_table_description("1:96:public1:t1:d6:999999" + std::string(2'000'000, '0')));
}

TEST_CASE(
    "ddl message: a description fits a relation that was sent as it says, or with less of it") {
  auto message = read_ddl_message(golden()[0]);
  REQUIRE(message);
  TableDescription& table = message->touched[0].now;
  Relation relation{table.oid, "public", "orders", ReplicaIdentity::primary_key, {}};
  for (const DescribedColumn& column : table.columns)
    relation.columns.push_back(
        {column.primary_key, column.name, column.type, column.type_modifier});
  CHECK(fits(table, relation));

  Relation fewer = relation;
  fewer.columns.pop_back();
  CHECK(fits(table, fewer));

  Relation other = relation;
  other.table = "purchases";
  CHECK_FALSE(fits(table, other));
  other = relation;
  other.columns[2].type_modifier = 4;
  CHECK_FALSE(fits(table, other));
  other = relation;
  other.columns[2].name = "cost";
  CHECK_FALSE(fits(table, other));
  other = relation;
  other.columns[0].key = false;
  CHECK_FALSE(fits(table, other));
  other = relation;
  other.identity = ReplicaIdentity::full;
  CHECK_FALSE(fits(table, other));
  for (RelationColumn& column : other.columns) column.key = true;
  table.identity = ReplicaIdentity::full;
  CHECK(fits(table, other));
}

}  // namespace
}  // namespace tidelog::testing
