// `store compact`, as a person types it.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

// Order 1 is inserted and updated twice, order 2 inserted and deleted.
struct CompactableShop : CliFixture {
  std::string folder;
  std::string config;

  CompactableShop(const std::string& name, const std::string& rules)
      : folder(testing::scratch_folder("compact " + name).string()), config(folder + "/shop.yaml") {
    ShopStore store(*disk, clock, folder + "/store");
    store.insert(1, "new");
    store.insert(2, "other");
    store.update(1, "new", "paid");
    store.update(1, "paid", "sent");
    store.remove(2, "other");
    std::ofstream(config) << "store:\n  path: " << folder << "/store\n" << rules;
  }
  Answer run_on(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-c", config});
    return run(arguments);
  }
};

constexpr const char* compact_orders =
    "  retention: [{ streams: 'shop.public.*', compact: true }]\n";

}  // namespace

TEST_CASE("store compact: superseded events go, the state stays, its history begins here") {
  CompactableShop shop("whole", compact_orders);
  const auto before = shop.run_on({"state", "shop.public.orders", "--json"});
  const auto compacted = shop.run_on({"store", "compact", "--json"});
  REQUIRE_MESSAGE(compacted.code == 0, compacted.err);
  CHECK(contains(compacted.out, "\"removed\":3,\"rewritten\":1,"));
  const auto events = shop.run_on({"events", "--json"});
  CHECK(std::count(events.out.begin(), events.out.end(), '\n') == 3);
  CHECK_FALSE(contains(events.out, R"("type":"insert")"));
  CHECK(contains(events.out, "sent"));
  CHECK(contains(events.out, R"("type":"delete")"));
  const auto after = shop.run_on({"state", "shop.public.orders", "--json"});
  CHECK_MESSAGE(after.out == before.out, after.err);
  const auto past = shop.run_on({"state", "shop.public.orders", "--at", "2"});
  CHECK(past.code != 0);
  CHECK_MESSAGE(contains(past.err, "starts at position 6"), past.err);
  CHECK(shop.run_on({"store", "verify"}).code == 0);
  CHECK(contains(shop.run_on({"store", "compact", "--json"}).out, "\"removed\":0,"));
}

TEST_CASE(
    "store compact: `max_bytes` not larger than a segment is warned of, and takes nothing below") {
  CompactableShop shop("small max_bytes", "  segment_size: 1 MiB\n  max_bytes: 1 MiB\n");
  const auto compacted = shop.run_on({"store", "compact", "--json"});
  REQUIRE_MESSAGE(compacted.code == 0, compacted.err);
  CHECK(contains(compacted.out, "\"removed\":0,"));
  CHECK_MESSAGE(contains(compacted.err, "`max_bytes` (1.0 MiB) is not more than one segment"),
                compacted.err);
  const std::string warning = "store: warning: `max_bytes` (1.0 MiB) is not more than one segment";
  std::ofstream(shop.config, std::ios::app) << "sources: []\n";
  const auto checked = shop.run_on({"check"});
  CHECK_MESSAGE(contains(checked.out, warning), checked.out << checked.err);
}

TEST_CASE("store compact: a restored backup tells the state from its base snapshot") {
  CompactableShop shop("restored", compact_orders);
  REQUIRE(shop.run_on({"store", "compact"}).code == 0);
  const auto before = shop.run_on({"state", "shop.public.orders", "--json"});
  const auto backup = shop.run_on({"store", "backup", "--to", shop.folder + "/backup"});
  REQUIRE_MESSAGE(backup.code == 0, backup.err);
  const auto restored = shop.run(
      {"store", "restore", "--from", shop.folder + "/backup", "--to", shop.folder + "/restored"});
  REQUIRE_MESSAGE(restored.code == 0, restored.err);
  const auto after =
      shop.run({"state", "shop.public.orders", "--json", "--store", shop.folder + "/restored"});
  CHECK_MESSAGE(after.out == before.out, after.err);
  CHECK(contains(after.out, "sent"));
  const auto earlier = shop.run({"store", "restore", "--from", shop.folder + "/backup", "--to",
                                 shop.folder + "/earlier", "--until", "2"});
  CHECK(earlier.code == 2);
  CHECK_MESSAGE(contains(earlier.err, "the history of shop.public.orders in the backup starts at"),
                earlier.err);
}

TEST_CASE("history: where retention cut it, the row as it was then comes first") {
  CompactableShop shop("history", compact_orders);
  REQUIRE(shop.run_on({"store", "compact"}).code == 0);
  {
    ShopStore store(*shop.disk, shop.clock, shop.folder + "/store");
    store.update(1, "sent", "returned");
  }
  const auto told = shop.run_on({"history", "shop.public.orders", "1", "--json"});
  REQUIRE_MESSAGE(told.code == 0, told.err);
  CHECK(std::count(told.out.begin(), told.out.end(), '\n') == 2);
  CHECK_MESSAGE(contains(told.out, R"("type":"load")"), told.out);
  CHECK(contains(told.out, R"("row":{"id":1,"status":"sent"}})"));
  CHECK(contains(told.out, R"("row":{"id":1,"status":"returned"}})"));
}

TEST_CASE("store salvage: base snapshots come along; a damaged one is listed") {
  CompactableShop shop("salvaged", compact_orders);
  REQUIRE(shop.run_on({"store", "compact"}).code == 0);
  const auto before = shop.run_on({"state", "shop.public.orders", "--json"});
  const auto salvage = [&](const std::string& to) {
    return shop.run({"store", "salvage", "--from", shop.folder + "/store", "--to", to, "--json"});
  };
  const auto whole = salvage(shop.folder + "/whole");
  CHECK_MESSAGE(contains(whole.out, R"("missing":0,"missing_events":[],"lost_states":[],)"),
                whole.out);
  const auto after =
      shop.run({"state", "shop.public.orders", "--json", "--store", shop.folder + "/whole"});
  CHECK_MESSAGE(after.out == before.out, after.err);

  for (const auto& entry : std::filesystem::directory_iterator(shop.folder + "/store/state")) {
    if (entry.path().extension() != ".base") continue;
    const auto file = shop.disk->open_write(entry.path().string());
    REQUIRE(file);
    REQUIRE((*file)->write(12, "?"));
  }
  const auto damaged = salvage(shop.folder + "/damaged");
  CHECK_MESSAGE(contains(damaged.out, R"("lost_states":[")"), damaged.out);
}

TEST_CASE("store compact: packs sealed segments when the configuration asks for zstd") {
  CompactableShop shop("packed", "  compress: zstd\n");
  {
    ShopStore store(*shop.disk, shop.clock, shop.folder + "/store");
    for (int id = 3; id < 300; ++id) store.insert(id, "an order like any other");
  }
  const auto before = shop.run_on({"events", "--json"});
  const auto packed = shop.run_on({"store", "compact", "--json"});
  REQUIRE_MESSAGE(packed.code == 0, packed.err);
  CHECK_MESSAGE(contains(packed.out, R"("removed":0,"rewritten":0,)"), packed.out);
  CHECK(shop.run_on({"events", "--json"}).out == before.out);
  CHECK(shop.run_on({"store", "verify"}).code == 0);
}

TEST_CASE("the configuration's `compress` is lz4 or zstd") {
  CompactableShop shop("codec", "  compress: gzip\n");
  const auto answer = shop.run_on({"store", "compact"});
  CHECK(answer.code == 2);
  CHECK_MESSAGE(contains(answer.err, "expected `lz4` or `zstd`, found `gzip`"), answer.err);
}

TEST_CASE("store erase: a row that only a base snapshot still holds is gone from there, too") {
  CompactableShop shop("erased", compact_orders);
  REQUIRE(shop.run_on({"store", "compact"}).code == 0);
  const auto erased =
      shop.run_on({"store", "erase", "--stream", "shop.public.orders", "--key", "1"});
  CHECK_MESSAGE(erased.code == 0, erased.err);
  const auto state = shop.run_on({"state", "shop.public.orders", "--json"});
  CHECK_MESSAGE(state.code == 0, state.err);
  CHECK(state.out.empty());
}

TEST_CASE("store compact: without rules it says where they belong") {
  CompactableShop shop("rules", "");
  const auto answer = shop.run_on({"store", "compact"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "retention"));
}

TEST_CASE("store compact: what a projection has not read stays, until it is told otherwise") {
  CompactableShop shop("consumer", std::string(compact_orders) +
                                       "projections: [{ name: current, sqlite: current.db }]\n");
  const auto held = shop.run_on({"store", "compact", "--json"});
  CHECK_MESSAGE(held.code == 0, held.err);
  CHECK(contains(held.out, "\"removed\":0,"));
  const auto told = shop.run_on({"store", "compact", "--json", "--past-consumers"});
  CHECK(contains(told.out, "\"removed\":3,"));
}

TEST_CASE("retention: rules that say nothing or something unknown are refused with their line") {
  CompactableShop nothing("nothing", "  retention: [{ streams: '*' }]\n");
  CHECK(contains(nothing.run_on({"store", "compact"}).err, "needs a limit"));
  CompactableShop unknown("unknown", "  retention: [{ streams: '*', max_ages: 3 d }]\n");
  CHECK(contains(unknown.run_on({"store", "compact"}).err, "max_age"));
  CompactableShop list("list", "  retention: { streams: '*' }\n");
  CHECK(contains(list.run_on({"store", "compact"}).err, "expected a list"));
}

}  // namespace tidelog::testing
