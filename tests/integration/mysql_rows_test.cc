// Rows of tables that are odd, and JSON that is logged in parts, from the binlog of real servers.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "tests/integration/mysql_binlog.h"
#include "tests/integration/mysql_random_types.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

using Texts = std::vector<std::string>;

BinlogRows decoded(MysqlServer& server, const FactsOfTables& facts) {
  BinlogRows binlog(flavour_of(server.version()), facts);
  for (const FileEvent& event : binlog_events(server)) binlog.add(event);
  return binlog;
}

std::vector<ComparableRow> rows_of(const BinlogRows& binlog, const std::string& table) {
  std::vector<ComparableRow> rows;
  std::ranges::copy_if(binlog.rows(), std::back_inserter(rows),
                       [&](const ComparableRow& row) { return row.table == table; });
  return rows;
}

Texts names_of(const Schema& schema) {
  Texts names;
  for (const Column& column : schema.columns)
    names.push_back(column.name + (column.key ? "!" : ""));
  return names;
}

// ---- JSON in parts ----

// A path that is in the document, or just beside what is in it.
std::string random_path(Dice& dice) {
  std::string path = "$";
  for (std::size_t n = dice.below(3); n > 0; --n) {
    path += dice.of(
        Texts{".a", ".b", ".\"k \\\\\"q\"", ".é", "[0]", "[1]", "[7]", "[last]", "[last-1]"});
  }
  return path;
}

std::string random_part(Dice& dice) {
  return dice.of(Texts{"1", "'x'", "json_object()", "json_array(1,json_object('a',2),'é')",
                       "json_object('a',json_array(1,2),'é',null)", "true", "1.5e0",
                       "cast('2001-02-03' as date)", "repeat('y',300)"});
}

std::string random_change(Dice& dice) {
  std::string list = "j";
  const bool removes = dice.one_in(3);
  const std::size_t count = 1 + dice.below(3);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string path = random_path(dice);
    list += ", '" + (removes && path == "$" ? std::string("$.a") : path) + "'";
    if (!removes) list += ", " + random_part(dice);
  }
  if (removes) return "json_remove(" + list + ")";
  return (dice.one_in(2) ? "json_set(" : "json_replace(") + list + ")";
}

TEST_CASE("mysql rows: JSON that is logged in parts comes to what the server shows") {
  constexpr int changes = 250;
  Dice dice(test_seed(20'261'128));
  for (const MysqlVersion& version : mysql_versions()) {
    if (version.is_mariadb() || version.number == "5.7") continue;
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql(
        "create database test; set names utf8mb4; set global binlog_row_metadata = FULL; create "
        "table test.d (id int primary key, other json, j json); set binlog_row_value_options = "
        "PARTIAL_JSON");
    server.sql(
        "insert into test.d values (1, '[1, 2]', json_object('a', json_array(1, 2, "
        "json_object('b', "
        "3)), 'b', repeat('x', 400), 'é', json_object('a', 1), 'k \"q', json_array(), 'f', 1e0))");
    Texts shown;
    std::string last = server.sql("select j from test.d").at(0).at(0);
    for (int i = 0; i < changes; ++i) {
      const std::string change = random_change(dice);
      CAPTURE(change);
      // Some changes fit no path, or come to the same: then nothing is logged.
      if (!server.query("update test.d set j = " + change)) continue;
      if (dice.one_in(20))
        server.sql(
            "update test.d set j = json_object('a', json_array(1, 2, 3), 'b', repeat('x', 400), "
            "'é', json_object())");
      const std::string now = server.sql("select j from test.d").at(0).at(0);
      if (now != last) shown.push_back(now);
      last = now;
    }
    std::size_t partial = 0;
    for (const FileEvent& event : binlog_events(server))
      partial += event.type == EventType::partial_update_rows ? 1 : 0;
    CHECK(partial > changes / 5);
    const BinlogRows binlog = decoded(server, {});
    Texts logged;
    for (const ComparableRow& row : rows_of(binlog, "test.d")) {
      if (row.change != RowsChange::update) continue;
      CHECK(row.after.at(1) == "[1, 2]");
      if (!logged.empty()) CHECK(row.before.at(2) == logged.back());
      logged.push_back(row.after.at(2));
    }
    // Two updates between two looks are one change of what is shown.
    std::size_t at = 0;
    for (const std::string& text : shown) {
      while (at < logged.size() && logged[at] != text) ++at;
      CAPTURE(text.substr(0, 300));
      REQUIRE(at < logged.size());
    }
    CHECK(logged.back() == last);
  }
}

// ---- odd tables ----

TEST_CASE("mysql rows: invisible, generated and hidden columns are what the log has of them") {
  for (const MysqlVersion& version : mysql_versions()) {
    if (version.is_mariadb() || version.number == "5.7") continue;
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql(
        "create database test; set global binlog_row_metadata = FULL; create table test.g (a int, "
        "b "
        "int invisible default 7, v int generated always as (a + 1) virtual, s int generated "
        "always "
        "as (a + 2) stored, t varchar(9), key ((a * 2)), key ((concat(t, 'x'))), j json, key mv "
        "((cast(j as unsigned array))), primary key (t(3), a)); insert into test.g (a, t, j) "
        "values "
        "(1, 'abcd', '[3]'); set sql_generate_invisible_primary_key = 1; create table test.i (a "
        "int); insert into test.i values (5); create table test.p (a int primary key, b int) "
        "partition by hash (a) partitions 3; insert into test.p values (1, 2); update test.p set a "
        "= 2; delete from test.p");
    const BinlogRows binlog = decoded(server, {});
    CHECK(names_of(binlog.schema_of("test.g")) == Texts{"a!", "b", "v", "s", "t!", "j"});
    CHECK(rows_of(binlog, "test.g").at(0).after == Texts{"1", "7", "2", "3", "abcd", "[3]"});
    CHECK(names_of(binlog.schema_of("test.i")) == Texts{"my_row_id!", "a"});
    CHECK(rows_of(binlog, "test.i").at(0).after == Texts{"1", "5"});
    const auto partitioned = rows_of(binlog, "test.p");
    REQUIRE(partitioned.size() == 3);
    CHECK(partitioned[1].before == Texts{"1", "2"});
    CHECK(partitioned[1].after == Texts{"2", "2"});
  }
}

TEST_CASE("mysql rows: MariaDB's hidden columns: hashes of unique keys are not there, history is") {
  for (const MysqlVersion& version : mysql_versions()) {
    if (!version.is_mariadb()) continue;
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql(
        "create database test; set global binlog_row_metadata = FULL; create table test.h (id int "
        "primary key, b blob, t text, unique (b), unique (t)); insert into test.h values (1, 'a', "
        "'x'); update test.h set t = 'y'; create table test.v (a int primary key, b int) with "
        "system versioning; "
        "insert into test.v values (1, 1); update test.v set b = 2");
    const BinlogRows binlog = decoded(server, {});
    CHECK(names_of(binlog.schema_of("test.h")) == Texts{"id!", "b", "t"});
    const auto rows = rows_of(binlog, "test.h");
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].after == Texts{"1", "61", "x"});
    CHECK(rows[1].after == Texts{"1", "61", "y"});
    // An update of a row with versions writes its old version as well.
    const Texts versioned = {"a!", "b", "row_start", "row_end!"};
    CHECK(names_of(binlog.schema_of("test.v")) == versioned);
    CHECK(rows_of(binlog, "test.v").size() == 3);
    // Without names in the log it is the catalog that does not have them.
    server.sql(
        "set global binlog_row_metadata = MINIMAL; flush binary logs; insert into test.h values "
        "(2, 'b', 'z')");
    const BinlogRows minimal = decoded(server, facts_of(server));
    CHECK(rows_of(minimal, "test.h").back().after == Texts{"2", "62", "z"});
  }
}

TEST_CASE("mysql rows: MariaDB's times of old are what the server shows, by the catalog's digits") {
  const std::string literals =
      "'-10:11:12', '838:59:59.9', '-838:59:58.123', '-00:00:00.000001', '2026-11-27 01:02:03', "
      "'0000-00-00 00:00:00', '9999-12-31 23:59:59.999', '2026-11-27 01:02:03.456789', '2026-11-27 "
      "01:02:03', '0000-00-00 00:00:00', '2038-01-19 03:14:07.999', '1970-01-01 00:00:01.000001'";
  const Texts expected = {"1",
                          "-10:11:12",
                          "838:59:59.9",
                          "-838:59:58.123",
                          "-00:00:00.000001",
                          "2026-11-27 01:02:03",
                          "0000-00-00 00:00:00",
                          "9999-12-31 23:59:59.999",
                          "2026-11-27 01:02:03.456789",
                          "2026-11-27 01:02:03+00",
                          "0000-00-00 00:00:00+00",
                          "2038-01-19 03:14:07.999+00",
                          "1970-01-01 00:00:01.000001+00"};
  for (const MysqlVersion& version : mysql_versions()) {
    if (!version.is_mariadb()) continue;
    CAPTURE(version.text());
    MysqlServer server({.version = version, .settings = {"mysql56-temporal-format=OFF"}});
    server.sql(
        "create database test; set time_zone = '+00:00', sql_mode = ''; create table test.o (id "
        "int "
        "primary key, t time, t1 time(1), t3 time(3), t6 time(6), d datetime, d1 datetime(1), d3 "
        "datetime(3), d6 datetime(6), s timestamp null, s1 timestamp(1) null, s3 timestamp(3) "
        "null, "
        "s6 timestamp(6) null); insert into test.o values (1, " +
        literals + ")");
    CHECK(rows_of(decoded(server, facts_of(server)), "test.o").at(0).after == expected);
    CHECK_THROWS(decoded(server, {}));
  }
}

TEST_CASE("mysql rows: a DATETIME never shifts and a TIMESTAMP is in UTC, in any zone") {
  const Texts zones = {"-07:00", "+00:00", "+05:30"};
  std::size_t servers = 0;
  for (const MysqlVersion& version : mysql_versions()) {
    if (version.number == "5.7") continue;
    CAPTURE(version.text());
    MysqlServer server(
        {.version = version, .settings = {"default-time-zone=" + zones[servers++ % zones.size()]}});
    server.sql(
        "create database test; set global binlog_row_metadata = FULL; create table test.z (id int "
        "primary key, d datetime(3), t timestamp(3) null)");
    for (std::size_t i = 0; i < zones.size(); ++i) {
      server.sql(fmt::format(
          "set time_zone = '{}'; insert into test.z values ({}, '2026-11-27 01:02:03.5', "
          "'2026-11-27 01:02:03.5')",
          zones[i], i));
    }
    const BinlogRows binlog = decoded(server, {});
    const auto rows = rows_of(binlog, "test.z");
    REQUIRE(rows.size() == zones.size());
    const Texts in_utc = {"2026-11-27 08:02:03.5+00", "2026-11-27 01:02:03.5+00",
                          "2026-11-26 19:32:03.5+00"};
    for (std::size_t i = 0; i < rows.size(); ++i)
      CHECK(rows[i].after == Texts{std::to_string(i), "2026-11-27 01:02:03.5", in_utc[i]});
  }
}

// ---- types ----

TEST_CASE("mysql rows: what full metadata says of a type is what MySQL's catalog says") {
  Dice dice(test_seed(20'261'129));
  for (const MysqlVersion& version : mysql_versions()) {
    if (version.is_mariadb() || version.number == "5.7") continue;
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql(
        "create database test; set names utf8mb4; set global binlog_row_metadata = FULL; create "
        "table test.geo (id int primary key, a point, b linestring, c polygon, d multipoint, e "
        "multilinestring, f multipolygon, g geometrycollection, h geometry); insert into test.geo "
        "(id) values (1)");
    for (int i = 0; i < 8; ++i) {
      std::string list = "id int primary key";
      std::string values = "1";
      for (int c = 0; c < 12; ++c) {
        const MysqlType type = random_mysql_type(dice, version);
        list += fmt::format(", c{} {}", c, type.name);
        values += ", null";
      }
      server.sql(fmt::format("create table test.y{0} ({1}); insert into test.y{0} values ({2})", i,
                             list, values));
    }
    const BinlogRows binlog = decoded(server, {});
    for (const auto& [table, facts] : facts_of(server)) {
      const Schema& schema = binlog.schema_of(table);
      REQUIRE(schema.columns.size() == facts.size());
      for (std::size_t c = 0; c < facts.size(); ++c) {
        CHECK(schema.columns[c].name == facts[c].name);
        CHECK(schema.columns[c].type == facts[c].type);
        CHECK(schema.columns[c].key == facts[c].key);
      }
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
