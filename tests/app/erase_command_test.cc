// `store erase`, as a person types it.
#include <doctest/doctest.h>

#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

// Order 1 is inserted and updated, order 2 inserted.
struct ErasableShop : CliFixture {
  std::string folder;

  explicit ErasableShop(const std::string& name)
      : folder(testing::scratch_folder("erase " + name).string()) {
    ShopStore store(*disk, clock, folder);
    store.insert(1, "new");
    store.insert(2, "new");
    store.update(1, "new", "paid");
  }
  Answer run_on(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", folder});
    return run(arguments);
  }
  Answer erase(const std::string& key, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"store", "erase", "--stream", "shop.public.orders",
                                      "--key", key};
    words.insert(words.end(), more.begin(), more.end());
    return run_on(words);
  }
};

}  // namespace

TEST_CASE("store erase: the row is gone from events, state and history, the others are there") {
  ErasableShop shop("whole");
  const auto erased = shop.erase("1", {"--json"});
  CHECK_MESSAGE(erased.code == 0, erased.err);
  CHECK(contains(erased.out, "\"events\":2,\"keys\":1,"));
  const auto events = shop.run_on({"events", "--json"});
  CHECK(events.code == 0);
  CHECK_FALSE(contains(events.out, "paid"));
  CHECK(contains(events.out, R"("type":"erased")"));
  const auto state = shop.run_on({"state", "shop.public.orders", "--json"});
  CHECK_MESSAGE(state.code == 0, state.err);
  CHECK_FALSE(contains(state.out, R"("key":{"id":1})"));
  CHECK(contains(state.out, R"("key":{"id":2})"));
  CHECK(shop.run_on({"store", "verify"}).code == 0);
}

TEST_CASE("store erase: a dry run counts and changes nothing") {
  ErasableShop shop("dry");
  const auto before = shop.run_on({"events", "--json"}).out;
  const auto answer = shop.erase("1", {"--dry-run"});
  CHECK(answer.code == 0);
  CHECK(contains(answer.out, "would erase 2 events under 1 keys"));
  CHECK(shop.run_on({"events", "--json"}).out == before);
}

TEST_CASE("store erase: a key that cannot be one and a stream that is none are told") {
  ErasableShop shop("wrong");
  CHECK(shop.erase("seven").code == 2);
  const auto answer =
      shop.run_on({"store", "erase", "--stream", "shop.public.order", "--key", "1"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "shop.public.orders"));
}

TEST_CASE("store erase: a store that somebody writes to is refused, with who holds it") {
  ErasableShop shop("held");
  const ShopStore holder(*shop.disk, shop.clock, shop.folder);
  const auto answer = shop.erase("1");
  CHECK(answer.code == 5);
}

}  // namespace tidelog::testing
