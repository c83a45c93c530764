// What a Postgres source makes of a real server's changes.
#include <doctest/doctest.h>

#include "tests/integration/event_summary.h"
#include "tests/integration/postgres_capture.h"

namespace tidelog::testing {
namespace {

TEST_CASE("postgres: existing rows are loaded, and changes go on from exactly there") {
  PostgresServer server;
  server.sql(
      "create table orders (id int primary key, note text);"
      "insert into orders values (1, 'one'), (2, null)");
  PostgresCapture capture(options_for(server.url(), {"public.orders"}));
  capture.run();
  server.sql("insert into orders values (3, 'three')");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) ==
        Lines{"load public.orders key=1 body=1|one", "load public.orders key=2 body=2|NULL"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert public.orders key=3 body=3|three"});
  CHECK(capture.handler.loaded()[0].schema == capture.handler.events()[0].schema);
}

TEST_CASE("postgres: every kind of old row") {
  PostgresServer server;
  server.sql(
      "create table d (id int primary key, note text);"
      "create table f (id int primary key, note text); alter table f replica identity full;"
      "create table k (a int, b text not null, c text not null); create unique index k_i on k (c, "
      "b);"
      "alter table k replica identity using index k_i;"
      "create table l (a int, b text); alter table l replica identity full;"
      "create table n (a int)");
  PostgresCapture capture(options_for(server.url(), {"public.*"}));
  capture.run();
  server.sql(
      "begin; insert into d values (1, 'a'); update d set note = 'b'; update d set id = 2; delete "
      "from d; commit");
  server.sql(
      "begin; insert into f values (1, 'a'); update f set note = 'b'; update f set id = 2; delete "
      "from f; commit");
  server.sql(
      "begin; insert into k values (1, 'b', 'c'); update k set a = 2; update k set c = 'x'; delete "
      "from k; commit");
  server.sql("begin; insert into l values (1, 'a'); update l set b = 'b'; delete from l; commit");
  server.sql("insert into n values (1)");
  REQUIRE(capture.handler.wait_for_transactions(5));
  CHECK(capture.stop());
  const auto transactions = capture.handler.transactions();
  CHECK(summaries(transactions[0].events) ==
        Lines{"insert public.d key=1 body=1|a", "update public.d key=1 body=1|b",
              "delete public.d moved key=1 before-key=1",
              "insert public.d moved key=2 before-key=1 body=2|b",
              "delete public.d key=2 before-key=2"});
  CHECK(summaries(transactions[1].events) ==
        Lines{"insert public.f key=1 body=1|a", "update public.f key=1 before=1|a body=1|b",
              "delete public.f moved key=1 before=1|b",
              "insert public.f moved key=2 before-key=1 body=2|b",
              "delete public.f key=2 before=2|b"});
  CHECK(summaries(transactions[2].events) ==
        Lines{"insert public.k key=b|c body=1|b|c", "update public.k key=b|c body=2|b|c",
              "delete public.k moved key=b|c before-key=b|c",
              "insert public.k moved key=b|x before-key=b|c body=2|b|x",
              "delete public.k key=b|x before-key=b|x"});
  CHECK(summaries(transactions[3].events) == Lines{"insert public.l body=1|a",
                                                   "update public.l before=1|a body=1|b",
                                                   "delete public.l before=1|b"});
  CHECK(summaries(transactions[4].events) == Lines{"insert public.n body=1"});
}

TEST_CASE("postgres: a primary key that is deferrable does not tell rows apart") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key deferrable, note text);"
      "alter table a replica identity full; insert into a values (1, 'one'), (2, 'two')");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  server.sql("begin; set constraints all deferred; update a set id = 3 - id; commit");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) ==
        Lines{"load public.a body=1|one", "load public.a body=2|two"});
  CHECK(summaries(capture.handler.events()) == Lines{"update public.a before=1|one body=2|one",
                                                     "update public.a before=2|two body=1|two"});
  CHECK(capture.handler.loaded()[0].schema == capture.handler.events()[0].schema);
}

TEST_CASE("postgres: a large value that did not change is marked, or taken from the old row") {
  PostgresServer server;
  server.sql(
      "create table d (id int primary key, n int, big text); alter table d alter big set storage "
      "external;"
      "create table f (id int primary key, n int, big text); alter table f alter big set storage "
      "external;"
      "alter table f replica identity full;"
      "create table t (id text primary key, n int); alter table t alter id set storage external");
  PostgresCapture capture(options_for(server.url(), {"public.d", "public.f", "public.t"}));
  capture.run();
  const std::string big = "repeat('x', 5000)";
  server.sql("insert into d values (1, 1, " + big + "); insert into f values (1, 1, " + big +
             "); insert into t values (left(" + big + ", 2500), 1)");
  server.sql("update d set n = 2");
  server.sql("update d set id = 2");
  server.sql("update f set n = 2");
  server.sql("update t set n = 2");
  REQUIRE(capture.handler.wait_for_transactions(5));
  CHECK(capture.stop());
  const auto transactions = capture.handler.transactions();
  CHECK(summary(transactions[1].events.at(0)) == "update public.d key=1 body=1|2|(unchanged)");
  CHECK(summary(transactions[2].events.at(1)) ==
        "insert public.d moved key=2 before-key=1 body=2|2|(unchanged)");
  const std::string xs(5000, 'x');
  CHECK(texts_of(*transactions[3].events.at(0).body) == "1|2|" + xs);
  CHECK(texts_of(transactions[3].events.at(0).before) == "1|1|" + xs);
  CHECK(transactions[4].events.at(0).type == EventType::update);
  CHECK(texts_of(*transactions[4].events.at(0).key) == xs.substr(0, 2500));
}

TEST_CASE("postgres: truncates, with what came with them") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key); create table b (id int primary key references a)");
  PostgresCapture capture(options_for(server.url(), {"public.a", "public.b"}));
  capture.run();
  server.sql("truncate a, b");
  server.sql("truncate a restart identity cascade");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  const auto transactions = capture.handler.transactions();
  CHECK(summaries(transactions[0].events) == Lines{"truncate public.a", "truncate public.b"});
  CHECK(transactions[1].events.size() == 2);
  CHECK(find_attribute(transactions[1].events[0].attributes, Attribute::truncate_cascade));
  CHECK(find_attribute(transactions[1].events[0].attributes, Attribute::truncate_restart));
  CHECK_FALSE(find_attribute(transactions[0].events[0].attributes, Attribute::truncate_cascade));
}

TEST_CASE("postgres: logical messages inside and outside of transactions, each once") {
  PostgresServer server;
  server.sql("create table a (id int primary key)");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  server.sql(
      "begin; insert into a values (1); select pg_logical_emit_message(true, 'in', 'side'); "
      "commit");
  server.sql("select pg_logical_emit_message(false, 'out', 'side')");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  REQUIRE(capture.prepare());
  capture.start();
  server.sql("insert into a values (2)");
  REQUIRE(capture.handler.wait_for_transactions(3));
  CHECK(capture.stop());
  const auto transactions = capture.handler.transactions();
  REQUIRE(transactions.size() == 3);
  CHECK(summaries(transactions[0].events) ==
        Lines{"insert public.a key=1 body=1", "message $source body=side"});
  CHECK(find_attribute(transactions[0].events[1].attributes, Attribute::name) == "in");
  CHECK(transactions[0].events[1].ordinal == 1);
  CHECK(summaries(transactions[1].events) == Lines{"message $source body=side"});
  CHECK(transactions[1].id.empty());
  CHECK(summaries(transactions[2].events) == Lines{"insert public.a key=2 body=2"});
}

TEST_CASE(
    "postgres: a transaction whose commit follows a message of none is neither lost nor refused") {
  PostgresServer server;
  server.sql("create table a (id int primary key)");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  server.sql(
      "begin; insert into a values (1); select pg_logical_emit_message(false, 'out', 'side'); "
      "commit");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  // As a run that was killed between the two goes on.
  const auto transactions = capture.handler.transactions();
  REQUIRE(transactions.size() == 2);
  CHECK(summaries(transactions[0].events) == Lines{"message $source body=side"});
  CHECK(summaries(transactions[1].events) == Lines{"insert public.a key=1 body=1"});
  const auto between = read_postgres_resume(transactions[0].resume);
  REQUIRE(between);
  CHECK(between->end_lsn <= *read_postgres_lsn(transactions[1].position));
}

TEST_CASE("postgres: a transaction's origin, id, commit time and place") {
  PostgresServer server({.settings = {"track_commit_timestamp=on"}, .hba = {}});
  server.sql(
      "create table a (id int primary key); select pg_replication_origin_create('elsewhere')");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  const Rows row = server.sql(
      "select pg_replication_origin_session_setup('elsewhere'); begin;"
      "select pg_replication_origin_xact_setup('0/AA00', '2024-02-29 12:00:00.000001+00');"
      "insert into a values (1) returning xmin");
  server.sql("commit");
  server.sql("select pg_replication_origin_session_reset()");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  const RecordedTransaction transaction = capture.handler.transactions().at(0);
  CHECK(transaction.origin == "elsewhere");
  CHECK(transaction.id == row.at(0).at(0));
  CHECK(transaction.commit_time.value == 1'709'208'000'000'001);
  const auto resume = read_postgres_resume(transaction.resume);
  REQUIRE(resume);
  CHECK(read_postgres_lsn(transaction.position)->value < resume->end_lsn.value);
  CHECK(std::to_string(resume->system_id) ==
        server.sql("select system_identifier from pg_control_system()").at(0).at(0));
}

TEST_CASE(
    "postgres: the schema changes while changes stream, and each row has the one of its time") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key, n int); create type mood as enum ('sad', 'happy')");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  server.sql("insert into a values (1, 1)");
  server.sql("alter table a add m mood default 'sad'; insert into a values (2, 2, 'happy')");
  server.sql("alter table a drop n; insert into a values (3, 'sad')");
  server.sql("alter type mood add value 'calm'");
  server.sql("insert into a values (4, 'calm')");
  server.sql("alter table a alter m type text; insert into a values (5, 'free')");
  server.sql("alter table a rename to b; insert into b values (6, 'moved')");
  REQUIRE(capture.handler.wait_for_transactions(6));
  CHECK(capture.stop());
  const auto events = capture.handler.events();
  REQUIRE(events.size() == 8);
  CHECK(summary(events[0]) == "insert public.a key=1 body=1|1");
  CHECK(summary(events[1]) == "insert public.a key=2 body=2|2|happy");
  CHECK(events[1].schema.columns.at(2).kind == ValueKind::enumeration);
  CHECK(events[1].schema.columns.at(2).type == "public.mood");
  CHECK(summary(events[2]) == "insert public.a key=3 body=3|sad");
  CHECK(summary(events[3]) == "insert public.a key=4 body=4|calm");
  CHECK(events[4].schema.columns.at(1).kind == ValueKind::text);
  // The table goes on under its new name, where its older rows are not known.
  CHECK(events[5].type == EventType::truncate);
  CHECK(events[5].stream == "public.a");
  CHECK(find_attribute(events[5].attributes, Attribute::reason) ==
        "the table was renamed to public.b");
  CHECK(events[6].type == EventType::load_step);
  CHECK(events[6].stream == "public.b");
  CHECK(summary(events[7]) == "insert public.b key=6 body=6|moved");
}

TEST_CASE("postgres: a table and a type that are gone by the time they are read") {
  PostgresServer server;
  server.sql("create table keep (id int primary key)");
  PostgresCapture capture(options_for(server.url(), {"public.*"}));
  REQUIRE(capture.load());
  server.sql(
      "create type mood as enum ('sad'); create table a (id int primary key, m mood);"
      "alter publication tidelog_shop add table only a");
  server.sql("insert into a values (1, 'sad')");
  server.sql("drop table a; drop type mood");
  capture.start();
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  const auto event = capture.handler.events().at(0);
  CHECK(summary(event) == "insert public.a key=1 body=1|sad");
  CHECK(event.schema.columns.at(1).type == "public.mood");
}

TEST_CASE("postgres: names of any case, quotes, spaces and scripts") {
  PostgresServer server;
  server.sql(
      R"(create schema "Größe"; create table "Größe"."What? ""a.b""" ("Id" int primary key, "col umn" text);
                create table public."注文" (id int primary key); create table public."select" (id int primary key))");
  PostgresCapture capture(
      options_for(server.url(), {R"("Größe"."What? ""a.b""")", "public.注文", "public.select"}));
  capture.run();
  server.sql(
      R"(insert into "Größe"."What? ""a.b""" values (1, 'x'); insert into public."注文" values (2);
                insert into public."select" values (3))");
  REQUIRE(capture.handler.wait_for([](const auto& transactions) {
    std::size_t events = 0;
    for (const auto& transaction : transactions) events += transaction.events.size();
    return events == 3;
  }));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.events()) == Lines{"insert Größe.What? \"a.b\" key=1 body=1|x",
                                                     "insert public.注文 key=2 body=2",
                                                     "insert public.select key=3 body=3"});
}

TEST_CASE("postgres: a partitioned table is one stream, an inherited one its own") {
  PostgresServer server;
  server.sql(
      "create table p (id int primary key, n int) partition by range (id);"
      "create table p1 partition of p for values from (0) to (100);"
      "create table p2 partition of p for values from (100) to (200);"
      "create table parent (id int primary key); create table child (primary key (id)) inherits "
      "(parent);"
      "insert into p values (1, 1), (101, 1); insert into parent values (1); insert into child "
      "values (2)");
  PostgresCapture capture(options_for(server.url(), {"public.p", "public.parent"}));
  capture.run();
  server.sql("insert into child values (3)");
  server.sql("update p set n = 2 where id = 101");
  server.sql("update p set id = 102 where id = 1");
  server.sql(
      "create table p3 partition of p for values from (200) to (300); insert into p values (201, "
      "1)");
  REQUIRE(capture.handler.wait_for_transactions(3));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.p key=1 body=1|1",
                                                     "load public.p key=101 body=101|1",
                                                     "load public.parent key=1 body=1"});
  CHECK(summaries(capture.handler.events()) ==
        Lines{"update public.p key=101 body=101|2", "delete public.p key=1 before-key=1",
              "insert public.p key=102 body=102|1", "insert public.p key=201 body=201|1"});
}

TEST_CASE("postgres: a publication's column list and row filter hold for the load too") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key, secret text, n int, twice int generated always as (n * "
      "2) stored);"
      "create table other (id int primary key);"
      "insert into a values (1, 's', 1), (2, 's', 20);"
      "create publication mine for table a (id, n) where (id < 10), other");
  PostgresOptions options = options_for(server.url(), {"public.a"});
  options.publication = "mine";
  PostgresCapture capture(options);
  server.sql("insert into a values (20, 's', 1)");
  capture.run();
  server.sql("insert into other values (1); insert into a values (3, 's', 3)");
  server.sql("insert into a values (30, 's', 3)");
  server.sql("insert into a values (4, 's', 4)");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) ==
        Lines{"load public.a key=1 body=1|1", "load public.a key=2 body=2|20"});
  CHECK(summaries(capture.handler.events()) ==
        Lines{"insert public.a key=3 body=3|3", "insert public.a key=4 body=4|4"});
  CHECK(capture.handler.loaded()[0].schema == capture.handler.events()[0].schema);
}

TEST_CASE("postgres: only what is durable is confirmed to the server") {
  PostgresServer server;
  server.sql("create table a (id int primary key)");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  capture.handler.hold_back(true);
  server.sql("insert into a values (1)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  const std::string confirmed_sql = "select confirmed_flush_lsn from pg_replication_slots";
  const auto loaded_end = read_postgres_resume(capture.stored)->end_lsn;
  CHECK(*parse_lsn(server.sql(confirmed_sql).at(0).at(0)) == loaded_end);
  capture.handler.hold_back(false);
  server.sql("insert into a values (2)");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  const auto stored = read_postgres_resume(capture.stored);
  CHECK(stored->end_lsn >=
        read_postgres_resume(capture.handler.transactions().at(1).resume)->end_lsn);
  CHECK(*parse_lsn(server.sql(confirmed_sql).at(0).at(0)) == stored->end_lsn);
}

TEST_CASE("postgres: a server that stops does not wait for a position that is not stored yet") {
  PostgresServer server;
  server.sql("create table a (id int primary key); create table other (id int)");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  capture.handler.hold_back(true);
  server.sql("insert into a values (1); insert into other values (1)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  server.stop(PostgresServer::Shutdown::fast);  // fails when that takes a minute
  const Status ended = capture.wait_for_end();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::unavailable);
  server.start();
  REQUIRE(capture.prepare());
  capture.handler.hold_back(false);
  capture.start();
  REQUIRE(capture.handler.wait_for_transactions(2));  // what was not stored is sent again
  CHECK(capture.stop());
}

TEST_CASE("postgres: log that other tables write is progress, so that the slot moves on") {
  PostgresServer server;
  server.sql("create table a (id int primary key); create table busy (n int)");
  PostgresCapture capture(options_for(server.url(), {"public.a"}));
  capture.run();
  server.sql("insert into busy select generate_series(1, 1000)");
  const Lsn busy_end = *parse_lsn(server.sql("select pg_current_wal_lsn()").at(0).at(0));
  CHECK(capture.handler.wait_for_durable([&](const std::string& durable) {
    return !durable.empty() && read_postgres_resume(durable)->end_lsn >= busy_end;
  }));
  CHECK(capture.stop());
  CHECK(capture.handler.transactions().empty());
}

}  // namespace
}  // namespace tidelog::testing
