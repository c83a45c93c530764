// What is known of old rows, by the replica identity of their table: the whole row, the key alone,
// or nothing; and rows whose key changes. On the oldest and the newest server.
#include <doctest/doctest.h>

#include "tests/integration/event_summary.h"
#include "tests/integration/postgres_capture.h"

namespace tidelog::testing {
namespace {

// A server, a capture of all of its tables, and the events of one statement after the other.
struct Identity {
  Identity(const std::string& version, const std::string& tables)
      : server({.settings = {}, .hba = {}, .version = version}), capture(prepared(server, tables)) {
    capture.run();
  }
  ~Identity() { CHECK(capture.stop()); }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  static PostgresOptions prepared(PostgresServer& server, const std::string& tables) {
    server.sql(tables);
    return options_for(server.url(), {"public.*"});
  }

  // One transaction, as it comes.
  std::vector<RecordedEvent> events_of(const std::string& statements) {
    const std::size_t before = transactions;
    server.sql("begin;" + statements + "; commit");
    REQUIRE(capture.handler.wait_for_transactions(++transactions));
    return capture.handler.transactions().at(before).events;
  }
  Lines operator()(const std::string& statements) { return summaries(events_of(statements)); }

  PostgresServer server;
  PostgresCapture capture;
  std::size_t transactions = 0;
};

// Both halves of a key change are one change of one transaction.
void check_linked(const std::vector<RecordedEvent>& events) {
  REQUIRE(events.size() == 2);
  CHECK(events[0].type == EventType::remove);
  CHECK(events[1].type == EventType::insert);
  CHECK((events[0].moved && events[1].moved));
  CHECK(events[0].ordinal == events[1].ordinal);
  CHECK(events[1].before_kind == Before::key);
  CHECK(events[1].before == events[0].key);
}

const std::string big = "(select string_agg(md5(n::text), '') from generate_series(1, 300) n)";

TEST_CASE("replica identity: default logs the old key alone, and only when it is needed") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(version, "create table t (a int, note text, b text, primary key (a, b))");
    CHECK(change("insert into t values (1, 'n', 'x'), (2, null, 'x')") ==
          Lines{"insert public.t key=1|x body=1|n|x", "insert public.t key=2|x body=2|NULL|x"});
    CHECK(change("update t set note = 'm' where a = 1") ==
          Lines{"update public.t key=1|x body=1|m|x"});
    const auto part = change.events_of("update t set b = 'y' where a = 1");
    check_linked(part);
    CHECK(summaries(part) == Lines{"delete public.t moved key=1|x before-key=1|x",
                                   "insert public.t moved key=1|y before-key=1|x body=1|m|y"});
    CHECK(change("update t set a = a + 1") ==
          Lines{"delete public.t moved key=2|x before-key=2|x",
                "insert public.t moved key=3|x before-key=2|x body=3|NULL|x",
                "delete public.t moved key=1|y before-key=1|y",
                "insert public.t moved key=2|y before-key=1|y body=2|m|y"});
    CHECK(change("delete from t where a = 2") == Lines{"delete public.t key=2|y before-key=2|y"});
    // Written again with the key that it has: no key change.
    CHECK(change("update t set b = 'x'") == Lines{"update public.t key=3|x body=3|NULL|x"});
  }
}

TEST_CASE("replica identity: full logs the whole old row, with and without a key") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(version,
                    "create table t (note text, a int, b int, primary key (b, a)); alter table t "
                    "replica identity full; create table l (a int, b text); alter table l replica "
                    "identity full");
    CHECK(change("insert into t values ('n', 1, 2); update t set note = null") ==
          Lines{"insert public.t key=1|2 body=n|1|2",
                "update public.t key=1|2 before=n|1|2 body=NULL|1|2"});
    const auto part = change.events_of("update t set b = 3");
    check_linked(part);
    CHECK(summaries(part) == Lines{"delete public.t moved key=1|2 before=NULL|1|2",
                                   "insert public.t moved key=1|3 before-key=1|2 body=NULL|1|3"});
    CHECK(change("delete from t") == Lines{"delete public.t key=1|3 before=NULL|1|3"});
    CHECK(
        change("insert into l values (1, 'x'), (1, 'x'), (null, null); update l set b = 'y' where "
               "ctid = '(0,1)'; delete from l where a is null") ==
        Lines{"insert public.l body=1|x", "insert public.l body=1|x",
              "insert public.l body=NULL|NULL", "update public.l before=1|x body=1|y",
              "delete public.l before=NULL|NULL"});
  }
}

TEST_CASE("replica identity: an index's columns are the key, whatever the primary key is") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(
        version,
        "create table t (id int primary key, c text not null, note text, a int not "
        "null); create unique index i on t (a, c) include (note); alter table t replica "
        "identity using index i");
    CHECK(change("insert into t values (1, 'c', 'n', 7)") ==
          Lines{"insert public.t key=c|7 body=1|c|n|7"});
    // The primary key is a column as any other.
    CHECK(change("update t set id = 2, note = 'm'") ==
          Lines{"update public.t key=c|7 body=2|c|m|7"});
    const auto part = change.events_of("update t set a = 8");
    check_linked(part);
    CHECK(summaries(part) == Lines{"delete public.t moved key=c|7 before-key=c|7",
                                   "insert public.t moved key=c|8 before-key=c|7 body=2|c|m|8"});
    CHECK(change("delete from t") == Lines{"delete public.t key=c|8 before-key=c|8"});
  }
}

TEST_CASE("replica identity: nothing leaves inserts, which still have the key of the primary key") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(
        version,
        "create table t (note text, id int primary key); alter table t replica identity "
        "nothing; create table l (a int)");
    CHECK(change("insert into t values ('n', 1); insert into l values (1), (1)") ==
          Lines{"insert public.t key=1 body=n|1", "insert public.l body=1",
                "insert public.l body=1"});
    // The server refuses what would have no old row.
    CHECK_FALSE(change.server.query("update t set note = 'm'"));
    CHECK_FALSE(change.server.query("delete from l"));
    CHECK(change("truncate t, l") == Lines{"truncate public.t", "truncate public.l"});
  }
}

TEST_CASE(
    "replica identity: it changes while changes stream, and each row has the one of its time") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(version,
                    "create table t (id int primary key, c int not null, note text); create unique "
                    "index i on t (c); insert into t values (1, 10, 'n')");
    CHECK(change("update t set note = 'a'") == Lines{"update public.t key=1 body=1|10|a"});
    const auto full =
        change.events_of("alter table t replica identity full; update t set note = 'b'");
    CHECK(summaries(full) == Lines{"update public.t key=1 before=1|10|a body=1|10|b"});
    CHECK(full.at(0).schema.identity == ReplicaIdentity::full);
    const auto index = change.events_of(
        "alter table t replica identity using index i; update t set note = 'c'; update t set c = "
        "11");
    CHECK(summaries(index) == Lines{"update public.t key=10 body=1|10|c",
                                    "delete public.t moved key=10 before-key=10",
                                    "insert public.t moved key=11 before-key=10 body=1|11|c"});
    CHECK(index.at(0).schema.identity == ReplicaIdentity::index);
    CHECK_FALSE(index.at(0).schema.columns.at(0).key);
    CHECK(index.at(0).schema.columns.at(1).key);
    const auto nothing = change.events_of(
        "alter table t replica identity nothing; insert into t values (2, 20, 'd')");
    CHECK(summaries(nothing) == Lines{"insert public.t key=2 body=2|20|d"});
    CHECK(nothing.at(0).schema.identity == ReplicaIdentity::nothing);
    const auto back = change.events_of("alter table t replica identity default; delete from t");
    CHECK(summaries(back) ==
          Lines{"delete public.t key=1 before-key=1", "delete public.t key=2 before-key=2"});
    CHECK(back.at(0).schema.identity == ReplicaIdentity::primary_key);
  }
}

TEST_CASE("replica identity: identity and rows change within one transaction") {
  Identity change("18", "create table t (id int primary key, note text)");
  CHECK(change("insert into t values (1, 'a'); alter table t replica identity full; update t set "
               "note = 'b'; alter table t replica identity default; update t set note = 'c'") ==
        Lines{"insert public.t key=1 body=1|a", "update public.t key=1 before=1|a body=1|b",
              "update public.t key=1 body=1|c"});
}

TEST_CASE(
    "replica identity: a large value that did not change, in each identity and a key change") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Identity change(
        version,
        "create table d (id int, k int, big text, n int, primary key (id, k)); create table f "
        "(like d "
        "including all); create table i (like d including all); alter table i alter n set not null;"
        "create unique index i_n on i (n); alter table d alter big set storage external; alter "
        "table "
        "f alter big set storage external; alter table i alter big set storage external; alter "
        "table "
        "f replica identity full; alter table i replica identity using index i_n;");
    for (const char* table : {"d", "f", "i"})
      change(std::string("insert into ") + table + " values (1, 1, " + big + ", 1)");
    const std::string value = change.server.sql("select big from d").at(0).at(0);
    REQUIRE(value.size() == 9'600);
    CHECK(change("update d set n = 2") == Lines{"update public.d key=1|1 body=1|1|(unchanged)|2"});
    CHECK(change("update d set k = 2, n = 3") ==
          Lines{"delete public.d moved key=1|1 before-key=1|1",
                "insert public.d moved key=1|2 before-key=1|1 body=1|2|(unchanged)|3"});
    CHECK(change("update d set big = 'small'") ==
          Lines{"update public.d key=1|2 body=1|2|small|3"});
    const std::string f = "1|1|" + value;
    CHECK(change("update f set n = 2") ==
          Lines{"update public.f key=1|1 before=" + f + "|1 body=" + f + "|2"});
    CHECK(change("update f set k = 2, n = 3") ==
          Lines{"delete public.f moved key=1|1 before=" + f + "|2",
                "insert public.f moved key=1|2 before-key=1|1 body=1|2|" + value + "|3"});
    CHECK(change("update f set big = null") ==
          Lines{"update public.f key=1|2 before=1|2|" + value + "|3 body=1|2|NULL|3"});
    CHECK(change("update i set k = 2") == Lines{"update public.i key=1 body=1|2|(unchanged)|1"});
    CHECK(change("update i set n = 2") ==
          Lines{"delete public.i moved key=1 before-key=1",
                "insert public.i moved key=2 before-key=1 body=1|2|(unchanged)|2"});
    CHECK(change("delete from i") == Lines{"delete public.i key=2 before-key=2"});
  }
}

// The server logs a key that is stored out of line with every update, changed or not.
TEST_CASE("replica identity: a key of a large value that did not change is still the row's key") {
  Identity change("18",
                  "create table t (id text, k int, note text, primary key (id, k)); alter table t "
                  "alter id set storage external");
  change("insert into t values (left(" + big + ", 2500), 1, 'n')");
  const std::string id = change.server.sql("select id from t").at(0).at(0);
  REQUIRE(id.size() == 2'500);
  const std::string one = id + "|1";
  const std::string two = id + "|2";
  CHECK(change("update t set note = 'm'") ==
        Lines{"update public.t key=" + one + " before-key=" + one + " body=" + one + "|m"});
  CHECK(change("update t set k = 2") ==
        Lines{"delete public.t moved key=" + one + " before-key=" + one,
              "insert public.t moved key=" + two + " before-key=" + one + " body=" + two + "|m"});
  CHECK(change("delete from t") == Lines{"delete public.t key=" + two + " before-key=" + two});
}

// A configured key, or what refuses it.
std::string refusal(PostgresServer& server, std::vector<KeyOverride> keys) {
  PostgresOptions options = options_for(server.url(), {"public.*"});
  options.keys = std::move(keys);
  PostgresCapture capture(options);
  const Status loaded = capture.load();
  return loaded ? "" : loaded.error().what;
}

TEST_CASE("replica identity: a configured key takes the place of the identity's") {
  PostgresServer server;
  server.sql(
      "create table t (id int primary key, a int, b text); alter table t replica identity full;"
      "create table l (x int, y int); alter table l replica identity full; insert into l values "
      "(1, "
      "2); create table c (a int, b int, n int, primary key (a, b))");
  PostgresOptions options = options_for(server.url(), {"public.*"});
  options.keys = {{"public.t", {"b", "a"}}, {"public.l", {"y"}}, {"public.?", {"a"}}};
  PostgresCapture capture(options);
  capture.run();
  server.sql(
      "begin; insert into t values (1, 10, 'x'); update t set id = 2; update t set b = 'y';"
      "delete from t; commit");
  server.sql("begin; update l set x = 3; update l set y = 4; commit");
  server.sql(
      "begin; insert into c values (1, 1, 0); update c set b = 2; update c set a = 2; delete "
      "from c; commit");
  REQUIRE(capture.handler.wait_for_transactions(3));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.loaded()) == Lines{"load public.l key=2 body=1|2"});
  CHECK(summaries(capture.handler.events()) ==
        Lines{"insert public.t key=10|x body=1|10|x",
              "update public.t key=10|x before=1|10|x body=2|10|x",
              "delete public.t moved key=10|x before=2|10|x",
              "insert public.t moved key=10|y before-key=10|x body=2|10|y",
              "delete public.t key=10|y before=2|10|y", "update public.l key=2 before=1|2 body=3|2",
              "delete public.l moved key=2 before=3|2",
              "insert public.l moved key=4 before-key=2 body=3|4",
              "insert public.c key=1 body=1|1|0", "update public.c key=1 before-key=1 body=1|2|0",
              "delete public.c moved key=1 before-key=1",
              "insert public.c moved key=2 before-key=1 body=2|2|0",
              "delete public.c key=2 before-key=2"});
}

TEST_CASE(
    "replica identity: a configured key that old rows do not have is refused with the way out") {
  PostgresServer server;
  server.sql("create table t (id int primary key, a int)");
  CHECK(
      refusal(server, {{"public.t", {"a"}}}) ==
      "the key of public.t is configured to have the column a, which the server does not log of "
      "old "
      "rows: ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL; or leave the table out of `keys`");
}

TEST_CASE("replica identity: a configured key of a column that is not there is refused by name") {
  PostgresServer server;
  server.sql("create table t (id int primary key, a int)");
  CHECK(refusal(server, {{"public.t", {"id", "nothing"}}}) ==
        "the key of public.t is configured to have the column nothing, which the table has not, or "
        "does not publish: correct `keys`");
}

TEST_CASE(
    "replica identity: a configured key that goes while it is streamed stops the source, with "
    "place and reason") {
  PostgresServer server;
  server.sql("create table t (id int primary key, a int); alter table t replica identity full");
  PostgresOptions options = options_for(server.url(), {"public.t"});
  options.keys = {{"public.t", {"a"}}};
  PostgresCapture capture(options);
  capture.run();
  server.sql("alter table t rename column a to b; insert into t values (1, 1)");
  const Status ended = capture.wait_for_end();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::misconfigured);
  CAPTURE(ended.error().what);
  CHECK(ended.error().what.starts_with("at lsn "));
  CHECK(ended.error().what.find("the column a, which the table has not") != std::string::npos);
}

std::string identities_of(PostgresServer& server) {
  std::string all;
  for (const auto& row : server.sql(
           "select relname, relreplident from pg_class where relnamespace = 'public'::regnamespace "
           "and relkind in ('r', 'p') order by 1"))
    all += row.at(0) + " " + row.at(1) + ", ";
  return all;
}

constexpr const char* four_tables =
    "create table a (id int primary key, k int not null unique); create table b (x int);"
    "create table p (id int primary key) partition by list (id);"
    "create table p1 partition of p for values in (1); create table other (id int primary key)";

TEST_CASE("replica identity: what is configured is given to the tables, and only to these") {
  PostgresServer server;
  server.sql(four_tables);
  PostgresOptions options = options_for(server.url(), {"public.a", "public.b", "public.p"});
  options.identities = {{"public.a", {ReplicaIdentity::index, "a_k_key"}},
                        {"public.*", {ReplicaIdentity::full}}};
  options.keys = {{"public.b", {"x"}}};  // which needs it
  const auto findings = check_postgres(options, {});
  REQUIRE(findings);
  CHECK(errors_in(*findings) == "");
  CHECK(identities_of(server) == "a d, b d, other d, p d, p1 d, ");
  PostgresCapture capture(options);
  capture.run();
  CHECK(identities_of(server) == "a i, b f, other d, p f, p1 f, ");
  server.sql("begin; insert into b values (1); update b set x = 2; commit");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  CHECK(summaries(capture.handler.events()) ==
        Lines{"insert public.b key=1 body=1", "delete public.b moved key=1 before=1",
              "insert public.b moved key=2 before-key=1 body=2"});
  server.sql("alter table a replica identity default");
  REQUIRE(capture.prepare());
  CHECK(identities_of(server) == "a i, b f, other d, p f, p1 f, ");
}

TEST_CASE("replica identity: a partitioned table and its partitions get the same, indexes too") {
  for (const std::string& version : postgres_versions()) {
    for (const bool is_full : {true, false}) {
      CAPTURE(version);
      CAPTURE(is_full);
      PostgresServer server({.settings = {}, .hba = {}, .version = version});
      server.sql(
          "create table p (id int not null, k int not null, n text) partition by list (k);"
          "create table p1 partition of p for values in (1);"
          "create table p2 partition of p for values in (2) partition by list (k);"
          "create table p21 partition of p2 for values in (2);"
          "create unique index of_p on p (k, id);"
          "insert into p values (1, 1, 'a'), (2, 2, 'b')");
      PostgresOptions options = options_for(server.url(), {"public.p"});
      options.identities = {{"public.p", {ReplicaIdentity::index, "of_p"}}};
      if (is_full) {
        options.identities = {{"public.p", {ReplicaIdentity::full}}};
        options.keys = {{"public.p", {"k", "id"}}};
      }
      PostgresCapture capture(options);
      capture.run();
      CHECK(identities_of(server) ==
            (is_full ? "p f, p1 f, p2 f, p21 f, " : "p i, p1 i, p2 i, p21 i, "));
      server.sql("begin; update p set n = 'c' where id = 1; delete from p where id = 2; commit");
      REQUIRE(capture.handler.wait_for_transactions(1));
      CHECK(capture.stop());
      CHECK(summaries(capture.handler.events()) ==
            (is_full ? Lines{"update public.p key=1|1 before=1|1|a body=1|1|c",
                             "delete public.p key=2|2 before=2|2|b"}
                     : Lines{"update public.p key=1|1 body=1|1|c",
                             "delete public.p key=2|2 before-key=2|2"}));
    }
  }
}

TEST_CASE("replica identity: a table that is always busy does not end what is streamed already") {
  PostgresServer server;
  server.sql("create table a (id int primary key)");
  PostgresOptions options = options_for(server.url(), {"public.a"});
  options.identities = {{"public.a", {ReplicaIdentity::full}}};
  PostgresCapture capture(options);
  capture.run();
  CHECK(capture.stop());
  server.sql("alter table a replica identity default");
  SqlSession busy = server.session();
  busy.sql("begin; select * from a");
  CHECK(capture.prepare());
  CHECK(identities_of(server) == "a d, ");
  // At the first look it is an error, which is tried again.
  options.name = "other";
  const auto first = postgres_source(options)->prepare({});
  REQUIRE_FALSE(first);
  CHECK(first.error().code == Code::timeout);
}

TEST_CASE(
    "replica identity: one that we may not give, or that cannot be, is said with the way out") {
  PostgresServer server;
  server.sql(four_tables);
  server.sql(
      "create role poor login replication; grant select on all tables in schema public to poor;"
      "create publication shop for table a, p with (publish_via_partition_root)");
  PostgresOptions options = options_for(server.url(), {"public.a", "public.p"});
  options.publication = "shop";
  options.identities = {{"public.*", {ReplicaIdentity::index, "a_nothing"}}};
  const auto errors = [&] {
    const auto findings = check_postgres(options, {});
    REQUIRE(findings);
    return errors_in(*findings);
  };
  CHECK(errors() ==
        "public.a has no unique index \"a_nothing\" over columns that are not null, without a "
        "condition and not deferrable -> correct `replica_identity`\n"
        "public.p has no unique index \"a_nothing\" over columns that are not null, without a "
        "condition and not deferrable -> correct `replica_identity`\n"
        "public.p1 has no unique index \"a_nothing\" over columns that are not null, without a "
        "condition and not deferrable -> correct `replica_identity`\n");
  options.identities = {{"public.*", {ReplicaIdentity::full}}};
  CHECK(errors() == "");
  const std::string url = server.url_tcp();  // postgresql://postgres@127.0.0.1:PORT/postgres
  options.connection = "postgresql://poor" + url.substr(url.find('@'));
  CHECK(errors().find("public.a has another replica identity than is configured, and role \"poor\" "
                      "does not own it -> ALTER TABLE public.a REPLICA IDENTITY FULL;\n"
                      "public.p has another") != std::string::npos);
  CHECK(identities_of(server) == "a d, b d, other d, p d, p1 d, ");

  // Of a publication whose tables are all that is captured, too.
  options.connection = server.url();
  options.tables.clear();
  options.identities = {{"public.b", {ReplicaIdentity::full}}};
  CHECK(errors() ==
        "`replica_identity` has public.b, and no table that is captured is called so -> correct "
        "the table's name, or take it from `replica_identity`\n");
  options.identities = {{"*.*", {ReplicaIdentity::full}}};
  options.keys = {{"public.a", {"k"}}};  // which needs it
  CHECK(postgres_source(options)->prepare({}));
  CHECK(identities_of(server) == "a f, b d, other d, p f, p1 f, ");
}

}  // namespace
}  // namespace tidelog::testing
