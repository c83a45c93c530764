// `store truncate` and `store delete`, as a person types them, and what other commands then say.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

struct Streams : CliFixture {
  explicit Streams(const std::string& purpose)
      : folder(scratch_folder("streams " + purpose).string()), store(folder + "/store") {}

  std::string append(const std::string& stream, const std::vector<std::string>& options = {}) {
    const std::string file = folder + "/lines.jsonl";
    std::ofstream(file) << R"({"type":"Happened","data":{"n":1}})"
                        << "\n";
    std::vector<std::string> arguments = {"append", stream, file, "--create"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Answer answer = on_store(arguments);
    return answer.code == 0 ? "done" : std::to_string(answer.code) + ": " + answer.err;
  }
  Answer on_store(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", store});
    return run(arguments);
  }
  // The events that are shown.
  std::ptrdiff_t shown(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "events");
    arguments.push_back("--json");
    const Answer answer = on_store(arguments);
    CHECK_MESSAGE(answer.code == 0, answer.err);
    return std::count(answer.out.begin(), answer.out.end(), '\n');
  }

  std::string folder;
  std::string store;
};

}  // namespace

TEST_CASE("store truncate: the stream begins at the revision, and compaction frees the rest") {
  Streams f("truncate");
  for (int i = 0; i < 5; ++i) REQUIRE(f.append("order-7") == "done");
  const auto cut = f.on_store({"store", "truncate", "--stream", "order-7", "--before", "3",
                               "--expected-revision", "4", "--json"});
  CHECK_MESSAGE(cut.code == 0, cut.err);
  CHECK(cut.out ==
        R"({"stream":"order-7","status":"open","first_revision":3,"position":5,"changed":true})"
        "\n");
  const auto again = f.on_store({"store", "truncate", "--stream", "order-7", "--before", "2"});
  CHECK_MESSAGE(again.out == "stream order-7 begins at revision 3, as before\n", again.err);
  CHECK(f.shown({"--stream", "order-7"}) == 3);
  CHECK(f.shown({}) == 6);
  const auto all = f.on_store({"events", "--json", "--type", "stream_truncated"});
  CHECK_MESSAGE(contains(all.out, R"("type":"stream_truncated")"), all.out);
  CHECK(contains(all.out, R"("first_revision":3)"));
  CHECK(contains(f.on_store({"events"}).out, "begins at revision 3"));
  const auto asked = f.on_store({"store", "compact"});
  CHECK(asked.code == 2);
  CHECK_MESSAGE(contains(asked.err, "--past-consumers"), asked.err);
  const auto compacted = f.on_store({"store", "compact", "--past-consumers", "--json"});
  CHECK_MESSAGE(contains(compacted.out, "\"removed\":3,"), compacted.err);
  CHECK(f.shown({}) == 3);
  CHECK(f.on_store({"store", "verify"}).code == 0);
}

TEST_CASE("store truncate: what does not fit is refused with where the stream is") {
  Streams f("refused");
  REQUIRE(f.append("order-7") == "done");
  const auto beyond =
      f.on_store({"store", "truncate", "--stream", "order-7", "--before", "9", "--json"});
  CHECK(beyond.code == 5);
  CHECK_MESSAGE(contains(beyond.out, R"("conflict":"beyond_end","expected":"any","actual":0)"),
                beyond.out);
  const auto other = f.on_store(
      {"store", "truncate", "--stream", "order-7", "--before", "1", "--expected-revision", "4"});
  CHECK(other.code == 5);
  CHECK(contains(other.err, "stream order-7 is at revision 0, expected 4"));
  const auto misspelt = f.on_store({"store", "delete", "--stream", "order-8"});
  CHECK(misspelt.code != 0);
  CHECK_MESSAGE(contains(misspelt.err, "order-7"), misspelt.err);
}

TEST_CASE("store delete: a stream ends, says so, and is begun anew") {
  Streams f("delete");
  REQUIRE(f.append("cart-1") == "done");
  REQUIRE(f.append("cart-2") == "done");
  const auto deleted = f.on_store({"store", "delete", "--stream", "cart-1"});
  CHECK_MESSAGE(contains(deleted.out, "stream cart-1 is deleted"), deleted.err);
  const auto events = f.on_store({"events", "--stream", "cart-1", "--json"});
  CHECK(events.code == 0);
  CHECK(events.out.empty());
  CHECK_MESSAGE(contains(events.err, "stream cart-1 was deleted at revision 1, position 2,"),
                events.err);
  CHECK(contains(f.on_store({"events", "--stream", "cart-*"}).err,
                 "1 of the streams that fit were deleted"));
  const auto stats = f.on_store({"store", "stats", "--json"});
  CHECK_MESSAGE(contains(stats.out, R"("changed_streams":[{"stream":"cart-1","status":"deleted",)"
                                    R"("first_revision":2,"revision":1}])"),
                stats.out);
  CHECK(contains(f.on_store({"store", "stats"}).out, "deleted"));
  CHECK(f.append("cart-1", {"--expected-revision", "no-stream"}) == "done");
  CHECK(f.shown({"--stream", "cart-1"}) == 1);
  CHECK(f.on_store({"events", "--stream", "cart-1", "--json"}).err.empty());
}

TEST_CASE("store restore: until before the history begins is refused, and says where it begins") {
  Streams f("restore before begin");
  const std::string config = f.folder + "/rules.yaml";
  std::ofstream(config) << "store:\n  path: " << f.store
                        << "\n  retention: [{ streams: 'order-*', max_count: 1 }]\n";
  for (int i = 0; i < 4; ++i) {
    REQUIRE(f.append("order-7") == "done");
    REQUIRE(f.run({"store", "compact", "-c", config}).code == 0);
  }
  REQUIRE(f.on_store({"store", "backup", "--to", f.folder + "/backup"}).code == 0);
  const auto restore = [&](const std::string& to, const std::string& until) {
    return f.run({"store", "restore", "--from", f.folder + "/backup", "--to", f.folder + "/" + to,
                  "--until", until});
  };
  for (const char* const until : {"0", "2", "2020-01-01"}) {
    CAPTURE(until);
    const auto refused = restore("refused", until);
    CHECK(refused.code == 2);
    CHECK_MESSAGE(contains(refused.err, "the history in the backup begins at position 3"),
                  refused.err);
    CHECK_FALSE(std::filesystem::exists(f.folder + "/refused/manifest"));
  }
  CHECK(restore("all", "3").code == 0);
}

TEST_CASE("store delete --for-ever: nothing is appended again") {
  Streams f("tombstone");
  REQUIRE(f.append("user-1") == "done");
  const auto ended = f.on_store({"store", "delete", "--stream", "user-1", "--for-ever"});
  CHECK_MESSAGE(contains(ended.out, "stream user-1 is ended for ever"), ended.err);
  CHECK(contains(f.append("user-1"), "5: "));
  CHECK(contains(f.append("user-1"), "ended for ever"));
  const auto events = f.on_store({"events", "--stream", "user-1"});
  CHECK(contains(events.err, "was tombstoned at revision 1"));
  CHECK(f.on_store({"store", "delete", "--stream", "never-used", "--for-ever"}).code == 0);
  CHECK(contains(f.append("never-used"), "5: "));
}

TEST_CASE("store truncate: a table is cut behind a base snapshot, and only truncated") {
  Streams f("table");
  {
    ShopStore shop(*f.disk, f.clock, f.store);
    shop.insert(1, "new");
    shop.insert(2, "new");
    shop.update(1, "new", "paid");
  }
  const auto before = f.on_store({"state", "shop.public.orders", "--json"});
  const auto refused = f.on_store({"store", "delete", "--stream", "shop.public.orders"});
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.err, "take the table out of the source"), refused.err);
  const std::vector<std::string> truncate = {
      "store", "truncate", "--stream", "shop.public.orders", "--past-consumers", "--before"};
  const auto with = [&](const std::string& revision) {
    auto arguments = truncate;
    arguments.push_back(revision);
    return f.on_store(arguments);
  };
  CHECK(with("5").code == 2);
  CHECK(contains(with("2").err, "cut at a segment's begin"));
  const auto cut = with("4");
  CHECK_MESSAGE(contains(cut.out, "removed 4 events"), cut.err);
  CHECK(f.shown({"--stream", "shop.public.orders"}) == 0);
  CHECK(f.on_store({"state", "shop.public.orders", "--json"}).out == before.out);
}

}  // namespace tidelog::testing
