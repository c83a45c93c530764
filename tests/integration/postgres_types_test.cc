// Values of every built-in scalar type, through the initial load and through the stream. The oracle
// is the server's own text of the value, under the same settings; the role's and the database's
// settings are made as unlike as can be.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "tests/integration/postgres_capture.h"
#include "tests/integration/server_text.h"

namespace tidelog::testing {
namespace {

struct TypeSamples {
  std::string type;
  std::vector<std::string> literals;  // SQL expressions
  std::string random;                 // an SQL expression; empty for none
};

std::vector<std::string> quoted(std::vector<std::string> texts) {
  for (std::string& text : texts) text = "'" + text + "'";
  return texts;
}

const std::vector<TypeSamples>& samples() {
  static const std::vector<TypeSamples> all = {
      {"boolean", {"true", "false"}, "random() < 0.5"},
      {"smallint", {"-32768", "32767", "0"}, "(random() * 65535 - 32768)::int2"},
      {"integer", {"-2147483648", "2147483647", "0"}, "(random() * 4294967295 - 2147483648)::int4"},
      {"bigint",
       {"-9223372036854775808", "9223372036854775807", "-1"},
       "((random() - 0.5) * 1.8e19)::int8"},
      {"real",
       quoted({"-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38", "1.17549435e-38",
               "0.1", "1e6", "123456.7"}),
       "((random() - 0.5) * 10 ^ (random() * 60 - 30))::real"},
      {"double precision",
       quoted({"-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "0.1",
               "1e15", "1e16", "123456789012345.6"}),
       "(random() - 0.5) * 10 ^ (random() * 600 - 300)"},
      {"numeric",
       quoted({"NaN", "Infinity", "-Infinity", "0", "0.00", "-0.0000000001",
               "123456789012345678901234567890.123456789", "1e400", "1e-400", "-1.10"}),
       "round(((random() - 0.5) * 1e15)::numeric * (10 ^ (random() * 20)::int)::numeric, (random() "
       "* 30)::int)"},
      {"numeric(10,2)", quoted({"0", "-99999999.99", "99999999.99", "NaN", "1.5"}),
       "(random() * 1e7)::numeric(10,2)"},
      {"money", quoted({"-92233720368547758.08", "92233720368547758.07", "0"}),
       "(random() * 1000)::numeric::money"},
      {"text",
       {"''", "'NULL'", "E'\\\\N'", "E'tab\\tnewline\\nreturn\\rback\\\\slash\\b\\f\\v'",
        "'注文 größe 😀'", "repeat('long ', 3000)", "'\\.'", "E'\\x01\\x7f'",
        "'{\"quoted\",''it''}'"},
       "(select string_agg(chr(1 + (random() * 2000)::int + g * 0), '') from generate_series(1, "
       "(random() * 20)::int) g)"},
      {"character varying(20)", quoted({"", " padded ", "exactly twenty chars"}),
       "left(md5(random()::text), 20)"},
      {"character(5)", quoted({"", "a", "abcde", " b"}),
       "left(md5(random()::text), (random() * 5)::int)"},
      {"name", quoted({"", "a name", "Ünï"}), "left(md5(random()::text), 60)::name"},
      {"\"char\"", {"'a'", "''", "'\\377'"}, "chr(33 + (random() * 90)::int)::\"char\""},
      {"bytea",
       {"''", "'\\x00'", "'\\x0001feff5c27'", "decode(repeat('ab5c0009', 2000), 'hex')"},
       "decode(md5(random()::text), 'hex')"},
      {"date",
       quoted({"infinity", "-infinity", "4713-01-01 BC", "0001-12-31 BC", "0001-01-01",
               "5874897-12-31", "2024-02-29", "1999-12-31"}),
       "'4713-01-01 BC'::date + (random() * 5000000)::int"},
      {"time without time zone", quoted({"00:00", "24:00", "23:59:59.999999", "12:00:00.5"}),
       "'00:00'::time + random() * interval '24 hours'"},
      {"time(2) without time zone", quoted({"00:00:00.01", "23:59:59.99"}), ""},
      {"time with time zone",
       quoted({"00:00+00", "24:00:00+15:59:59", "00:00-15:59:59", "12:00+05:30",
               "23:59:59.999999-08"}),
       "('00:00'::time + random() * interval '24 hours')::timetz"},
      {"timestamp without time zone",
       quoted({"infinity", "-infinity", "4713-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999",
               "0001-12-31 23:59:59.5 BC", "2024-02-29 12:34:56.000001", "1970-01-01"}),
       "'1000-01-01'::timestamp + random() * interval '3000 years'"},
      {"timestamp with time zone",
       quoted({"infinity", "-infinity", "4713-11-24 00:00:00+00 BC",
               "294276-12-31 23:59:59.999999+00", "2024-03-31 02:30:00+02",
               "1883-11-18 12:03:58-04:56:02"}),
       "'1000-01-01'::timestamptz + random() * interval '3000 years'"},
      {"timestamp(3) with time zone", quoted({"2024-02-29 12:34:56.001+00"}), ""},
      {"interval",
       quoted({"0", "178000000 years", "-178000000 years", "1 mon -1 day 01:00:00.000001",
               "-00:00:00.000001", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons",
               "25:00:00", "2147483647 days", "-3 days -04:05:06.5", "2562047788:00:54.775807"}),
       "(random() - 0.5) * interval '1000 years 100 days 9999 hours'"},
      {"interval day to second(2)", quoted({"1 02:03:04.05"}), ""},
      {"uuid",
       quoted({"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}),
       "gen_random_uuid()"},
      {"json", quoted({"{\"a\": 1,  \"b\":[]}", "null", "\"\\\\u0041\"", "1.10", "[ ]"}),
       "json_build_object('n', random())"},
      {"jsonb", quoted({"{\"a\": 1,  \"b\":[]}", "null", "1.10", "{\"z\":1e400}"}),
       "jsonb_build_object('n', random())"},
      {"bit(8)", {"B'00000000'", "B'10110001'"}, "(random() * 255)::int::bit(8)"},
      {"bit varying",
       {"B''", "B'1'", "B'101010101'", "repeat('10', 500)::varbit"},
       "(random() * 1e9)::int::bit(32)::varbit"},
      {"oid", {"'0'", "'4294967295'"}, "(random() * 2147483647)::int8::oid"},
      {"xid", {"'4294967295'", "'3'"}, ""},
      {"cid", {"'4294967295'"}, ""},
      {"xid8", {"'18446744073709551615'", "'0'"}, ""},
      {"tid", {"'(4294967295,65535)'"}, ""},
      {"pg_lsn", {"'FFFFFFFF/FFFFFFFF'", "'0/0'"}, ""},
      {"xml", {"'<a b=\"c\">d</a>'", "'plain'"}, ""},
      {"inet", quoted({"10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::/32"}),
       "('10.0.0.0'::inet + (random() * 1e6)::int)"},
      {"cidr", quoted({"10.0.0.0/8", "::/0"}), ""},
      {"macaddr", quoted({"08:00:2b:01:02:03"}), ""},
      {"macaddr8", quoted({"08:00:2b:01:02:03:04:05"}), ""},
      {"point", {"'(1.5,-2)'", "'(NaN,Infinity)'"}, "point(random(), random())"},
      {"line", {"'{1,2,3}'"}, ""},
      {"lseg", {"'[(0,0),(1,1)]'"}, ""},
      {"box", {"'(1,1),(0,0)'"}, ""},
      {"path", {"'((0,0),(1,1))'", "'[(0,0),(1,1)]'"}, ""},
      {"polygon", {"'((0,0),(1,1),(1,0))'"}, ""},
      {"circle", {"'<(0,0),1>'"}, ""},
      {"tsvector", {"'a:1A fat:2B,4C cat:5'", "''"}, ""},
      {"tsquery", {"'fat & (rat | !cat:*)'"}, ""},
      {"int4range", {"'[1,10)'", "'empty'", "'(,5)'"}, ""},
      {"numrange", {"'[1.10,2.20]'"}, ""},
      {"tstzrange", {"'[2024-01-01 00:00+00,infinity]'"}, ""},
      {"daterange", {"'[2024-01-01,2024-02-01)'"}, ""},
      {"int8multirange", {"'{[1,2],[5,9)}'", "'{}'"}, ""},
      {"integer[]", {"'{}'", "'{1,NULL,3}'", "'[0:1][2:3]={{1,2},{3,4}}'"}, ""},
      {"text[]", {R"('{"a b","NULL",NULL,"\\\""}')"}, ""},
      {"numeric[]", {"'{NaN,1.10}'"}, ""},
      {"timestamp with time zone[]", {"'{infinity,\"2024-01-01 00:00+00\"}'"}, ""},
      {"regclass", {"'pg_class'", "'public.vals'"}, ""},
      {"regtype", {"'integer'", "'public.mood'"}, ""},
      {"regproc", {"'now'"}, ""},
      {"jsonpath", {"'$.a[*] ? (@ > 1)'"}, ""},
      {"refcursor", {"'c'"}, ""},
      {"int2vector", {"'1 2'"}, ""},
      {"oidvector", {"'1 4294967295'"}, ""},
      {"aclitem", {"'postgres=r/postgres'"}, ""},
      {"pg_snapshot", {"'10:20:10,14'"}, ""},
      {"public.mood", {"'sad'", "'quite happy'", "'注'"}, ""},
      {"public.positive", {"1", "2147483647"}, ""},
      {"public.price", {"1.5", "'NaN'"}, ""},
      {"public.pair", {"'(1,\"a b\")'"}, ""},
  };
  return all;
}

constexpr int random_rows = 300;

std::string column_name(std::size_t index) { return "c" + std::to_string(index); }

void make_table(PostgresServer& server) {
  server.sql(
      "create type mood as enum ('sad', 'quite happy', '注'); create domain positive as int check "
      "(value > 0);"
      "create domain base_price as numeric; create domain price as base_price; create type pair as "
      "(a int, b text)");
  std::string columns;
  for (std::size_t i = 0; i < samples().size(); ++i)
    columns += fmt::format(", {} {}", column_name(i), samples()[i].type);
  server.sql("create table vals (id int primary key" + columns + ")");
}

// Each type's samples in turn, a row of nulls, and random values.
std::vector<std::string> rows_sql() {
  std::size_t most = 0;
  for (const TypeSamples& type : samples()) most = std::max(most, type.literals.size());
  std::vector<std::string> statements;
  for (std::size_t row = 0; row < most; ++row) {
    std::string values = std::to_string(row);
    for (const TypeSamples& type : samples())
      values += ", " + type.literals[row % type.literals.size()];
    statements.push_back("insert into vals values (" + values + ")");
  }
  statements.push_back(fmt::format("insert into vals (id) values ({})", most));
  std::string names = "id";
  std::string values = "g";
  for (std::size_t i = 0; i < samples().size(); ++i) {
    if (samples()[i].random.empty()) continue;
    names += ", " + column_name(i);
    values += ", " + samples()[i].random;
  }
  statements.push_back(fmt::format(
      "select setseed(0.25); insert into vals ({}) select {} from generate_series({}, {}) g", names,
      values, 1'000, 1'000 + random_rows - 1));
  return statements;
}

// Row by row, the server's own text of every column.
Rows oracle(PostgresServer& server) {
  SqlSession session = oracle_session(server);
  std::string columns = "id";
  for (std::size_t i = 0; i < samples().size(); ++i) {
    columns += fmt::format(", case when {0} is null then 'NULL' else format('%s', {0}) end",
                           column_name(i));
  }
  return session.sql("select " + columns + " from public.vals order by id");
}

// The load reads rows as they lie in the table.
void sort_by_id(std::vector<RecordedEvent>& events) {
  const auto id_of = [](const RecordedEvent& event) {
    ByteReader in(*event.key);
    return std::get<std::int64_t>(read_value(in));
  };
  std::ranges::sort(events, {}, id_of);
}

void check_against(const Rows& expected, const std::vector<RecordedEvent>& events) {
  REQUIRE(events.size() == expected.size());
  for (std::size_t row = 0; row < expected.size(); ++row) {
    const auto values = read_row(*events[row].body, samples().size() + 1);
    REQUIRE(values);
    CAPTURE(expected[row][0]);
    for (std::size_t column = 0; column <= samples().size(); ++column) {
      std::string text;
      print_value(text, values->at(column));
      if (text == expected[row][column]) continue;
      CAPTURE(column == 0 ? "id" : samples()[column - 1].type);
      CHECK(text == expected[row][column]);
    }
  }
}

TEST_CASE("postgres types: load and stream give what the server prints, byte for byte") {
  PostgresServer server;
  server.sql(
      "alter role postgres set datestyle = 'German'; alter role postgres set timezone = "
      "'Asia/Tokyo';"
      "alter database postgres set intervalstyle = 'postgres_verbose'; alter role postgres set "
      "bytea_output = 'escape';"
      "alter role postgres set extra_float_digits = 0; alter role postgres set search_path = "
      "'public'");
  make_table(server);
  SqlSession writer = server.session();
  for (const std::string& statement : rows_sql()) writer.sql(statement);
  PostgresCapture capture(options_for(server.url(), {"public.vals"}));
  capture.run();
  writer.sql(
      "create table copy as select * from vals; truncate vals; insert into vals select * from copy "
      "order by id");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  std::vector<RecordedEvent> streamed = capture.handler.events();
  REQUIRE(streamed.at(0).type == EventType::truncate);
  streamed.erase(streamed.begin());
  std::vector<RecordedEvent> loaded = capture.handler.loaded();
  sort_by_id(loaded);
  const Rows expected = oracle(server);
  check_against(expected, loaded);
  check_against(expected, streamed);
  REQUIRE(loaded.size() == streamed.size());
  CHECK(loaded[0].schema == streamed[0].schema);
  for (std::size_t i = 0; i < loaded.size(); ++i) CHECK(loaded[i].body == streamed[i].body);
}

TEST_CASE("postgres types: each column has the server's name of its type") {
  PostgresServer server;
  make_table(server);
  server.sql("insert into vals (id) values (1)");
  PostgresCapture capture(options_for(server.url(), {"public.vals"}));
  REQUIRE(capture.load());
  const Schema schema = capture.handler.loaded().at(0).schema;
  for (std::size_t i = 0; i < samples().size(); ++i)
    CHECK(schema.columns.at(i + 1).type == samples()[i].type);
}

constexpr int many_types = 10'000;
constexpr int typed_tables = 8;

// Domains, enums and composites; tables of 30 of each.
void make_many_types(PostgresServer& server) {
  server.sql(fmt::format(R"(do $$ begin
    for i in 1..{} loop
      case i % 3
        when 0 then execute format('create domain t%s as int', i);
        when 1 then execute format('create type t%s as enum (''a'', ''b'')', i);
        else execute format('create type t%s as (a int, b text)', i);
      end case;
      if i % 500 = 0 then commit; end if;
    end loop; end $$)",
                         many_types));
  for (int table = 0; table < typed_tables; ++table) {
    std::string columns = "id int primary key";
    for (int i = 1; i <= 90; ++i) columns += fmt::format(", c{} t{}", i, table * 1'000 + i);
    server.sql(fmt::format("create table m{} ({})", table, columns));
    // A full identity does not flag the primary key.
    if (table % 2 == 0) server.sql(fmt::format("alter table m{} replica identity full", table));
  }
}

// How often the catalog was asked for types and keys.
int look_ups(PostgresServer& server) {
  const Rows counted = server.sql(
      "select coalesce(sum(calls), 0) from pg_stat_statements where query like "
      "'%format_type(w.oid%' "
      "and query not like '%pg_stat_statements%'");
  int number = 0;
  const std::string& text = counted.at(0).at(0);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

TEST_CASE(
    "postgres types: with 10,000 types the catalog is asked a few times a table, never for a row") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server({.settings = {"shared_preload_libraries=pg_stat_statements"},
                           .hba = {},
                           .version = version});
    server.sql("create extension pg_stat_statements");
    make_many_types(server);
    PostgresCapture capture(options_for(server.url(), {"public.m*"}));
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(capture.load());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    MESSAGE("postgres " << version << ": ready to stream after " << took.count() << " s");
    CHECK(took.count() < 60);
    // Of each table when its reader is opened, and with its one chunk.
    CHECK(look_ups(server) == 2 * typed_tables);
    capture.start();
    for (int table = 0; table < typed_tables; ++table) {
      server.sql(fmt::format(
          "insert into m{0} (id, c{1}) select n, n from generate_series(1, 500) n; update m{0} set "
          "c{1} = 2 where id <= 100; delete from m{0} where id <= 100",
          table, 3 - table % 3));  // a domain
    }
    REQUIRE(capture.handler.wait_for_transactions(typed_tables));
    CHECK(capture.stop());
    CHECK(look_ups(server) == 3 * typed_tables);
    CHECK(capture.handler.events().size() == typed_tables * 700);
  }
}

TEST_CASE(
    "postgres types: tables of built-in types and a flagged key ask once a reader for each type") {
  PostgresServer server({.settings = {"shared_preload_libraries=pg_stat_statements"}, .hba = {}});
  server.sql("create extension pg_stat_statements");
  for (int table = 0; table < 20; ++table)
    server.sql(fmt::format("create table b{} (id int primary key, note text)", table));
  PostgresCapture capture(options_for(server.url(), {"public.b*"}));
  REQUIRE(capture.load());
  CHECK(look_ups(server) == 20);  // each reader by itself
}

}  // namespace
}  // namespace tidelog::testing
