#include "connectors/postgres/table_list.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

DatabaseTable table_named(std::int64_t oid, std::string schema, std::string name) {
  DatabaseTable table;
  table.oid = oid;
  table.sql_name = schema + "." + name;
  table.schema = std::move(schema);
  table.name = std::move(name);
  return table;
}

TableSelection select(const std::vector<DatabaseTable>& all, const std::vector<std::string>& wanted,
                      const std::vector<std::string>& except = {}) {
  return select_tables(all, *parse_table_choice(wanted, except));
}

std::vector<DatabaseTable> shop() {
  std::vector<DatabaseTable> all = {
      table_named(1, "public", "customers"), table_named(2, "public", "orders"),
      table_named(3, "public", "orders_2024"), table_named(4, "public", "report")};
  all[1].kind = 'p';
  all[2].partition_root = 2;
  all[3].kind = 'v';
  return all;
}

TEST_CASE("table selection: a partition is left out when its root is in") {
  const TableSelection selection = select(shop(), {"public.*"});
  REQUIRE(selection.tables.size() == 2);
  CHECK(selection.tables[0].name == "customers");
  CHECK(selection.tables[1].name == "orders");
  CHECK(selection.findings.empty());
}

TEST_CASE("table selection: a partition that is named alone is taken") {
  const TableSelection selection = select(shop(), {"public.orders_2024"});
  REQUIRE(selection.tables.size() == 1);
  CHECK(selection.tables[0].named);
}

TEST_CASE("table selection: a table that two patterns mean is taken once, as named") {
  const TableSelection selection = select(shop(), {"public.c*", "public.customers"});
  REQUIRE(selection.tables.size() == 1);
  CHECK(selection.tables[0].named);
}

TEST_CASE(
    "table selection: a named table that does not exist is an error that lists its neighbours") {
  const TableSelection selection = select(shop(), {"public.order"});
  REQUIRE(selection.findings.size() == 1);
  CHECK(selection.findings[0].severity == Finding::Severity::error);
  CHECK(selection.findings[0].what.find("public.orders") != std::string::npos);
}

TEST_CASE("table selection: a pattern that matches nothing is a warning") {
  const TableSelection selection = select(shop(), {"sales.*"});
  REQUIRE(selection.findings.size() == 1);
  CHECK(selection.findings[0].severity == Finding::Severity::warning);
}

std::vector<Finding> exceptions(const std::vector<std::string>& except, bool root_comes) {
  return check_exceptions(shop(), *parse_table_choice({"public.*"}, except),
                          [&](const DatabaseTable&) { return root_comes; });
}

TEST_CASE("table selection: what is excepted is left out, named or not") {
  const TableSelection selection = select(shop(), {"public.*"}, {"public.cust*"});
  REQUIRE(selection.tables.size() == 1);
  CHECK(selection.tables[0].name == "orders");
  CHECK(selection.findings.empty());
  const TableSelection both =
      select(shop(), {"public.orders", "public.customers"}, {"public.orders"});
  CHECK(both.tables.size() == 1);
  CHECK(both.findings.empty());
}

TEST_CASE("table exceptions: one that is misspelt is an error, a pattern for nothing is not") {
  const auto findings = exceptions({"public.customer", "*.secret_*", "public.customers"}, true);
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].severity == Finding::Severity::error);
  CHECK(findings[0].what.find("public.customers") != std::string::npos);
  CHECK(findings[1].severity == Finding::Severity::warning);
}

TEST_CASE("table exceptions: a partition cannot be left out of a root that is sent") {
  const auto findings = exceptions({"public.orders_2024"}, true);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].severity == Finding::Severity::error);
  CHECK(findings[0].what.find("a partition of public.orders") != std::string::npos);
  CHECK(exceptions({"public.orders_2024"}, false).empty());
  CHECK(exceptions({"public.orders", "public.orders_2024"}, true).empty());
}

TEST_CASE("table selection: a view is refused when named and passed over by a pattern") {
  CHECK(select(shop(), {"public.report"}).findings.at(0).severity == Finding::Severity::error);
  CHECK(select(shop(), {"public.r*"}).findings.empty());
}

TEST_CASE("table selection: an unlogged table is refused with the statement that mends it") {
  std::vector<DatabaseTable> all = {table_named(1, "public", "cache")};
  all[0].persistence = 'u';
  const TableSelection named = select(all, {"public.cache"});
  CHECK(named.tables.empty());
  CHECK(named.findings.at(0).severity == Finding::Severity::error);
  CHECK(named.findings.at(0).mend == "ALTER TABLE public.cache SET LOGGED;");
  CHECK(select(all, {"public.*"}).findings.at(0).severity == Finding::Severity::warning);
}

}  // namespace
}  // namespace tidelog::testing
