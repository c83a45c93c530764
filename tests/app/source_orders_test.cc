#include "app/source_orders.h"

#include <doctest/doctest.h>

#include "app/run_status.h"
#include "core/source_position.h"
#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

struct Shop : CliFixture {
  explicit Shop(const std::string& purpose) : directory(scratch_folder(purpose).string()) {
    ShopStore(*disk, clock, directory).insert(1, "new");
  }
  Answer run_on(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", directory});
    return run(arguments);
  }
  std::string directory;
};

SourceOrders read(Shop& shop) {
  const auto orders = read_source_orders(*shop.disk, shop.directory);
  REQUIRE(orders);
  return *orders;
}

}  // namespace

TEST_CASE("source orders: what was written is read; without a file there are none") {
  Shop shop("orders");
  CHECK(read(shop) == SourceOrders());
  SourceOrders orders;
  orders.paused = {"shop", "other"};
  orders.skips["shop"] = {std::string("\0\xff", 2), "behind", "\"why\""};
  REQUIRE(write_source_orders(*shop.disk, shop.directory, orders));
  CHECK(read(shop) == orders);
  CHECK(shop.run_on({"store", "verify"}).code == 0);
}

TEST_CASE("source orders: a damaged file is refused with the way out") {
  Shop shop("orders_damaged");
  for (const std::string_view text :
       {"", "{}", R"({"paused":[7],"skips":{}})",
        R"({"paused":[],"skips":{"shop":{"from":"0","behind":"00","reason":""}}})"}) {
    REQUIRE(replace_file(*shop.disk, shop.directory, "orders.json", text));
    const auto orders = read_source_orders(*shop.disk, shop.directory);
    REQUIRE_FALSE(orders);
    CHECK(orders.error().code == Code::misconfigured);
    CHECK(contains(orders.error().what, "delete it"));
  }
}

TEST_CASE("source orders: pause and resume are remembered, for sources that there are") {
  Shop shop("orders_pause");
  const auto paused = shop.run_on({"source", "pause", "shop"});
  CHECK(paused.code == 0);
  CHECK(contains(paused.out, "its slot is kept"));
  CHECK(read(shop).paused.contains("shop"));
  CHECK(contains(shop.run_on({"source", "status", "--json"}).out, "\"state\":\"paused\""));
  CHECK(shop.run_on({"source", "resume", "shop", "--json"}).out ==
        "{\"source\":\"shop\",\"order\":\"resume\"}\n");
  CHECK(read(shop) == SourceOrders());
  const auto unknown = shop.run_on({"source", "pause", "shpo"});
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "did you mean `shop`"));
}

TEST_CASE("source orders: skip is refused where the source does not stand at such a transaction") {
  Shop shop("orders_skip");
  const auto refused = shop.run_on({"source", "skip", "shop"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, "there is nothing to skip"));

  SourceStatus failed;
  failed.name = "shop";
  failed.error = "of no known form";
  failed.failed_behind =
      encode(PostgresResume{PostgresResume::Phase::streaming, 7, 1, {0x2000}, "s"});
  const auto told = [&](const std::string& from) {
    failed.failed_from = from;
    REQUIRE(write_run_status(*shop.disk, shop.directory, {1, shop.clock.now(), true, {failed}}));
    return shop.run_on({"source", "skip", "shop"});
  };
  CHECK(told("elsewhere").code == 2);
  const auto reader = StoreReader::open(*shop.disk, shop.directory);
  REQUIRE(reader);
  const std::string position = (*reader)->stats().value().sources.at(0).position;
  const auto skipped = told(position);
  CHECK(skipped.code == 0);
  CHECK(contains(skipped.out, "lsn 0/2000"));
  CHECK(read(shop).skips.at("shop") ==
        SkipOrder{position, failed.failed_behind,
                  "a transaction was skipped by order: of no known form"});
  CHECK_FALSE(contains(shop.run_on({"source", "status", "--json"}).out, "failed_from"));
}

}  // namespace tidelog::testing
