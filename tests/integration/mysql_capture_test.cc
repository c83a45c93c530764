// `tidelog run` on MySQL and MariaDB: what it captures, that it goes on where it stopped, and what
// it refuses.
#include <fmt/format.h>

#include <random>
#include <set>
#include <thread>

#include "tests/integration/mysql_workload.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr const char* first_changes =
    "insert into shop.orders values (1, 'new', 9.50), (2, 'new', null), (3, 'né', 1);"
    "update shop.orders set status = 'paid' where id = 1; delete from shop.orders where id = 2;"
    "update shop.orders set id = 30 where id = 3; insert into shop.secrets values (1);"
    "insert into shop.ticks values (1, 'a'), (1, 'a'), (null, 'b');"
    "update shop.ticks set note = 'c' where account is null; delete from shop.ticks limit 1;";

void check_captured(MysqlShop& shop) {
  const auto run = shop.begin();
  shop.server.sql(first_changes);
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
  CHECK(shop.lines({"history", "s.shop.orders", "1", "--json"}).size() == 2);
  CHECK(shop.events("insert").size() == 3 + 3 + 1);  // one of a row that moved
  CHECK(shop.events("update").size() == 1 + 1);
  CHECK(shop.events("delete").size() == 1 + 1 + 1);
  CHECK_FALSE(MysqlShop::says(shop.tidelog({"events", "--json"}).output, "secrets"));
  CHECK(eventually(soon, [&] { return MysqlShop::says(shop.status(), "\"lag_seconds\":0"); }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("mysql capture: inserts, updates and deletes of several tables come to the store") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    check_captured(shop);
  }
}

TEST_CASE(
    "mysql capture: without GTIDs it goes on by file and offset, over rotations and restarts") {
  MysqlServer::Options options{.version = {"mysql", "8.0"}};
  options.settings = {"gtid-mode=OFF", "enforce-gtid-consistency=OFF"};
  MysqlServer server(options);
  MysqlShop shop(server);
  CHECK(MysqlShop::says(shop.tidelog({"check"}).output, "gtid_mode is not ON"));
  auto run = shop.begin();
  shop.server.sql(
      "insert into shop.orders values (1, 'new', 1); flush binary logs; insert into "
      "shop.orders values (2, 'new', 2)");
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
  run->kill(SIGKILL);
  REQUIRE(run->wait(soon));
  shop.server.restart(MysqlServer::Shutdown::fast);
  shop.server.sql("update shop.orders set status = 'old'; flush binary logs");
  run = shop.start("again");
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
  CHECK(shop.events("insert").size() == 2);
  CHECK(shop.events("update").size() == 2);
  CHECK(MysqlShop::says(shop.status(), "\"confirmed\":\"binlog binlog.00000"));
  shop.server.session().sql(
      "set session binlog_format = statement; begin; update shop.orders set price = 7; update "
      "shop.orders set price = 8; commit");
  check_ended(*run, 1, {"in place of the rows", "`tidelog source skip s`"});
  shop.server.sql("insert into shop.orders values (3, 'new', 3)");
  CHECK(shop.tidelog({"source", "skip", "s"}).code == 0);
  run = shop.start("behind");
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.events("insert").size() == 3; }),
                  run->errors());
  CHECK(shop.events("gap").size() == 1);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("mysql capture: a schema that changes, a truncate and a table made anew are followed") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    const auto run = shop.begin();
    shop.server.sql(
        "insert into shop.ticks values (1, 'a'); truncate shop.ticks; insert into shop.ticks "
        "values "
        "(2, 'b'); insert into shop.orders values (1, 'new', 1); drop table shop.orders; create "
        "table shop.orders (id bigint primary key, status varchar(40) not null, price "
        "decimal(10,2)); insert into shop.orders values (2, 'new', 2)");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(shop.in_store("orders").size() == 1);
    CHECK(shop.events("ddl").size() == 2 + 3);
    shop.server.sql(
        "alter table shop.orders add note text; insert into shop.orders values (3, 'x', "
        "3, 'n')");
    const auto has_note = [&] {
      return MysqlShop::says(shop.tidelog({"state", "s.shop.orders", "--json"}).output,
                             "\"note\":\"n\"");
    };
    REQUIRE_MESSAGE(eventually(soon, has_note), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

// Random transactions, each of which puts as many rows into `ticks` as its note says.
std::string random_transaction(std::mt19937& random, int number) {
  std::string sql = "begin;";
  const int rows = pick(random, 1, 8);
  for (int i = 0; i < rows; ++i) {
    sql += fmt::format("insert into shop.ticks values ({}, '{} of {}');", number, i, rows);
    const int id = pick(random, 1, 200);
    switch (pick(random, 0, 3)) {
      case 0:
        sql += fmt::format("replace into shop.orders values ({}, 'r{}', {});", id, number, i);
        break;
      case 1:
        sql += fmt::format("delete from shop.orders where id = {};", id);
        break;
      case 2:
        sql += fmt::format("savepoint s; update shop.orders set status = 'lost'; rollback to s;");
        break;
      default:
        sql += fmt::format(
            "update shop.orders set status = 'u{}', price = price + 1 where id < {};", number, id);
    }
  }
  return sql + (pick(random, 1, 8) == 1 ? "rollback" : "commit");
}

// Of an event: its transaction and its place in that.
std::string identity_of(const std::string& line) {
  const std::size_t begin = line.find("\"transaction\":");
  const std::size_t ordinal = line.find("\"ordinal\":");
  REQUIRE(begin != std::string::npos);
  REQUIRE(ordinal != std::string::npos);
  return line.substr(begin, line.find(',', begin) - begin) +
         line.substr(ordinal, line.find_first_of(",}", ordinal) - ordinal);
}

void check_kills(MysqlShop& shop, int kills) {
  std::mt19937 random(static_cast<unsigned>(test_seed(20'261'127)));
  CHECK(stopped(*shop.begin()) == Exit{0, 0});
  std::jthread worker =
      work_beside(shop.server, static_cast<unsigned>(random()), random_transaction);
  kill_again_and_again(shop, random, kills, 20, 500, [&](int kill) {
    if (kill % 5 == 4) shop.server.sql("flush binary logs");
  });
  worker.request_stop();
  worker.join();
  const auto last = shop.start("last");
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), last->errors());
  CHECK(stopped(*last) == Exit{0, 0});
  std::set<std::string> seen;
  for (const std::string& line : shop.events("insert"))
    CHECK_MESSAGE(seen.insert(identity_of(line)).second, line);
  CHECK(shop.tidelog({"store", "verify"}).code == 0);
}

TEST_CASE("mysql capture: killed at random, it has every committed row exactly once" *
          doctest::timeout(300)) {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    check_kills(shop, 15);
  }
}

TEST_CASE("mysql capture: compressed transactions and rows are read, also large ones") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    const std::string compression =
        server->version().is_mariadb() ? "log_bin_compress" : "binlog_transaction_compression";
    MysqlShop shop(*server);
    const auto run = shop.begin();
    server->sql("set global " + compression + " = on");
    std::string rows = "begin; insert into shop.orders values (1, 'new', 1);";
    for (int bits = 0; bits < 16; ++bits) {
      rows += fmt::format("insert into shop.orders select id + {}, hex(id), id from shop.orders;",
                          1 << bits);
    }
    server->session().sql(rows +
                          "update shop.orders set price = price + 1; commit; insert into "
                          "shop.ticks values (1, repeat('x', 5000000))");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.events("update").size() == 1 << 16; }),
                    run->errors());
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
    server->sql("set global " + compression + " = off");
  }
}

TEST_CASE("mysql capture: what an XA transaction changes is there once it commits, over kills") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    auto run = shop.begin();
    server->sql("insert into shop.orders values (1, 'new', 1)");
    MysqlSession one = server->session();
    MysqlSession two = server->session();
    one.sql(
        "xa start 'one', 'branch', 7; insert into shop.orders values (2, 'one', 2); update "
        "shop.orders set status = 'x' where id = 1; xa end 'one', 'branch', 7; xa prepare 'one', "
        "'branch', 7");
    two.sql(
        "xa start 'two'; insert into shop.orders values (3, 'two', 3); xa end 'two'; xa prepare "
        "'two'");
    server->sql("insert into shop.orders values (4, 'between', 4)");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(shop.in_store("orders").size() == 2);
    run->kill(SIGKILL);
    REQUIRE(run->wait(soon));

    run = shop.start("again");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    one.sql("xa commit 'one', 'branch', 7");
    two.sql("xa rollback 'two'");
    two.sql(
        "xa start 'three'; insert into shop.orders values (5, 'three', 5); xa end 'three'; xa "
        "commit 'three' one phase");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(shop.in_store("orders").size() == 4);
    CHECK(shop.events("insert").size() == 4);
    CHECK(shop.events("update").size() == 1);
    const std::string inserts = shop.tidelog({"events", "--type", "insert", "--json"}).output;
    CHECK_MESSAGE(MysqlShop::says(inserts, "X'6f6e65',X'6272616e6368',7"), inserts);
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(std::filesystem::is_empty(shop.folder / "store" / "staging"));
  }
}

TEST_CASE("mysql capture: an XA transaction that was prepared before stops it when it commits") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    shop.make_tables();
    MysqlSession session = server->session();
    session.sql(
        "xa start 'x'; insert into shop.orders values (1, 'x', 1); xa end 'x'; xa prepare 'x'");
    const Finished check = shop.tidelog({"check"});
    CHECK_MESSAGE(MysqlShop::says(check.output, "1 XA transactions are prepared"),
                  (check.output + check.errors));
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    session.sql("xa commit 'x'");
    check_ended(*run, 1, {"XA COMMIT X'78',X'',1: it was prepared before", "tidelog source skip"});
  }
}

TEST_CASE("mysql capture: rows that are logged in part are filled from the rows before") {
  for (MysqlServer* server : captured_servers()) {
    for (const char* image : {"NOBLOB", "MINIMAL"}) {
      CAPTURE(server->version().text());
      CAPTURE(image);
      server->sql(fmt::format("set global binlog_row_image = '{}'", image));
      MysqlShop shop(*server);
      CHECK(MysqlShop::says(shop.tidelog({"check"}).output, "is not logged, and not known"));
      const auto run = shop.begin();
      MysqlSession session = server->session();
      session.sql(first_changes);
      session.sql(
          "create table shop.notes (id int primary key, title varchar(20), body longtext, size int "
          "default 7); insert into shop.notes values (1, 'a', repeat('x', 5000), 1); update "
          "shop.notes set title = 'b' where id = 1; update shop.notes set id = 2 where id = 1; "
          "insert into shop.notes (id, title) values (3, 'c'); update shop.notes set size = size + "
          "1 where id = 2");
      REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
      REQUIRE_MESSAGE(eventually(soon, [&] { return shop.in_store("notes").size() == 2; }),
                      run->errors());
      CHECK(eventually(soon, [&] {
        return shop.in_store("notes").at(0) ==
               "\"id\":2,\"title\":\"b\",\"body\":\"" + std::string(5000, 'x') + "\",\"size\":2";
      }));
      const std::string defaults = image == std::string("NOBLOB") ? ",\"size\":7" : "";
      CHECK(shop.in_store("notes").at(1) == "\"id\":3,\"title\":\"c\"" + defaults);
      CHECK(stopped(*run) == Exit{0, 0});
    }
    server->sql("set global binlog_row_image = 'FULL'");
  }
}

// Of which nothing stops the source, or is lost: `copies` is made with its rows.
constexpr const char* harmless =
    "create database other; create table other.a (id int primary key); insert into other.a values "
    "(1); rename table other.a to other.b; alter table other.b add c int; drop database other;"
    "create user someone; grant select on shop.* to someone; drop user someone;"
    "create view shop.paid as select * from shop.orders; drop view shop.paid;"
    "create procedure shop.p() select 1; drop procedure shop.p;"
    "create event shop.e on schedule every 1 day do select 1; drop event shop.e;"
    "create trigger shop.t before insert on shop.orders for each row set new.status = "
    "upper(new.status); insert into shop.orders values (60, 'by trigger', 1); drop trigger shop.t;"
    "create temporary table shop.tmp (id int); insert into shop.tmp values (1); drop temporary "
    "table shop.tmp; create table shop.copies as select * from shop.orders;"
    "optimize table shop.orders; analyze table shop.orders; flush tables;"
    "xa start 'x'; insert into shop.secrets values (77); xa end 'x'; xa prepare 'x'; xa commit 'x';"
    "xa start 'y'; insert into shop.orders values (50, 'xa', 1); xa end 'y'; xa commit 'y' one "
    "phase; xa start 'z'; insert into shop.secrets values (78); xa end 'z'; xa prepare 'z'; xa "
    "rollback 'z'; begin; savepoint s; insert into shop.orders values (61, 'x', 1); rollback to s; "
    "insert into shop.orders values (62, 'x', 1); release savepoint s; commit;"
    "insert into shop.orders values (70, 'last', 1)";

TEST_CASE("mysql capture: what changes no captured row stops nothing, and loses nothing") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    const auto run = shop.begin();
    server->sql("insert into shop.orders values (1, 'new', 1)");
    server->session().sql(harmless);
    if (server->version().is_mariadb())
      server->sql("create sequence shop.numbers; select nextval(shop.numbers)");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(shop.in_store("orders").size() == 5);
    CHECK(shop.in_store("copies").size() == 2);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE("mysql capture: generated columns are captured, or stop it where they are not logged") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    const auto run = shop.begin();
    server->sql(
        "create table shop.sums (id int primary key, a int, b int as (a + 1) virtual, c int as (a "
        "+ "
        "2) stored); insert into shop.sums (id, a) values (1, 1)");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.in_store("sums").size() == 1; }),
                    run->errors());
    CHECK(shop.in_store("sums").front() == R"("id":1,"a":1,"b":2,"c":3)");
    const bool warns = MysqlShop::says(shop.tidelog({"check"}).output, "the column b of shop.sums");
    server->sql("update shop.sums set a = 10");
    if (warns) {
      check_ended(*run, 1, {"logs generated columns", "shop.sums"});
      continue;
    }
    CHECK(eventually(
        soon, [&] { return shop.in_store("sums").front() == R"("id":1,"a":10,"b":11,"c":12)"; }));
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

struct Stop {
  std::string statements;
  std::vector<std::string> says;
};

TEST_CASE("mysql capture: what it cannot follow stops it, with its place in the binlog") {
  const std::vector<Stop> stops = {
      {"set session binlog_format = statement; update shop.orders set price = 7",
       {"in place of the rows", "update shop.orders set price = 7"}},
  };
  for (MysqlServer* server : captured_servers()) {
    for (const Stop& stop : stops) {
      CAPTURE(server->version().text());
      CAPTURE(stop.statements);
      MysqlShop shop(*server);
      const auto run = shop.begin();
      shop.server.sql("insert into shop.orders values (1, 'new', 1)");
      shop.server.session().sql(stop.statements);
      check_ended(*run, 1, stop.says);
      for (const char* part : {", transaction ", "`tidelog source skip s` leaves this transaction"})
        CHECK_MESSAGE(MysqlShop::says(run->errors(), part), run->errors());
      CHECK_MESSAGE(MysqlShop::says(run->errors(), "-bin.00000") !=
                        MysqlShop::says(run->errors(), "binlog.00000"),
                    run->errors());
      CHECK(shop.in_store("orders").size() == 1);
    }
  }
}

TEST_CASE("mysql capture: what it cannot follow is left out on request, and a gap tells of it") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    auto run = shop.begin();
    server->sql("insert into shop.orders values (1, 'new', 1)");
    server->session().sql(
        "set session binlog_format = statement; update shop.orders set price = 7");
    check_ended(*run, 1, {"in place of the rows", "`tidelog source skip s`"});
    server->sql("insert into shop.orders values (2, 'new', 2)");
    const Finished skipped = shop.tidelog({"source", "skip", "s"});
    CHECK_MESSAGE(skipped.code == 0, skipped.output);
    run = shop.start("behind");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.events("insert").size() == 2; }),
                    run->errors());
    CHECK(shop.events("gap").size() == 1);
    const Finished loaded = shop.tidelog({"source", "load", "s.shop.orders"});
    CHECK_MESSAGE(loaded.code == 0, loaded.output);
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE("mysql capture: a server or a configuration that it cannot work with is refused") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    shop.make_tables();
    shop.configure("[shop.orders, shop.none]", "initial_load: none");
    check_ended(*shop.start(), 2, {"there is no table shop.none"});
    shop.configure("[mysql.user]", "initial_load: none");
    check_ended(*shop.start(), 2, {"of a database that the server keeps about itself"});

    const std::string own_id = server->sql("select @@server_id").front().at(0);
    shop.configure("[shop.orders]", "initial_load: none\n    server_id: " + own_id);
    check_ended(*shop.start(), 2, {"the server's own server_id is " + own_id});

    shop.configure("[shop.orders]", "initial_load: none");
    server->sql("set global binlog_expire_logs_seconds = 3600");
    const Finished checked = shop.tidelog({"check"});
    CHECK(checked.code == 0);
    CHECK_MESSAGE(MysqlShop::says(checked.output, "keeps its binlogs for 3600 s"), checked.output);
    server->sql("set global binlog_expire_logs_seconds = 0");
    shop.server.sql(
        "set global binlog_row_metadata = 'MINIMAL'; set global binlog_format = 'MIXED'");
    check_ended(*shop.start(), 2,
                {"SET GLOBAL binlog_row_metadata = 'FULL'", "SET GLOBAL binlog_format = 'ROW'"});

    shop.server.sql(
        "set global binlog_row_metadata = 'FULL'; set global binlog_format = 'ROW'; create user "
        "weak@'%' identified by 'pw'");
    std::ofstream(shop.config()) << "store: { path: ./store }\nsources:\n  - name: s\n    mysql: "
                                 << fmt::format("mysql://weak:pw@127.0.0.1:{}", shop.server.port())
                                 << "\n    tables: [shop.*]\n    initial_load: none\n";
    check_ended(*shop.start(), 2, {"GRANT REPLICATION SLAVE", "'weak'@'%'"});
  }
}

TEST_CASE("mysql capture: a server id that another reader has is refused before it is thrown out") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    shop.configure("[shop.*]", "initial_load: none\n    server_id: 777");
    const auto run = shop.begin();
    const std::string config = (shop.folder / "other.yaml").string();
    std::ofstream(config)
        << "store: { path: ./other }\nsources:\n  - name: t\n    mysql: \"" << server->url()
        << "\"\n    tables: [shop.*]\n    initial_load: none\n    server_id: 777\n";
    const Finished checked = run_tidelog({"check", "-c", config});
    CHECK(checked.code != 0);
    CHECK_MESSAGE(MysqlShop::says(checked.output,
                                  "'tidelog s' reads the server's binlog with the server_id 777"),
                  checked.output);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE("mysql capture: history that is lost is told, and leaves a gap event") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    auto run = shop.begin();
    shop.server.sql("insert into shop.orders values (1, 'new', 1)");
    REQUIRE(eventually(soon, [&] { return shop.is_level(); }));
    CHECK(stopped(*run) == Exit{0, 0});
    shop.server.sql(
        "insert into shop.orders values (2, 'new', 1); flush binary logs; insert into "
        "shop.orders values (3, 'new', 1); flush binary logs");
    const std::string last = shop.server.sql("show binary logs").back().at(0);
    // MariaDB keeps for a moment what a crash would need.
    REQUIRE(eventually(soon, [&] {
      shop.server.sql("purge binary logs to '" + last + "'");
      return shop.server.sql("show binary logs").front().at(0) == last;
    }));
    run = shop.start("purged");
    check_ended(*run, 2, {"purged"});
    CHECK(shop.events("gap").size() == 1);

    shop.server.sql(server->version().number.starts_with("9") ? "reset binary logs and gtids"
                                                              : "reset master");
    check_ended(*shop.start("reset"), 2, {"history", "`initial_load: when_needed`"});
    CHECK(shop.events("gap").size() == 1);

    shop.configure("[shop.*]", "initial_load: when_needed\n    except: [shop.secrets]");
    run = shop.start("anew");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    CHECK(shop.events("load").size() == 3);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

}  // namespace
}  // namespace tidelog::testing
