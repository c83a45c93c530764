// The program and transactions that have not ended: killed and started again, with a server that is
// restarted, while one is sent in pieces or prepared.
#include <charconv>
#include <fstream>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

PostgresServer::Options server_options(const std::string& version) {
  return {.settings = {"max_prepared_transactions=20", "logical_decoding_work_mem=64kB"},
          .hba = {},
          .version = version};
}

std::string some_orders(int first, int count) {
  return "insert into orders select n, repeat(md5(n::text), 4) from generate_series(" +
         std::to_string(first) + ", " + std::to_string(first + count - 1) + ") n;";
}

std::size_t staged_files(const Shop& shop, const std::string& extension) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(shop.store_folder / "staging"))
    count += file.path().extension() == extension ? 1 : 0;
  return count;
}

bool is_whole(Shop& shop) { return shop.orders_in_store() == shop.orders_in_table(); }

// Memory that is the process's own, not a file's.
std::size_t anonymous_kilobytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    std::size_t kilobytes = 0;
    const std::size_t digit = line.find_first_of("0123456789");
    if (!line.starts_with("RssAnon:") || digit == std::string::npos) continue;
    std::from_chars(line.data() + digit, line.data() + line.size(), kilobytes);
    return kilobytes;
  }
  return 0;
}

}  // namespace

TEST_CASE(
    "in progress: killed and restarted on both sides in the middle of pieces, it comes once") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop(server_options(version));
    auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    SqlSession open = shop.server.session();
    open.sql("begin;" + some_orders(1'001, 3'000));
    REQUIRE(eventually(soon, [&] { return staged_files(shop, ".held") == 1; }));
    shop.server.sql(some_orders(101, 1));
    REQUIRE(eventually(soon, [&] { return shop.events("insert") == 1; }));

    run->kill(SIGKILL);
    REQUIRE(run->wait(soon) == Exit{0, SIGKILL});
    CHECK(staged_files(shop, ".held") == 1);
    run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    // What lies before the position that was confirmed the server sends only with what follows.
    open.sql("savepoint s;" + some_orders(10'001, 1'000) + "rollback to s;" +
             some_orders(20'001, 1'000) + "commit");
    REQUIRE(eventually(soon, [&] { return is_whole(shop); }));
    CHECK(shop.events("insert") == 4'001);

    // The server goes, and what was in progress with it.
    open.sql("begin;" + some_orders(30'001, 3'000));
    REQUIRE(eventually(soon, [&] { return staged_files(shop, ".held") == 1; }));
    shop.server.restart(PostgresServer::Shutdown::immediate);
    REQUIRE(eventually(soon, [&] { return staged_files(shop, ".held") == 0; }));
    shop.server.sql(some_orders(40'001, 1));
    REQUIRE(eventually(soon, [&] { return is_whole(shop) && shop.streams(); }));
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.events("insert") == 4'002);
    CHECK(staged_files(shop, ".held") == 0);
  }
}

TEST_CASE(
    "in progress: a prepared transaction is kept over kill -9 and restarts, and comes at its "
    "commit") {
  for (const std::string& version : postgres_versions()) {
    if (version == "14") continue;
    CAPTURE(version);
    Shop shop(server_options(version));
    shop.configure("[public.orders]", "    two_phase: true\n");
    auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    shop.server.sql("begin;" + some_orders(1'001, 1) + "prepare transaction 'small'");
    shop.server.sql("begin;" + some_orders(2'001, 3'000) + "savepoint s;" +
                    some_orders(10'001, 1'000) + "rollback to s; prepare transaction 'large'");
    shop.server.sql("begin;" + some_orders(20'001, 3'000) + "prepare transaction 'lost'");
    shop.server.sql(some_orders(101, 1));
    REQUIRE(eventually(soon, [&] { return shop.events("insert") == 1; }));
    CHECK(staged_files(shop, ".kept") == 3);

    run->kill(SIGKILL);
    REQUIRE(run->wait(soon) == Exit{0, SIGKILL});
    shop.server.restart(PostgresServer::Shutdown::immediate);
    shop.server.sql("rollback prepared 'lost'");
    shop.server.sql("commit prepared 'large'");
    run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return is_whole(shop) && shop.streams(); }),
                    run->errors());
    shop.server.sql("commit prepared 'small'");
    REQUIRE(eventually(soon, [&] { return is_whole(shop); }));
    shop.server.sql(some_orders(102, 1));
    REQUIRE(eventually(soon, [&] { return is_whole(shop); }));
    CHECK(staged_files(shop, ".kept") == 0);
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.events("insert") == 3'003);
    CHECK(contains(
        shop.tidelog({"events", "--key", "1001", "--stream", "shop.public.orders", "--json"})
            .output,
        "\"global_id\":\"small\""));
  }
}

TEST_CASE("in progress: a kept transaction that is gone stops the source with the way out") {
  Shop shop(server_options("15"));
  shop.configure("[public.orders]", "    two_phase: true\n");
  auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  shop.server.sql("begin;" + some_orders(1'001, 1) + "prepare transaction 'gone'");
  shop.server.sql(some_orders(101, 1));
  REQUIRE(eventually(soon, [&] { return shop.events("insert") == 1; }));
  CHECK(stopped(*run) == Exit{0, 0});
  for (const auto& file : std::filesystem::directory_iterator(shop.store_folder / "staging"))
    std::filesystem::remove(file);
  check_refused(shop, 3, {"prepared transaction", "is missing", "full load"});
}

TEST_CASE("in progress: a large transaction in pieces needs no memory") {
  Shop shop(server_options("18"));
  auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  constexpr int rows = 300'000;
  std::size_t most = 0;
  const auto look = [&] { most = std::max(most, anonymous_kilobytes(run->pid())); };
  shop.server.sql("begin;" + some_orders(1'001, rows) + "commit");
  REQUIRE(eventually(Duration(60'000), [&] {
    look();
    return contains(shop.tidelog({"store", "stats", "--json"}).output, "\"position\":3000");
  }));
  CHECK(stopped(*run) == Exit{0, 0});
  MESSAGE("anonymous memory at most " << most << " kB");
  CHECK(most < 64'000);
  CHECK(is_whole(shop));
}

}  // namespace tidelog::testing
