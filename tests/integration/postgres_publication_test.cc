// Which tables a source captures: by its configuration, and by publications of the user's own.
#include <doctest/doctest.h>

#include "tests/integration/event_summary.h"
#include "tests/integration/postgres_capture.h"

namespace tidelog::testing {
namespace {

PostgresOptions with_publication(const PostgresServer& server, const std::string& name) {
  PostgresOptions options = options_for(server.url(), {});
  options.publication = name;
  return options;
}

TEST_CASE("publication: what is excepted is neither published, loaded nor streamed") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key); create table audit_1 (id int primary key);"
      "create table audit_2 (id int primary key); insert into a values (1);"
      "insert into audit_1 values (1); insert into audit_2 values (1)");
  PostgresOptions options = options_for(server.url(), {"public.*"});
  options.except = {"public.audit_*"};
  PostgresCapture capture(options);
  capture.run();
  server.sql("begin; insert into audit_1 values (2); insert into a values (2); commit");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.a key=1 body=1"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert public.a key=2 body=2"});
  CHECK(server.sql("select tablename from pg_publication_tables").size() == 1);
}

TEST_CASE("publication: one for all tables is narrowed by what is excepted, also tables to come") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key); create table audit_1 (id int primary key);"
      "insert into a values (1); insert into audit_1 values (1);"
      "create publication everything for all tables");
  PostgresOptions options = with_publication(server, "everything");
  options.except = {"public.audit_*"};
  PostgresCapture capture(options);
  capture.run();
  server.sql(
      "create table b (id int primary key); create table audit_2 (id int primary key);"
      "insert into audit_1 values (2); insert into audit_2 values (2); insert into b values (2)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.a key=1 body=1"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert public.b key=2 body=2"});
}

TEST_CASE("publication: an exception that is misspelt is found before anything is captured") {
  PostgresServer server;
  server.sql(
      "create table audit (id int primary key); create table a (id int primary key);"
      "create publication everything for all tables");
  PostgresOptions options = with_publication(server, "everything");
  options.except = {"public.audits"};
  const std::string errors = errors_in(*check_postgres(options, {}));
  CHECK(errors.find("public.audits does not exist") != std::string::npos);
  CHECK(errors.find("public.audit") != std::string::npos);
}

TEST_CASE(
    "publication: one for the tables of a schema is loaded and streamed, new tables as well") {
  PostgresServer server;
  server.sql(
      "create schema sales; create table sales.a (id int primary key);"
      "create table public.other (id int primary key); insert into sales.a values (1);"
      "create publication of_sales for tables in schema sales");
  PostgresCapture capture(with_publication(server, "of_sales"));
  capture.run();
  server.sql(
      "create table sales.b (id int primary key); insert into public.other values (2);"
      "insert into sales.b values (2)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load sales.a key=1 body=1"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert sales.b key=2 body=2"});
}

TEST_CASE("publication: partitions come by themselves when the publication says so") {
  PostgresServer server;
  server.sql(
      "create table p (id int primary key) partition by range (id);"
      "create table p1 partition of p for values from (0) to (100);"
      "create table p2 partition of p for values from (100) to (200);"
      "insert into p values (1), (101);"
      "create publication leaves for table p with (publish_via_partition_root = false)");
  PostgresOptions options = with_publication(server, "leaves");
  options.tables = {"public.*"};
  options.except = {"public.p2"};
  PostgresCapture capture(options);
  capture.run();
  server.sql("insert into p values (2), (102)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.p1 key=1 body=1"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert public.p1 key=2 body=2"});
}

TEST_CASE(
    "publication: a partition that comes as its root's cannot be left out, and that is said") {
  PostgresServer server;
  server.sql(
      "create table p (id int primary key) partition by range (id);"
      "create table p1 partition of p for values from (0) to (100);"
      "create publication everything for all tables with (publish_via_partition_root = true)");
  PostgresOptions options = with_publication(server, "everything");
  options.except = {"public.p1"};
  const std::string errors = errors_in(*check_postgres(options, {}));
  CHECK(errors.find("public.p1 cannot be left out: it is a partition of public.p") !=
        std::string::npos);
}

TEST_CASE("publication: what is excepted stays out though our publication already has it") {
  PostgresServer server;
  server.sql(
      "create table a (id int primary key); create table audit (id int primary key);"
      "insert into a values (1); insert into audit values (1);"
      "create publication tidelog_shop for table a, audit");
  PostgresOptions options = options_for(server.url(), {"public.*"});
  options.except = {"public.audit"};
  PostgresCapture capture(options);
  capture.run();
  server.sql("insert into audit values (2); insert into a values (2)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.a key=1 body=1"});
  CHECK(summaries(capture.handler.events()) == Lines{"insert public.a key=2 body=2"});
}

TEST_CASE("publication: names of any letters, and rows of a child that its parent does not have") {
  PostgresServer server;
  server.sql(
      "create schema \"Größe\"; create table \"Größe\".\"a.b \"\"c\"\"\" (\"Id\" int primary key);"
      "create table \"Größe\".parent (id int primary key);"
      "create table \"Größe\".child (primary key (id)) inherits (\"Größe\".parent);"
      "insert into \"Größe\".\"a.b \"\"c\"\"\" values (1); insert into \"Größe\".child values (7)");
  PostgresCapture capture(
      options_for(server.url(), {"\"Größe\".\"a.b \"\"c\"\"\"", "\"Größe\".parent"}));
  capture.run();
  server.sql(
      "begin; insert into \"Größe\".\"a.b \"\"c\"\"\" values (2);"
      "insert into \"Größe\".child values (8); insert into \"Größe\".parent values (9); commit");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load Größe.a.b \"c\" key=1 body=1"});
  CHECK(summaries(capture.handler.events()) ==
        Lines{"insert Größe.a.b \"c\" key=2 body=2", "insert Größe.parent key=9 body=9"});
}

}  // namespace
}  // namespace tidelog::testing
