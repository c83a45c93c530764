// The program as a user runs it, on a real Postgres: its good day and its bad ones (messages, exit
// codes).
#include <doctest/doctest.h>

#include <fstream>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

// The same, with a password that nobody may see.
void check_refused_quietly(Shop& shop, int code, const std::vector<std::string>& says) {
  const auto run = shop.start();
  check_ended(*run, code, says);
  CHECK_FALSE(contains(run->errors(), "hunter2"));
}

}  // namespace

TEST_CASE("cli: what a command notes beside its answer is seen, also when it succeeds") {
  const auto folder = scratch_folder("cli-notes");
  const std::string store = (folder / "store").string();
  const std::string lines = (folder / "lines.jsonl").string();
  std::ofstream(lines) << R"({"id":"6f1c8f9e-52c1-4d0b-9f7e-2b1d6a3c4e5f","type":"Note"})" << '\n';
  const std::vector<std::string> append = {"append", "order-7",  lines,   "--store",
                                           store,    "--create", "--each"};
  REQUIRE(run_tidelog(append).code == 0);
  const Finished again = run_tidelog(append);
  CHECK(again.code == 0);
  CHECK_MESSAGE(contains(again.errors, "in the stream already"), again.errors);
  REQUIRE(run_tidelog({"store", "delete", "--stream", "order-7", "--store", store}).code == 0);
  const Finished ended = run_tidelog({"events", "--stream", "order-7", "--store", store});
  CHECK(ended.code == 0);
  CHECK_MESSAGE(contains(ended.errors, "stream order-7 was deleted at revision"), ended.errors);
}

TEST_CASE("cli: existing rows, live changes, state, history and a rebuild, and a clean end") {
  Shop shop;
  const Finished check = shop.tidelog({"check"});
  CHECK_MESSAGE(check.code == 0, check.output, check.errors);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 50; }), run->errors());
  shop.server.sql("insert into orders values (51, 'new')");
  shop.server.sql("update orders set status = 'paid' where id = 51");
  REQUIRE(eventually(soon, [&] {
    return contains(shop.tidelog({"state", "shop.public.orders", "--key", "51", "--json"}).output,
                    "paid");
  }));
  const Finished stats = shop.tidelog({"store", "stats", "--json"});
  const std::size_t at = stats.output.find("\"position\":") + 11;
  const std::string position = stats.output.substr(at, stats.output.find(',', at) - at);
  shop.server.sql("delete from orders");
  REQUIRE(eventually(soon, [&] { return shop.rows("orders") == 0; }));
  CHECK(line_count(
            shop.tidelog({"state", "shop.public.orders", "--at", position, "--json"}).output) ==
        51);
  CHECK(line_count(shop.tidelog({"history", "shop.public.orders", "51", "--json"}).output) == 3);
  const std::string file = (shop.folder / "orders.db").string();
  const Finished replayed =
      shop.tidelog({"replay", "--into", "sqlite:" + file, "--until", position});
  CHECK_MESSAGE(replayed.code == 0, replayed.errors);
  CHECK(output_of({"sqlite3", "-cmd", ".timeout 5000", file, "select count(*) from orders"},
                  soon) == "51\n");
  CHECK(shop.tidelog({"store", "verify"}).code == 0);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a run that is started again goes on where it was") {
  Shop shop;
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
  shop.server.sql("insert into orders values (51, 'while away')");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 51; }), run->errors());
  const Finished events =
      shop.tidelog({"events", "--stream", "shop.public.orders", "--type", "insert", "--json"});
  CHECK(line_count(events.output) == 1);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: source status tells of a running service, and that it has stopped") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(
      eventually(
          soon,
          [&] {
            return contains(shop.tidelog({"source", "status", "--json"}).output, "\"lag_bytes\":0");
          }),
      run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(contains(shop.tidelog({"source", "status", "--json"}).output, "\"state\":\"stopped\""));
}

TEST_CASE("cli: a wrong password is refused, and printed nowhere") {
  PostgresServer::Options options;
  options.hba = {"host all clerk 127.0.0.1/32 scram-sha-256"};
  Shop shop(options);
  shop.server.sql("create role clerk login replication password 'something'");
  const std::string tcp = shop.server.url_tcp();
  shop.url = "postgresql://clerk:hunter2" + tcp.substr(tcp.find('@'));
  shop.configure("[public.orders]");
  check_refused_quietly(shop, 2, {"clerk", "password"});
  const Finished check = shop.tidelog({"check"});
  CHECK(check.code == 2);
  CHECK_FALSE(contains(check.output + check.errors, "hunter2"));
}

TEST_CASE("cli: a database that does not exist is refused by name") {
  Shop shop;
  shop.url = shop.url.substr(0, shop.url.rfind('/')) + "/nowhere";
  shop.configure("[public.orders]");
  check_refused(shop, 2, {"nowhere"});
}

TEST_CASE("cli: wal_level that is not logical is refused with the statement that mends it") {
  PostgresServer::Options options;
  options.settings = {"wal_level=replica", "max_wal_senders=5"};
  Shop shop(options);
  check_refused(shop, 2, {"wal_level is replica", "ALTER SYSTEM SET wal_level = logical"});
}

TEST_CASE("cli: a role that may not replicate is refused with the statement that mends it") {
  Shop shop;
  shop.server.sql(
      "create role clerk login; alter table orders owner to clerk; grant create on database "
      "postgres to clerk");
  const std::string tcp = shop.server.url_tcp();
  shop.url = "postgresql://clerk" + tcp.substr(tcp.find('@'));
  shop.configure("[public.orders]");
  check_refused(shop, 2, {"clerk", "ALTER ROLE", "REPLICATION"});
}

TEST_CASE("cli: no free slot is refused with the way out") {
  PostgresServer::Options options;
  options.settings = {"max_replication_slots=1"};
  Shop shop(options);
  shop.server.sql("select pg_create_logical_replication_slot('other', 'pgoutput')");
  check_refused(shop, 2, {"no replication slot is free", "max_replication_slots"});
}

TEST_CASE("cli: a table that is updated but has no replica identity is refused by name") {
  Shop shop;
  shop.server.sql(
      "create table loose (n int); insert into loose values (1); update loose set n = 2;"
      "select pg_stat_force_next_flush()");
  shop.configure("[public.loose]");
  check_refused(shop, 2, {"loose", "REPLICA IDENTITY FULL"});
}

TEST_CASE("cli: a table that is only inserted into needs no replica identity") {
  Shop shop;
  shop.server.sql("create table journal (n int); insert into journal values (1)");
  shop.configure("[public.journal]");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.rows("journal") == 1; }), run->errors());
  shop.server.sql("insert into journal values (1)");
  CHECK(eventually(soon, [&] { return shop.rows("journal") == 2; }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a table that does not exist is refused by name") {
  Shop shop;
  shop.configure("[public.orders, public.ordres]");
  check_refused(shop, 2, {"public.ordres"});
}

TEST_CASE("cli: a slot that another store uses is a conflict, and is left alone") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  std::filesystem::create_directories(shop.folder / "other");
  std::ofstream(shop.folder / "other" / "shop.yaml")
      << "store: { path: ./store }\nsources:\n  - name: shop\n    postgres: \"" << shop.url
      << "\"\n    tables: [public.orders]\n";
  const Finished other = run_tidelog({"run", "-c", (shop.folder / "other" / "shop.yaml").string()});
  CHECK_MESSAGE(other.code == 5, other.errors);
  CHECK(contains(other.errors, "tidelog_shop"));
  shop.server.sql("insert into orders values (51, 'new')");
  CHECK(eventually(soon, [&] { return shop.rows("orders") == 51; }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a second run on the same store is refused, and told who has it") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  const auto second = shop.start("second");
  const auto exit = second->wait(soon);
  REQUIRE(exit.has_value());
  CHECK(exit->code == 5);
  const std::string holder = "process " + std::to_string(run->pid()) + " (tidelog run) on host ";
  CHECK_MESSAGE(contains(second->errors(), holder), second->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a slot that was dropped while we were away is never made anew") {
  Shop shop;
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
  shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
  shop.server.sql("insert into orders values (51, 'lost')");
  check_refused(shop, 2, {"tidelog_shop", "does not exist any more"});
  CHECK(shop.server.sql("select count(*) from pg_replication_slots") == Rows{{"0"}});
  CHECK(shop.rows("orders") == 50);
}

TEST_CASE("cli: a server that restarts, also as after a crash, is waited for") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  std::size_t rows = 50;
  for (const auto how : {PostgresServer::Shutdown::fast, PostgresServer::Shutdown::immediate}) {
    shop.server.restart(how);
    ++rows;
    shop.server.sql("insert into orders values (" + std::to_string(rows) + ", 'after')");
    CHECK_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == rows; }), run->errors());
  }
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a connection that is cut in mid-transaction leaves no half and no double") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  SqlSession writer = shop.server.session();
  for (int cut = 0; cut < 5; ++cut) {
    const std::string first = std::to_string(1000 + cut * 20'000);
    writer.sql("insert into orders select n, 'bulk' from generate_series(" + first + ", " + first +
               " + 19999) n");
    shop.server.sql("select pg_terminate_backend(pid) from pg_stat_replication");
  }
  CHECK_MESSAGE(eventually(Duration(60'000), [&] { return shop.rows("orders") == 100'050; }),
                run->errors());
  const Finished events =
      shop.tidelog({"events", "--stream", "shop.public.orders", "--type", "insert", "--json"});
  CHECK(line_count(events.output) == 100'000);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a server that cannot be reached is retried by run, and exit code 4 of check") {
  Shop shop;
  shop.server.stop(PostgresServer::Shutdown::fast);
  CHECK(shop.tidelog({"check"}).code == 4);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return contains(run->errors(), "source waits"); }),
                  run->errors());
  shop.server.start();
  CHECK_MESSAGE(eventually(Duration(60'000), [&] { return shop.rows("orders") == 50; }),
                run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a store folder that cannot be made is refused by name") {
  Shop shop;
  std::ofstream(shop.folder / "file") << "not a folder";
  std::ofstream(shop.config())
      << "store: { path: ./file/store }\nsources:\n  - name: shop\n    postgres: \"" << shop.url
      << "\"\n    tables: [public.orders]\n";
  const auto run = shop.start();
  const auto exit = run->wait(soon);
  REQUIRE(exit.has_value());
  CHECK((exit->code == 1 || exit->code == 2));
  CHECK_MESSAGE(contains(run->errors(), "/file/store"), run->errors());
}

TEST_CASE("cli: a source of two that stops leaves the other one at work") {
  Shop shop;
  shop.configure("[public.orders]", "  - name: second\n    postgres: \"" + shop.url +
                                        "\"\n    tables: [public.customers]\n");
  const auto run = shop.start();
  REQUIRE_MESSAGE(
      eventually(soon,
                 [&] {
                   const std::string status = shop.tidelog({"source", "status", "--json"}).output;
                   return line_count(status) == 2 &&
                          status.find("streaming") != status.rfind("streaming");
                 }),
      run->errors());
  shop.server.sql(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = "
      "'tidelog_second';");
  REQUIRE(eventually(soon, [&] {
    return shop.server.query("select pg_drop_replication_slot('tidelog_second')").has_value() ||
           contains(run->errors(), "does not exist any more");
  }));
  CHECK_MESSAGE(eventually(soon, [&] { return contains(run->errors(), "source stopped"); }),
                run->errors());
  shop.server.sql("insert into orders values (51, 'new')");
  CHECK(eventually(soon, [&] { return shop.rows("orders") == 51; }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a projection is kept current by run") {
  Shop shop;
  shop.configure("[public.orders]", "projections:\n  - name: now\n    sqlite: ./now.db\n");
  const auto run = shop.start();
  const std::string file = (shop.folder / "now.db").string();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  shop.server.sql("delete from orders where id > 10; insert into orders values (77, 'new')");
  CHECK_MESSAGE(eventually(soon,
                           [&] {
                             return output_of({"sqlite3", "-cmd", ".timeout 5000", file,
                                               "select count(*) from orders"},
                                              soon) == "11\n";
                           }),
                run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("cli: a second signal ends at once, and nothing is lost") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  run->kill(SIGTERM);
  run->kill(SIGINT);
  REQUIRE(run->wait(soon).has_value());
  const auto again = shop.start("again");
  shop.server.sql("insert into orders values (51, 'new')");
  CHECK_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 51; }), again->errors());
  CHECK(stopped(*again) == Exit{0, 0});
}

}  // namespace tidelog::testing
