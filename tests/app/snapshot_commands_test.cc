#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "app/snapshot_run.h"
#include "core/disk.h"
#include "eventstore/state_directory.h"
#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog {
namespace {

using testing::CliFixture;
using testing::contains;
using testing::ShopStore;

struct Shop : CliFixture {
  explicit Shop(const std::string& purpose) : folder(testing::scratch_folder(purpose).string()) {
    ShopStore store(*disk, clock, folder);
    store.insert_many(1, 500);
    store.update(1, "new", "paid");
    store.remove(2, "new");
    store.insert_customer(9, "Ada");
  }

  Answer run_on(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", folder});
    return run(arguments);
  }

  std::vector<SnapshotName> snapshots() const {
    auto names = StateDirectory(*disk, folder).list();
    REQUIRE(names);
    return *names;
  }

  void damage(const SnapshotName& name) const {
    auto file = disk->open_write(StateDirectory(*disk, folder).path(name));
    REQUIRE(file);
    REQUIRE((*file)->write(100, "damaged"));
  }

  std::string folder;
};

}  // namespace

TEST_CASE("store snapshot: of every table, and of one; state uses them") {
  Shop shop("snapshot_all");
  const auto before = shop.run_on({"state", "shop.public.orders", "--json"});
  const auto made = shop.run_on({"store", "snapshot", "--json"});
  CHECK_MESSAGE(made.code == 0, made.err);
  CHECK(contains(made.out, R"({"stream":"shop.public.orders","position":)"));
  CHECK(contains(made.out, R"("rows":499)"));
  CHECK(contains(made.out, R"({"stream":"shop.public.customers","position":)"));
  CHECK(shop.snapshots().size() == 2);
  const auto again = shop.run_on({"store", "snapshot", "shop.public.orders"});
  CHECK(contains(again.out, "shop.public.orders: 499 rows before position "));
  CHECK(shop.snapshots().size() == 2);
  CHECK(shop.run_on({"state", "shop.public.orders", "--json"}).out == before.out);
  CHECK(contains(shop.run_on({"state", "shop.public.orders", "--key", "1"}).out, "paid"));
  CHECK(shop.run_on({"store", "snapshot", "shop.public.order"}).code == 2);
}

TEST_CASE("store verify --state: snapshots that agree, and exit code 3 for one that is damaged") {
  Shop shop("snapshot_verify");
  shop.run_on({"store", "snapshot"});
  const auto whole = shop.run_on({"store", "verify", "--state"});
  CHECK_MESSAGE(whole.code == 0, whole.err);
  CHECK(contains(whole.out, "2 state snapshots are what a full replay gives, in 500 rows."));
  shop.damage(shop.snapshots().front());
  const auto damaged = shop.run_on({"store", "verify", "--state", "--json"});
  CHECK(damaged.code == 3);
  CHECK(contains(damaged.out, "\"whole\":false"));
  CHECK(contains(damaged.err, "damaged: "));
}

TEST_CASE("state: a damaged snapshot is told on standard error, and the rows are right") {
  Shop shop("snapshot_damaged");
  const auto before = shop.run_on({"state", "shop.public.orders", "--json"});
  shop.run_on({"store", "snapshot"});
  for (const SnapshotName& name : shop.snapshots()) shop.damage(name);
  const auto state = shop.run_on({"state", "shop.public.orders", "--json"});
  CHECK(state.code == 0);
  CHECK(state.out == before.out);
  CHECK(contains(state.err, "a state snapshot is damaged and was passed over"));
  const auto one = shop.run_on({"state", "shop.public.orders", "--key", "1"});
  CHECK(contains(one.out, "paid"));
  CHECK(contains(one.err, "a state snapshot is damaged and was passed over"));
}

TEST_CASE("events, replay: --rows whole shows the row that a change met") {
  Shop shop("rows_whole");
  const std::vector<std::string> deletes = {"events", "--type", "delete", "--json"};
  std::vector<std::string> whole = deletes;
  whole.insert(whole.end(), {"--rows", "whole"});
  const auto answer = shop.run_on(whole);
  CHECK_MESSAGE(answer.code == 0, answer.err);
  CHECK(contains(answer.out, R"("before":{"id":2,"status":"new"})"));
  CHECK(contains(shop.run_on({"replay", "--into", "-", "--rows", "whole"}).out,
                 R"("before":{"id":2,"status":"new"})"));
  CHECK(shop.run_on({"events", "--rows", "full"}).code == 2);
}

TEST_CASE("snapshot run: a table that changed is saved, as the policy says, once") {
  const auto disk = real_disk();
  const auto clock = real_clock();
  const std::string folder = testing::scratch_folder("snapshot_run").string();
  { ShopStore(*disk, *clock, folder).insert_many(1, 20); }
  auto store = EventStore::open(*disk, *clock, folder, {});
  REQUIRE(store);
  const Secrets secrets;
  auto log = Log::to_stderr(LogFormat::text, secrets);
  REQUIRE(log);
  SnapshotPolicy policy;
  policy.time = std::chrono::seconds(1);
  const SnapshotRun run(*disk, **store, policy, *clock, *log);
  const StateDirectory directory(*disk, folder);
  CHECK(testing::eventually(std::chrono::seconds(20), [&] {
    const auto names = directory.list();
    return names && names->size() == 1;
  }));
}

}  // namespace tidelog
