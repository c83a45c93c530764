// Tables that are loaded beside the stream: added to the configuration, loaded again, loaded while
// they are written to, and after the program was killed in the middle of it. In the end the store's
// rows are the table's, with every value known.
#include <atomic>
#include <random>
#include <thread>

#include "tests/integration/shop.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

// Documents have a text that the server keeps outside of the row, and does not send when it did not
// change.
constexpr const char* documents =
    "create table documents (id bigint primary key, version int not null, body text not null);"
    "alter table documents alter column body set storage external";
const std::string body_sql = "repeat(md5(random()::text), 80)";

struct LoadShop : Shop {
  explicit LoadShop(const PostgresServer::Options& options = {}) : Shop(options) {}

  void fill_documents(int rows) {
    server.sql(documents);
    server.sql("insert into documents select n, 0, " + body_sql + " from generate_series(1, " +
               std::to_string(rows) + ") n; analyze documents");
  }

  static std::vector<std::string> rows_of(const std::string& output) {
    std::vector<std::string> rows;
    for (const std::string& line : lines_of(output)) {
      const std::size_t begin = line.find("\"row\":{") + 7;
      rows.push_back(line.substr(begin, line.rfind("},\"position\"") - begin));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> documents_in_store() {
    return rows_of(tidelog({"state", "shop.public.documents", "--json"}).output);
  }
  std::vector<std::string> documents_in_table() {
    std::vector<std::string> rows;
    for (
        const auto& row : server.sql(
            R"(select format('"id":%s,"version":%s,"body":"%s"', id, version, body) from documents)"))
      rows.push_back(row.at(0));
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  std::string last_step(const std::string& table) {
    const auto lines = lines_of(
        tidelog({"events", "--stream", "shop.public." + table, "--type", "load_step", "--json"})
            .output);
    return lines.empty() ? "" : lines.back();
  }
  bool has_loaded(const std::string& table) {
    return contains(last_step(table), "\"step\":\"ended\"");
  }
  // A few rows that the store has and the table does not (<), or the other way round (>).
  std::string difference() {
    const auto in_store = documents_in_store();
    const auto in_table = documents_in_table();
    std::string all;
    const auto add = [&all](char side, const auto& some, const auto& others) {
      int told = 0;
      for (const std::string& row : some) {
        if (std::ranges::binary_search(others, row)) continue;
        if (++told <= 5) all += side + row.substr(0, 60) + "\n";
      }
      all += side + std::to_string(told) + " rows\n";
    };
    add('<', in_store, in_table);
    add('>', in_table, in_store);
    return all;
  }
  bool has_step(const std::string& table, const std::string& kind) {
    return contains(
        tidelog({"events", "--stream", "shop.public." + table, "--type", "load_step", "--json"})
            .output,
        "\"step\":\"" + kind + "\"");
  }
  bool is_the_same() { return documents_in_store() == documents_in_table(); }
};

// Sessions that write to `documents` until it is destroyed: new rows, new versions with and without
// a new body, new keys, deletions.
class Writers {
 public:
  Writers(const PostgresServer& server, int count, std::uint64_t seed) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, &server, number = i, seed] {
        write(server.session(), number, std::mt19937_64(seed + static_cast<unsigned>(number)));
      });
    }
  }
  ~Writers() { stop(); }
  void stop() {
    done_ = true;
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }

 private:
  void write(SqlSession session, int number, std::mt19937_64 random) {
    std::int64_t fresh = 1'000'000 * (number + 1);
    while (!done_) {
      std::string statements = "begin;";
      for (auto i = random() % 4 + 1; i != 0; --i) {
        const std::string id = std::to_string(random() % 1500 + 1);
        const std::string next = std::to_string(++fresh);
        switch (random() % 8) {
          case 0:
            statements += "insert into documents values (" + next + ", 1, " + body_sql + ");";
            break;
          case 1:
            statements += "delete from documents where id = " + id + ";";
            break;
          case 2:
            statements += "update documents set body = " + body_sql + " where id = " + id + ";";
            break;
          case 3:  // a row that goes to where the load may have been already, or not yet
            statements += "update documents set id = -" + next + " where id = " + id + ";";
            break;
          case 4:
            statements += "update documents set id = " + next + " where id = " + id + ";";
            break;
          default:
            statements += "update documents set version = version + 1 where id = " + id + ";";
        }
      }
      // Deadlocks end a transaction, as they do in life.
      if (!session.query(statements + "commit")) static_cast<void>(session.query("rollback"));
    }
  }

  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_SUITE_BEGIN("integration: load");

TEST_CASE("load: a table that is added to the configuration is loaded, and no other") {
  LoadShop shop;
  capture_and_stop(shop);
  shop.server.sql("insert into customers select n, 'c' from generate_series(1, 20) n");
  const std::size_t loaded = shop.events("load");
  shop.fill_documents(500);
  shop.configure("[public.orders, public.customers, public.documents]");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());
  CHECK(shop.is_the_same());
  CHECK(shop.rows("customers") == 20);
  CHECK(shop.events("load") == loaded + 500);

  shop.server.sql(
      "update documents set version = 7 where id = 3; delete from documents where id = 4");
  CHECK(eventually(soon, [&] { return shop.is_the_same(); }));
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(shop.tidelog({"store", "verify"}).code == 0);
}

TEST_CASE("load: a table is loaded under writes, with every value that the stream left out") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    LoadShop shop({.settings = {}, .hba = {}, .version = version});
    capture_and_stop(shop);
    shop.fill_documents(1500);
    shop.configure("[public.orders, public.documents]");
    Writers writers(shop.server, 3, test_seed());
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());
    // Again, though nothing is missing.
    const Finished again = shop.tidelog({"source", "load", "shop.public.documents"});
    CHECK_MESSAGE(again.code == 0, again.errors);
    writers.stop();
    CHECK_MESSAGE(eventually(soon, [&] { return shop.is_the_same(); }), run->errors());
    const Finished state = shop.tidelog({"state", "shop.public.documents"});
    CHECK_MESSAGE(!contains(state.errors, "note"), state.errors);
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.tidelog({"store", "verify"}).code == 0);
  }
}

// Kills it a few times in the middle of the load of `documents`, then lets it end.
void kill_in_load(LoadShop& shop) {
  Writers writers(shop.server, 2, test_seed());
  const auto steps = [&](const std::string& kind) {
    std::size_t count = 0;
    for (const std::string& line :
         lines_of(shop.tidelog({"events", "--stream", "shop.public.documents", "--type",
                                "load_step", "--json"})
                      .output))
      count += contains(line, "\"step\":\"" + kind + "\"") ? 1 : 0;
    return count;
  };
  std::size_t kills = 0;
  for (std::size_t chunks = 0; kills < 3; chunks = steps("chunk"), ++kills) {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return steps("chunk") > chunks; }), run->errors());
    run->kill(SIGKILL);
    run->wait(soon);
    if (shop.has_loaded("documents")) break;
    const Finished state = shop.tidelog({"state", "shop.public.documents", "--json"});
    CHECK(state.code == 1);
    CHECK_MESSAGE(contains(state.errors, "was being loaded"), state.errors);
  }
  CHECK(kills > 0);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());
  writers.stop();
  const bool is_the_same = eventually(soon, [&] { return shop.is_the_same(); });
  CHECK_MESSAGE(is_the_same, run->errors() << shop.difference());
  CHECK(steps("begun") == 1);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: a program that is killed in the middle of it goes on behind its last chunk") {
  LoadShop shop;
  capture_and_stop(shop);
  shop.fill_documents(12'000);
  shop.configure("[public.orders, public.documents]");
  kill_in_load(shop);
}

TEST_CASE("load: a first load by several readers of one table goes on in each part after a kill") {
  LoadShop shop;
  shop.fill_documents(12'000);
  shop.configure("[public.orders, public.documents]",
                 "    load: { parallel: 3, chunk: 256 KiB }\n");
  kill_in_load(shop);
  CHECK(shop.has_step("documents", "divided"));
  CHECK(shop.rows("orders") == 50);
}

TEST_CASE("load: each chunk is read from the index, whatever the planner likes better") {
  LoadShop shop({.settings = {"random_page_cost=1000"}, .hba = {}});
  shop.server.session().sql(
      "create table facts (id bigint primary key, note text);"
      "insert into facts select n, repeat('x', 60) from generate_series(1, 200000) n");
  const auto sorted_on_disk = [&] {
    return shop.server.sql("select temp_files from pg_stat_database where datname = 'postgres'")
        .at(0)
        .at(0);
  };
  // A session tells of it at its end.
  const auto is_alone = [&] {
    return shop.server
        .sql(
            "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> "
            "pg_backend_pid()")
        .empty();
  };
  REQUIRE(eventually(soon, is_alone));
  const std::string before = sorted_on_disk();
  shop.configure("[public.facts]");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("facts"); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  REQUIRE(eventually(soon, is_alone));
  CHECK(sorted_on_disk() == before);
}

TEST_CASE("load: the stream does not wait for a load that takes long") {
  LoadShop shop;
  shop.fill_documents(200);
  shop.configure("[public.orders, public.documents]",
                 "    load: { where: { public.documents: pg_sleep(0.05) is not null } }\n");
  const auto run = shop.start();
  const auto is_copying = [&] {
    return !shop.server.sql("select 1 from pg_stat_activity where query ilike 'copy%sleep%'")
                .empty();
  };
  REQUIRE_MESSAGE(eventually(soon, is_copying), run->errors());
  shop.server.sql("update documents set version = 1 where id <= 10");
  CHECK(eventually(soon, [&] { return shop.events("update") == 10; }));
  CHECK(is_copying());
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());
  CHECK_MESSAGE(shop.is_the_same(), shop.difference());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: on SIGHUP a table that was added is loaded, while the rest goes on") {
  LoadShop shop;
  shop.fill_documents(100);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  shop.configure("[public.orders, public.customers, public.documents");  // no bracket ends it
  run->kill(SIGHUP);
  CHECK(eventually(soon, [&] { return contains(run->errors(), "not reloaded"); }));
  CHECK(shop.server.sql("select 1 from pg_replication_slots where active").size() == 1);

  shop.configure(
      "[public.orders, public.customers, public.documents]",
      "  - name: other\n    postgres: \"" + shop.url + "\"\n    tables: [public.customers]\n");
  run->kill(SIGHUP);
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());
  CHECK(shop.is_the_same());
  CHECK(shop.events("load") == 150);
  CHECK(eventually(soon, [&] { return contains(shop.status(), "\"source\":\"other\""); }));

  shop.configure("[public.orders, public.customers, public.documents]");
  run->kill(SIGHUP);
  const std::string active = "select 1 from pg_replication_slots where active";
  CHECK_MESSAGE(eventually(soon, [&] { return shop.server.sql(active).size() == 1; }),
                run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: by configuration no rows, only the schema, some rows, or those of a query") {
  LoadShop shop;
  shop.server.sql("insert into customers values (1, 'one'), (2, 'two')");
  shop.fill_documents(40);
  shop.server.sql("create table hidden (id int primary key, secret bool not null)");
  shop.server.sql("insert into hidden select n, n % 2 = 0 from generate_series(1, 10) n");
  shop.configure("[public.*]",
                 "    initial_load: { public.customers: none, public.orders: schema }\n"
                 "    load:\n"
                 "      where: { public.documents: id <= 30 }\n"
                 "      select: { public.hidden: select * from public.hidden where not secret }\n");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  CHECK(shop.rows("documents") == 30);
  CHECK(shop.rows("hidden") == 5);
  CHECK(shop.events("load") == 35);
  CHECK(shop.tidelog({"events", "--stream", "shop.public.orders", "--type", "schema", "--json"})
            .output.find("status") != std::string::npos);
  const Finished state = shop.tidelog({"state", "shop.public.customers"});
  CHECK(state.code == 1);
  CHECK_MESSAGE(contains(state.errors, "`tidelog source load` loads them"), state.errors);

  shop.server.sql("update customers set name = 'three' where id = 2");
  CHECK(shop.tidelog({"source", "load", "shop.public.customers"}).code == 0);
  CHECK(shop.rows("customers") == 2);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: after lost history, when needed, everything begins anew and is what it is") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    LoadShop shop({.settings = {}, .hba = {}, .version = version});
    shop.fill_documents(300);
    shop.configure("[public.orders, public.documents]", "    initial_load: when_needed\n");
    {
      const auto run = shop.start();
      REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
      CHECK(stopped(*run) == Exit{0, 0});
    }
    shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
    shop.server.sql("delete from documents where id > 290; update documents set version = 1");
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams() && shop.is_the_same(); }),
                    run->errors());
    CHECK(shop.events("gap") == 1);
    CHECK(contains(run->errors(), "everything begins anew"));
    shop.server.sql("delete from documents where id = 1");
    CHECK(eventually(soon, [&] { return shop.is_the_same(); }));
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.tidelog({"store", "verify"}).code == 0);
  }
}

TEST_CASE("load: history that is lost in the middle of a load is no reason to keep half of it") {
  LoadShop shop;
  shop.fill_documents(6000);
  shop.configure("[public.orders, public.documents]",
                 "    initial_load: when_needed\n    load: { chunk: 64 KiB }\n");
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.events("load") > 100; }), run->errors());
    run->kill(SIGKILL);
    run->wait(soon);
  }
  WARN_FALSE(shop.has_loaded("documents"));
  REQUIRE(eventually(soon, [&] {
    return shop.server.sql("select 1 from pg_replication_slots where active").empty();
  }));
  shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
  shop.server.sql("delete from documents where id % 2 = 0; update documents set version = 1");
  shop.configure("[public.orders, public.documents]", "    initial_load: when_needed\n");
  const auto run = shop.start();
  const bool is_the_same = eventually(soon, [&] { return shop.streams() && shop.is_the_same(); });
  CHECK_MESSAGE(is_the_same, run->errors() << shop.difference());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE(
    "load: a commit that is streamed long before anybody can see it is not undone by a chunk") {
  LoadShop shop;
  capture_and_stop(shop);
  shop.fill_documents(100);
  shop.configure("[public.orders, public.documents]");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.has_loaded("documents"); }), run->errors());

  // A synchronous standby that is not there: commits are logged, and wait.
  shop.server.sql("alter system set synchronous_standby_names = 'nobody'");
  shop.server.sql("select pg_reload_conf()");
  std::jthread late([&] {
    auto session = shop.server.session();
    static_cast<void>(session.query("update documents set version = 5 where id <= 10"));
  });
  REQUIRE(eventually(soon, [&] {
    return !shop.server.sql("select 1 from pg_stat_activity where wait_event = 'SyncRep'").empty();
  }));
  REQUIRE(eventually(soon, [&] {
    return contains(shop.tidelog({"state", "shop.public.documents", "--key", "7", "--json"}).output,
                    "\"version\":5");
  }));
  CHECK(shop.server.sql("select version from documents where id = 7").at(0).at(0) == "0");
  CHECK(shop.tidelog({"source", "load", "shop.public.documents", "--no-wait"}).code == 0);
  // It cannot be loaded as long as nobody may see it.
  REQUIRE_MESSAGE(eventually(soon,
                             [&] {
                               return contains(shop.status(),
                                               "transactions that were open before it must end");
                             }),
                  shop.status() << run->errors() << shop.last_step("documents"));
  shop.server.sql("alter system reset synchronous_standby_names");
  shop.server.sql("select pg_reload_conf()");
  late.join();
  REQUIRE(eventually(soon, [&] {
    return contains(shop.last_step("documents"), "\"load\":2,\"step\":\"ended\"");
  }));
  CHECK(shop.is_the_same());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: a table without keys holds each row as often as the table does") {
  LoadShop shop;
  capture_and_stop(shop);
  shop.server.sql(
      "create table ticks (n int, what text); alter table ticks replica identity full;"
      "insert into ticks select n % 5, 'a' from generate_series(1, 1000) n");
  shop.configure("[public.orders, public.ticks]");
  std::atomic<bool> done{false};
  std::thread writer([&] {
    auto session = shop.server.session();
    for (int i = 0; !done; ++i) {
      session.sql("insert into ticks values (" + std::to_string(i % 7) + ", 'b')");
      session.sql("delete from ticks where ctid = (select ctid from ticks limit 1)");
      session.sql("update ticks set what = 'c' where ctid = (select ctid from ticks where n = " +
                  std::to_string(i % 5) + " limit 1)");
    }
  });
  const auto run = shop.start();
  const bool loaded = eventually(soon, [&] { return shop.has_loaded("ticks"); });
  done = true;
  writer.join();
  REQUIRE_MESSAGE(loaded, run->errors());
  const auto in_table = [&] {
    std::vector<std::string> rows;
    for (const auto& row :
         shop.server.sql(R"(select format('"n":%s,"what":"%s"', n, what) from ticks)"))
      rows.push_back(row.at(0));
    std::sort(rows.begin(), rows.end());
    return rows;
  };
  CHECK(eventually(soon, [&] {
    return LoadShop::rows_of(shop.tidelog({"state", "shop.public.ticks", "--json"}).output) ==
           in_table();
  }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("load: a condition, an end to it, and what cannot be loaded") {
  LoadShop shop;
  shop.fill_documents(3000);
  shop.configure("[public.orders, public.documents]");
  CHECK(
      contains(shop.tidelog({"source", "load", "shop.public.orders"}).errors, "no `tidelog run`"));
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());

  const std::size_t before = shop.events("load");
  CHECK(shop.tidelog({"source", "load", "shop.public.orders", "--where", "id > 40"}).code == 0);
  CHECK(shop.events("load") == before + 10);

  const Finished unknown = shop.tidelog({"source", "load", "shop.public.nothing"});
  CHECK(unknown.code == 1);
  CHECK_MESSAGE(contains(unknown.errors, "does not capture a table public.nothing"),
                unknown.errors);
  const Finished wrong =
      shop.tidelog({"source", "load", "shop.public.orders", "--where", "idd > 1"});
  CHECK_MESSAGE(contains(wrong.errors, "idd"), wrong.errors);
  const Finished other = shop.tidelog({"source", "load", "shopping.public.orders"});
  CHECK(other.code == 2);

  // It takes half a minute to read.
  const std::string slowly = "pg_sleep(0.01) is not null";
  CHECK(shop.tidelog({"source", "load", "shop.public.documents", "--where", slowly, "--no-wait"})
            .code == 0);
  CHECK(eventually(soon, [&] { return contains(shop.last_step("documents"), "begun"); }));
  const Finished twice = shop.tidelog({"source", "load", "shop.public.documents"});
  CHECK(twice.code == 5);
  CHECK_MESSAGE(contains(twice.errors, "is being loaded"), twice.errors);
  CHECK(shop.tidelog({"source", "load", "shop.public.documents", "--cancel"}).code == 0);
  CHECK(eventually(soon, [&] { return contains(shop.last_step("documents"), "cancelled"); }));
  CHECK(eventually(soon, [&] { return contains(shop.status(), "\"state\":\"cancelled\""); }));
  CHECK(shop.is_the_same());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_SUITE_END();

}  // namespace tidelog::testing
