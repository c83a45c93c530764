// Loads of existing rows of MySQL and MariaDB: they are what the stream would have brought, beside
// whatever goes on, and over kills.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <random>
#include <thread>

#include "tests/integration/mysql_random_types.h"
#include "tests/integration/mysql_workload.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

// -- values --

constexpr std::size_t tables_per_server = 10;
constexpr std::size_t columns_max = 8;
constexpr int rows_per_table = 20;

std::string literal(Dice& dice, const MysqlType& type) {
  return dice.one_in(8) && type.name.find("vector") == std::string::npos ? "NULL"
                                                                         : type.literal(dice);
}

void make_random_table(MysqlServer& server, Dice& dice, const std::string& name) {
  std::string list = dice.one_in(3) ? "id int, c char(3) default 'x'" : "id int primary key";
  if (dice.one_in(4)) list = "id varchar(20) collate utf8mb4_bin not null unique";
  std::vector<MysqlType> types;
  const std::size_t count = 1 + dice.below(columns_max);
  for (std::size_t i = 0; i < count; ++i) {
    types.push_back(random_mysql_type(dice, server.version()));
    list += fmt::format(", c{} {}", i, types.back().name);
    if (types.back().name.starts_with("vector")) list += " not null";
  }
  server.sql(fmt::format("create table {} ({})", name, list));
  for (int id = 1; id <= rows_per_table; ++id) {
    std::string names = "id";
    std::string values = std::to_string(id);
    for (std::size_t i = 0; i < count; ++i) {
      names += fmt::format(", c{}", i);
      values += ", " + literal(dice, types[i]);
    }
    server.sql(fmt::format("insert ignore into {} ({}) values ({})", name, names, values));
  }
}

std::vector<std::string> state_of(const MysqlShop& shop, const std::string& table) {
  std::vector<std::string> rows;
  for (const std::string& line : shop.lines({"state", "s." + table, "--json"})) {
    const std::size_t row = line.find("\"row\":");
    if (row != std::string::npos) rows.push_back(line.substr(row, line.rfind("},") - row));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void check_values(MysqlServer& server, Dice& dice) {
  MysqlShop shop(server);
  shop.server.sql("drop database if exists test; create database test");
  shop.configure("[test.*]", "initial_load: none");
  auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  std::vector<std::string> tables;
  for (std::size_t i = 0; i < tables_per_server; ++i) {
    tables.push_back("test.r" + std::to_string(i));
    make_random_table(shop.server, dice, tables.back());
  }
  shop.server.sql("create table test.done (id int primary key); insert into test.done values (1)");
  REQUIRE_MESSAGE(eventually(soon, [&] { return state_of(shop, "test.done").size() == 1; }),
                  run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  std::map<std::string, std::vector<std::string>> streamed;
  for (const std::string& table : tables) streamed[table] = state_of(shop, table);

  shop.store = "loaded";
  shop.configure("[test.*]", "initial_load: always");
  run = shop.start("loading");
  for (const std::string& table : tables) {
    CAPTURE(table);
    REQUIRE(streamed[table].size() == rows_per_table);
    REQUIRE_MESSAGE(
        eventually(soon, [&] { return state_of(shop, table).size() == rows_per_table; }),
        run->errors());
    const auto loaded = state_of(shop, table);
    for (std::size_t i = 0; i < loaded.size(); ++i) CHECK(loaded[i] == streamed[table][i]);
  }
  // A row that is streamed has the schema that it was loaded with.
  const std::size_t schemas = shop.events("schema").size();
  for (const std::string& table : tables) shop.server.sql("delete from " + table + " limit 1");
  for (const std::string& table : tables) {
    CAPTURE(table);
    CHECK_MESSAGE(
        eventually(soon, [&] { return state_of(shop, table).size() == rows_per_table - 1; }),
        run->errors());
  }
  CHECK(shop.events("schema").size() == schemas);
  CHECK(stopped(*run) == Exit{0, 0});
}

// -- chunks --

struct KeyedTable {
  const char* columns;  // the key's columns, and the key
  const char* values;   // of row {0}
  int rows = 1500;
};

// Each has rows of 120 bytes and more.
constexpr KeyedTable keyed_tables[] = {
    {"a int primary key", "{0} * 7 - 3000", 9000},
    {"a bigint unsigned primary key", "18446744073709551615 - {0}"},
    {"a varchar(40) collate utf8mb4_unicode_ci, b int, primary key (a, b)",
     "concat(elt(1 + {0} % 5, 'Ä', 'a', 'b ', 'É', 'z\\\\'), {0} % 50), {0}"},
    {"b decimal(20,5), a date, primary key (a, b)",
     "{0} / 3, date_add('2020-01-01', interval {0} % 300 day)"},
    {"a datetime(6) primary key", "date_add('2020-01-01', interval {0} * 1001 microsecond)"},
    {"a timestamp(3) primary key", "date_add('2020-01-01', interval {0} * 7 second)"},
    {"a time(2), b year, primary key (a, b)",
     "sec_to_time({0} * 777 % 3020000 - 1510000), 1970 + {0} % 100"},
    {"a varbinary(20) primary key",
     "unhex(lpad(conv({0} * 2654435761 % 4294967296, 10, 16), 8, '0'))"},
    {"a binary(20) not null unique",
     "unhex(lpad(conv({0} * 2654435761 % 4294967296, 10, 16), 8, '0'))"},
    {"a enum('x','b','a'), b int, primary key (a, b)", "1 + {0} % 3, {0}"},
    {"a double primary key", "{0} / 7"},
    {"a bit(40) primary key", "{0} * 1000003"},
    {"a char(10) charset latin1 collate latin1_german2_ci, b int, primary key (b, a)",
     "concat('ü', {0} % 7), {0}"},
};

std::string make_keyed_table(MysqlServer& server, std::size_t number) {
  const KeyedTable& keyed = keyed_tables[number];
  const std::string name = "shop.k" + std::to_string(number);
  server.sql(fmt::format("create table {} (n int, filler char(120), {})", name, keyed.columns));
  std::string rows;
  for (int row = 1; row <= keyed.rows; ++row) {
    rows += fmt::format("{}({}, repeat('f', 120), {})", row == 1 ? "" : ", ", row,
                        fmt::format(fmt::runtime(keyed.values), row));
  }
  server.sql(fmt::format("insert into {} values {}; analyze table {}", name, rows, name));
  return name;
}

// Each row once, by its number.
void check_all_rows(const MysqlShop& shop, const std::string& table, int rows) {
  CAPTURE(table);
  std::vector<bool> seen(static_cast<std::size_t>(rows) + 1);
  for (const std::string& row : state_of(shop, table)) {
    int number = 0;
    std::from_chars(row.data() + row.find("\"n\":") + 4, row.data() + row.size(), number);
    CHECK_FALSE(seen.at(static_cast<std::size_t>(number)));
    seen[static_cast<std::size_t>(number)] = true;
  }
  CHECK(std::count(seen.begin(), seen.end(), true) == rows);
}

void check_chunks(MysqlServer& server) {
  MysqlShop shop(server);
  for (std::size_t i = 0; i < std::size(keyed_tables); ++i) make_keyed_table(server, i);
  shop.configure("[shop.k*]", "load: { chunk: 64 KiB, parallel: 3 }");
  const auto run = shop.start();
  for (std::size_t i = 0; i < std::size(keyed_tables); ++i) {
    const std::string table = "shop.k" + std::to_string(i);
    const auto is_loaded = [&] { return !state_of(shop, table).empty(); };
    REQUIRE_MESSAGE(eventually(soon, is_loaded), run->errors());
    check_all_rows(shop, table, keyed_tables[i].rows);
  }
  // Chunks, and of the first one parts.
  CHECK_MESSAGE(shop.events("load_step").size() > 3 * std::size(keyed_tables), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

// -- beside the stream --

std::string random_transaction(std::mt19937& random, int number) {
  std::string sql = "begin;";
  for (int i = pick(random, 1, 6); i > 0; --i) {
    const int id = pick(random, 1, 3000);
    switch (pick(random, 0, 4)) {
      case 0:
        sql += fmt::format("replace into shop.orders values ({}, 'r{}', {});", id, number, i);
        break;
      case 1:
        sql += fmt::format("delete from shop.orders where id = {};", id);
        break;
      case 2:  // a row that moves, from or to what is loaded
        sql += fmt::format("update ignore shop.orders set id = {} where id = {};",
                           pick(random, 1, 3000), id);
        break;
      case 3:
        sql += fmt::format("insert into shop.ticks values ({}, 'of {}');", id, number);
        break;
      default:
        sql += fmt::format("update shop.orders set status = 'u{}' where id between {} and {};",
                           number, id, id + 20);
    }
  }
  return sql + (pick(random, 1, 8) == 1 ? "rollback" : "commit");
}

void fill(MysqlShop& shop) {
  shop.make_tables();
  std::string rows;
  for (int id = 1; id <= 3000; ++id) {
    rows += fmt::format("{}({}, 'row {} {:x>25}', {})", id == 1 ? "" : ", ", id, id, "", id / 7);
  }
  shop.server.sql("insert into shop.orders values " + rows +
                  "; insert into shop.ticks select id % 100, 'same' from shop.orders where id <= "
                  "500");
}

// Over crashes and restarts of the server, in which transactions fail.
void work_on(MysqlServer& server, unsigned seed, const std::stop_token& stop) {
  std::mt19937 random(seed);
  MysqlSession session = server.session();
  for (int number = 0; !stop.stop_requested(); ++number) {
    try {
      static_cast<void>(session.query(random_transaction(random, number)));
    } catch (const std::runtime_error&) {
      std::this_thread::yield();  // it is down
    }
  }
}

void check_server_crashes(MysqlServer& server) {
  MysqlShop shop(server);
  fill(shop);
  shop.configure("[shop.*]",
                 "initial_load: always\n    except: [shop.secrets]\n    load: { chunk: 64 KiB }");
  const auto run = shop.start();
  std::jthread worker([&server](const std::stop_token& stop) {
    work_on(server, static_cast<unsigned>(test_seed(20'261'130)), stop);
  });
  for (const auto how : {MysqlServer::Shutdown::immediate, MysqlServer::Shutdown::fast,
                         MysqlServer::Shutdown::immediate}) {
    if (run->wait(Duration(700))) FAIL("tidelog ended by itself: " << run->errors());
    server.restart(how);
  }
  if (run->wait(Duration(500))) FAIL("tidelog ended by itself: " << run->errors());
  worker.request_stop();
  worker.join();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
  CHECK(shop.events("gap").empty());
  CHECK(stopped(*run) == Exit{0, 0});
}

void check_beside(MysqlShop& shop, std::mt19937& random, int kills) {
  std::jthread worker =
      work_beside(shop.server, static_cast<unsigned>(random()), random_transaction);
  kill_again_and_again(shop, random, kills, 100, 900);
  const auto last = shop.start("last");
  const auto knows_both = [&] {
    return !shop.in_store("orders").empty() && !shop.in_store("ticks").empty();
  };
  REQUIRE_MESSAGE(eventually(soon, knows_both), last->errors());
  worker.request_stop();
  worker.join();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), last->errors());
  CHECK_FALSE(shop.events("load").empty());
  CHECK(stopped(*last) == Exit{0, 0});
}

}  // namespace

TEST_CASE("mysql load: rows of random types are loaded as the stream brings them" *
          doctest::timeout(300)) {
  Dice dice(test_seed(20'261'128));
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    check_values(*server, dice);
  }
}

TEST_CASE("mysql load: a table is read in chunks by a key of any type" * doctest::timeout(300)) {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    check_chunks(*server);
  }
}

TEST_CASE("mysql load: beside a workload, killed again and again, the store has the table" *
          doctest::timeout(300)) {
  std::mt19937 random(static_cast<unsigned>(test_seed(20'261'129)));
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    fill(shop);
    shop.configure("[shop.*]",
                   "initial_load: always\n    except: [shop.secrets]\n    load: { chunk: 64 KiB }");
    check_beside(shop, random, 6);
  }
}

TEST_CASE("mysql load: the server crashes and restarts under load, and nothing is lost or doubled" *
          doctest::timeout(300)) {
  for (const MysqlVersion& version : {MysqlVersion{"mysql", "8.0"}, {"mariadb", "10.11"}}) {
    CAPTURE(version.text());
    MysqlServer server({.version = version, .durable = true});
    check_server_crashes(server);
  }
}

TEST_CASE("mysql load: tables that are renamed, swapped, or lose a partition are loaded anew") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    fill(shop);
    shop.configure("[shop.*]", "except: [shop.secrets, shop.aside]");
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.is_level(); }), run->errors());
    // As online schema changes do it.
    server->sql(
        "create table shop.aside (id bigint primary key, status varchar(80) not null, price "
        "decimal(10,2)); insert into shop.aside select * from shop.orders where id <= 100; rename "
        "table shop.orders to shop.gone, shop.aside to shop.orders; insert into shop.orders values "
        "(5000, 'after', 1)");
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.in_store("orders").size() == 101; }),
                    run->errors());
    CHECK(shop.is_level());
    REQUIRE_MESSAGE(eventually(soon, [&] { return state_of(shop, "shop.gone").size() == 3000; }),
                    run->errors());
    server->sql("rename table shop.gone to shop.aside");
    CHECK(eventually(soon, [&] { return state_of(shop, "shop.gone").empty(); }));

    server->sql(
        "create table shop.parts (id int primary key) partition by range (id) (partition a values "
        "less than (100), partition b values less than (200)); insert into shop.parts values (1), "
        "(2), (101)");
    REQUIRE(eventually(soon, [&] { return state_of(shop, "shop.parts").size() == 3; }));
    server->sql("alter table shop.parts truncate partition a");
    REQUIRE_MESSAGE(eventually(soon, [&] { return state_of(shop, "shop.parts").size() == 1; }),
                    run->errors());
    server->sql(
        "create table shop.other (id int primary key); insert into shop.other values (3), (4); "
        "alter table shop.parts exchange partition a with table shop.other");
    REQUIRE_MESSAGE(eventually(soon, [&] { return state_of(shop, "shop.parts").size() == 3; }),
                    run->errors());
    CHECK(eventually(soon, [&] { return state_of(shop, "shop.other").empty(); }));

    server->sql("drop database shop; create database shop");
    for (const char* table : {"shop.orders", "shop.ticks", "shop.parts"}) {
      CAPTURE(table);
      CHECK_MESSAGE(eventually(soon, [&] { return state_of(shop, table).empty(); }), run->errors());
    }
    CHECK(shop.events("gap").empty());
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE("mysql load: a table is loaded on request, and without GTIDs none is") {
  for (MysqlServer* server : captured_servers()) {
    CAPTURE(server->version().text());
    MysqlShop shop(*server);
    fill(shop);
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    const Finished part = shop.tidelog({"source", "load", "s.shop.orders", "--where", "id <= 10"});
    CHECK_MESSAGE(part.code == 0, part.errors);
    CHECK(shop.events("load").size() == 10);
    const Finished all = shop.tidelog({"source", "load", "s.shop.orders"});
    CHECK_MESSAGE(all.code == 0, all.errors);
    CHECK(shop.in_store("orders") == shop.orders_in_table());
    const Finished none = shop.tidelog({"source", "load", "s.shop.none"});
    CHECK(none.code != 0);
    CHECK(stopped(*run) == Exit{0, 0});
  }
  MysqlServer::Options options{.version = {"mysql", "8.0"}};
  options.settings = {"gtid-mode=OFF", "enforce-gtid-consistency=OFF"};
  MysqlServer server(options);
  MysqlShop shop(server);
  shop.make_tables();
  shop.configure("[shop.*]", "initial_load: always");
  check_ended(*shop.start(), 2, {"gtid_mode is not ON", "`initial_load: none`"});
}

}  // namespace tidelog::testing
