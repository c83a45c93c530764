// The stream in binary form on real servers: what comes of it is what comes of the stream as text,
// also where a type is met that is not read in binary form.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/integration/event_summary.h"
#include "tests/integration/postgres_capture.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

using Warnings = std::vector<std::string>;

// Keeps what the source warns of; on the source's threads, so to be read when it has ended.
PostgresOptions binary_options(const std::string& url, std::vector<std::string> tables,
                               Warnings& warnings) {
  PostgresOptions options = options_for(url, std::move(tables));
  options.binary = true;
  options.on_warning = [&warnings](const Finding& finding) { warnings.push_back(finding.what); };
  return options;
}

bool is_read_in_binary(PostgresServer& server, const std::string& slot = "tidelog_shop") {
  const Rows found = server.sql(
      "select a.query like '%binary ''true''%' from pg_replication_slots s join pg_stat_activity a "
      "on a.pid = s.active_pid where s.slot_name = '" +
      slot + "'");
  return found == Rows{{"t"}};
}

Lines bodies(const std::vector<RecordedEvent>& events) {
  Lines lines;
  for (const RecordedEvent& event : events) lines.push_back(texts_of(event.body.value_or("")));
  return lines;
}

bool mentions(const Warnings& warnings, const std::string& text) {
  return std::ranges::any_of(warnings, [&](const std::string& warning) {
    return warning.find(text) != std::string::npos;
  });
}

std::size_t count_as_text(const Warnings& warnings) {
  return static_cast<std::size_t>(std::ranges::count_if(warnings, [](const std::string& warning) {
    return warning.find("the whole source is read as text") != std::string::npos;
  }));
}

TEST_CASE("binary: a column that is not read so makes the source read text, and check says so") {
  PostgresServer server;
  server.sql(
      "create table t (id int primary key, place point, whole int4range); insert into t values "
      "(1, '(1,2)', '[1,3)')");
  Warnings warnings;
  const PostgresOptions options = binary_options(server.url(), {"public.t"}, warnings);
  const auto checked = check_postgres(options, {});
  REQUIRE(checked);
  Warnings found;
  for (const Finding& finding : *checked) {
    if (finding.severity == Finding::Severity::warning) found.push_back(finding.what);
  }
  CHECK(mentions(found,
                 "the column place of public.t is of the type point, whose values are not "
                 "read in binary form, and 1 more columns are like that: the whole source "
                 "is read as text"));
  PostgresCapture capture(options);
  capture.run();
  server.sql("insert into t values (2, '(3,4)', null)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK_FALSE(is_read_in_binary(server));
  CHECK(capture.stop());
  REQUIRE(capture.prepare());
  CHECK(count_as_text(warnings) == 1);
  CHECK(bodies(capture.handler.events()) == Lines{"2|(3,4)|NULL"});

  PostgresOptions without_column = options;
  without_column.transforms = {{TransformRule::Kind::exclude, {"public.t.place", "*.*.whole"}}};
  const auto again = check_postgres(without_column, {});
  REQUIRE(again);
  for (const Finding& finding : *again) CHECK(finding.what.find("binary") == std::string::npos);
}

TEST_CASE("binary: in a publication of one's own the columns that are not sent do not matter") {
  PostgresServer server;
  server.sql(
      "create table t (id int primary key, place point); create publication mine for table t (id); "
      "create table other (id int primary key, place point)");
  Warnings warnings;
  PostgresOptions options = binary_options(server.url(), {"public.t"}, warnings);
  options.publication = "mine";
  PostgresCapture capture(options);
  capture.run();
  server.sql("insert into t values (2, '(3,4)')");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(is_read_in_binary(server));
  CHECK(capture.stop());
  CHECK(count_as_text(warnings) == 0);
  CHECK(bodies(capture.handler.events()) == Lines{"2"});
}

// The statements that make what is not read, in the middle of the stream, and the value.
struct MetMidway {
  std::string statements;
  std::string type;
  std::string value;
  std::string text;
};

TEST_CASE(
    "binary: a type that is met midway and is not read is read as text, with nothing lost or "
    "twice, and told once") {
  const std::vector<MetMidway> all = {
      {"", "point", "'(1,2)'", "(1,2)"},
      {"create type pair as (a int, b text)", "pair", "row(1, 'a b')", "(1,\"a b\")"},
      {"", "money[]", "'{1}'", "{$1.00}"},
      // The server fails to send these: their elements have no binary form.
      {"", "aclitem[]", "'{postgres=r/postgres}'", "{postgres=r/postgres}"}};
  for (const std::string& version : postgres_versions()) {
    for (const MetMidway& met : all) {
      CAPTURE(version);
      CAPTURE(met.type);
      PostgresServer server({.settings = {}, .hba = {}, .version = version});
      server.sql("create table t (id int primary key, note text)");
      Warnings warnings;
      PostgresCapture capture(binary_options(server.url(), {"public.t"}, warnings));
      capture.reconnects = true;
      capture.run();
      server.sql("insert into t values (1, 'one')");
      REQUIRE(capture.handler.wait_for_transactions(1));
      CHECK(is_read_in_binary(server));
      server.sql(met.statements);
      server.sql(fmt::format(
          "begin; insert into t values (2, 'two'); alter table t add column c {0}; insert into t "
          "values (3, 'three', {1}); update t set c = {1} where id = 2; commit; insert into t "
          "values (4)",
          met.type, met.value));
      REQUIRE(capture.handler.wait_for_transactions(3));
      CHECK_FALSE(is_read_in_binary(server));
      const Status ended = capture.stop();
      CHECK_MESSAGE(ended, (ended ? "" : ended.error().what));
      CHECK(bodies(capture.handler.events()) ==
            Lines{"1|one", "2|two", "3|three|" + met.text, "2|two|" + met.text, "4|NULL|NULL"});
      CHECK(count_as_text(warnings) == 1);
      REQUIRE(capture.handler.transactions().size() == 3);
    }
  }
}

TEST_CASE("binary: a type that a transaction in progress has made is read as text") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server({.settings = {}, .hba = {}, .version = version});
    server.sql("create table t (id int primary key, note text)");
    Warnings warnings;
    PostgresCapture capture(binary_options(
        server.url() + "?options=-c%20logical_decoding_work_mem%3D64kB", {"public.t"}, warnings));
    capture.reconnects = true;
    capture.run();
    SqlSession writer = server.session();
    writer.sql(
        "begin; create type mood as enum ('sad'); alter table t add column m mood; insert into t "
        "select n, repeat('x', 100), 'sad' from generate_series(1, 5000) n");
    REQUIRE(eventually(soon, [&] { return !is_read_in_binary(server); }));
    writer.sql("commit");
    REQUIRE(capture.handler.wait_for_transactions(1));
    const Status ended = capture.stop();
    CHECK_MESSAGE(ended, (ended ? "" : ended.error().what));
    const auto events = capture.handler.events();
    REQUIRE(events.size() == 5'000);
    CHECK(texts_of(*events.back().body).ends_with("|sad"));
    CHECK(events.back().schema.columns.at(2).kind == ValueKind::enumeration);
  }
}

TEST_CASE("binary: over reconnects, restarts of the server and a prepared transaction") {
  for (const std::string& version : postgres_versions()) {
    if (version == "14") continue;
    CAPTURE(version);
    PostgresServer server(
        {.settings = {"max_prepared_transactions=5"}, .hba = {}, .version = version});
    server.sql(
        "create type mood as enum ('sad', 'happy'); create domain price as numeric(10,2); create "
        "table t (id int primary key, m mood, p price, ms mood[], at timestamptz)");
    const std::string row = ", 'happy', 1.1, '{sad,NULL}', '2026-11-27 01:02:03.5+02')";
    const std::string text = "|happy|1.10|{sad,NULL}|2026-11-26 23:02:03.5+00";
    Warnings warnings;
    PostgresOptions options = binary_options(server.url(), {"public.t"}, warnings);
    options.two_phase = true;
    PostgresCapture capture(options);
    capture.reconnects = true;
    capture.run();
    server.sql("insert into t values (1" + row);
    REQUIRE(capture.handler.wait_for_transactions(1));
    server.sql("begin; insert into t values (2" + row + "; prepare transaction 'kept'");
    REQUIRE(eventually(soon, [&] { return capture.handler.kept_count() == 1; }));
    server.sql("select pg_terminate_backend(active_pid) from pg_replication_slots");
    server.sql("insert into t values (3" + row);
    REQUIRE(capture.handler.wait_for_transactions(2));
    CHECK(is_read_in_binary(server));
    CHECK(capture.stop());
    server.restart(PostgresServer::Shutdown::immediate);
    REQUIRE(capture.prepare() == Source::Next::stream);
    capture.start();
    // By the time that it is read, its types are gone.
    server.sql("commit prepared 'kept'");
    server.sql("drop table t; drop type mood; drop domain price");
    REQUIRE(capture.handler.wait_for_transactions(3));
    const Status ended = capture.stop();
    CHECK_MESSAGE(ended, (ended ? "" : ended.error().what));
    CHECK(bodies(capture.handler.events()) == Lines{"1" + text, "3" + text, "2" + text});
    CHECK(count_as_text(warnings) == 0);
  }
}

TEST_CASE("binary: of types the catalog is asked once a connection, never for a row") {
  PostgresServer server({.settings = {"shared_preload_libraries=pg_stat_statements"}, .hba = {}});
  server.sql("create extension pg_stat_statements; create type mood as enum ('sad')");
  for (int table = 0; table < 20; ++table)
    server.sql(fmt::format("create table b{} (id int primary key, note text, m mood)", table));
  Warnings warnings;
  PostgresCapture capture(binary_options(server.url(), {"public.b*"}, warnings));
  REQUIRE(capture.load());
  server.sql("select pg_stat_statements_reset()");
  capture.start();
  for (int table = 0; table < 20; ++table)
    server.sql(
        fmt::format("insert into b{} select n, n, 'sad' from generate_series(1, 100) n", table));
  REQUIRE(capture.handler.wait_for_transactions(20));
  CHECK(capture.stop());
  CHECK(server.sql("select sum(calls) from pg_stat_statements where query like '%t.typsend%' and "
                   "query not like '%pg_stat_statements%'") == Rows{{"1"}});
}

}  // namespace
}  // namespace tidelog::testing
