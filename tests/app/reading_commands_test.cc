#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "core/disk.h"
#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog {
namespace {

using testing::CliFixture;
using testing::contains;
using testing::ShopStore;

// Positions: 0 schema, 1 insert 1, 2 insert 2, 3 update 1, 4 update 1, 5 delete 2; then 6 schema, 7
// a customer.
struct Shop : CliFixture {
  explicit Shop(const std::string& purpose) : folder(testing::scratch_folder(purpose).string()) {
    ShopStore store(*disk, clock, folder);
    store.insert(1, "new");
    store.insert(2, "new");
    store.update(1, "new", "paid");
    store.update(1, "paid", "sent");
    store.remove(2, "new");
    store.insert_customer(9, "Ada");
  }

  Answer run_on(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--store", folder});
    return run(arguments);
  }

  // The positions of the lines that `events --json` printed.
  std::vector<int> positions(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "events");
    arguments.emplace_back("--json");
    const Answer answer = run_on(arguments);
    CHECK_MESSAGE(answer.code == 0, answer.err);
    std::vector<int> out;
    constexpr std::string_view head = "{\"position\":";
    for (std::size_t at = answer.out.find(head); at != std::string::npos;
         at = answer.out.find(head, at + 1)) {
      int position = -1;
      const char* const begin = answer.out.data() + at + head.size();
      std::from_chars(begin, answer.out.data() + answer.out.size(), position);
      out.push_back(position);
    }
    return out;
  }

  std::string folder;
};

using Positions = std::vector<int>;

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("events: all of them, in order") {
  Shop shop("events_all");
  CHECK(shop.positions({}) == Positions{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("events: filters are joined by AND") {
  Shop shop("events_filter");
  CHECK(shop.positions({"--stream", "shop.public.customers"}) == Positions{6, 7});
  CHECK(shop.positions({"--stream", "*.orders", "--type", "update"}) == Positions{3, 4});
  CHECK(shop.positions({"--type", "insert", "--type", "delete"}) == Positions{1, 2, 5, 7});
  CHECK(shop.positions({"--stream", "shop.public.orders", "--key", "1"}) == Positions{1, 3, 4});
  CHECK(shop.positions({"--stream", "shop.public.orders", "--key", "77"}) == Positions{});
}

TEST_CASE("events: from and until are inclusive") {
  Shop shop("events_range");
  CHECK(shop.positions({"--from", "2", "--until", "4"}) == Positions{2, 3, 4});
  CHECK(shop.positions({"--from", "6"}) == Positions{6, 7});
  CHECK(shop.positions({"--until", "1"}) == Positions{0, 1});
  CHECK(shop.positions({"--from", "100"}) == Positions{});
}

TEST_CASE("events: from a revision of one stream") {
  Shop shop("events_revision");
  const std::string stream = "shop.public.orders";
  const Positions all = shop.positions({"--stream", stream});
  REQUIRE(all.size() > 2);
  const Positions later(all.begin() + 2, all.end());
  CHECK(shop.positions({"--stream", stream, "--from-revision", "2"}) == later);
  CHECK(shop.positions({"--stream", stream, "--from-revision", "2", "--backwards"}) ==
        Positions(later.rbegin(), later.rend()));
  CHECK(shop.positions({"--stream", stream, "--from-revision", "1000"}).empty());
  CHECK(shop.positions({"--stream", stream, "--from-revision", "0"}) == all);
  CHECK(shop.run_on({"events", "--from-revision", "2"}).code == 2);
}

TEST_CASE("events: until rounds down to a whole transaction") {
  Shop shop("events_until");
  CHECK(shop.positions({"--until", "0"}) == Positions{});
  CHECK(shop.positions({"--until", "6"}) == Positions{0, 1, 2, 3, 4, 5});
}

TEST_CASE("events: times are commit times, inclusive on both ends") {
  Shop shop("events_time");
  CHECK(shop.positions({"--from", print_time(ShopStore::time_of(2)), "--until",
                        print_time(ShopStore::time_of(3))}) == Positions{3, 4});
  CHECK(shop.positions({"--until", print_time(ShopStore::time_of(0))}) == Positions{0, 1});
}

TEST_CASE("events: the limit counts what is printed") {
  Shop shop("events_limit");
  CHECK(shop.positions({"--limit", "2"}) == Positions{0, 1});
  CHECK(shop.positions({"--type", "update", "--limit", "1"}) == Positions{3});
}

TEST_CASE("events: backwards is the same, the newest first") {
  Shop shop("events_backwards");
  CHECK(shop.positions({"--backwards"}) == Positions{7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(shop.positions({"--backwards", "--limit", "2"}) == Positions{7, 6});
  CHECK(shop.positions({"--backwards", "--from", "2", "--until", "4"}) == Positions{4, 3, 2});
  CHECK(shop.positions({"--backwards", "--type", "insert", "--limit", "2"}) == Positions{7, 2});
}

TEST_CASE("events: backwards finds what lies many windows back") {
  CliFixture cli;
  const std::string folder = testing::scratch_folder("events_far_back").string();
  {
    ShopStore store(*cli.disk, cli.clock, folder);
    store.insert(1, "first");
    for (int i = 0; i < 20; ++i) store.insert_many(1000 + i * 1000, 1000);
  }
  const auto answer = cli.run({"events", "--store", folder, "--backwards", "--stream",
                               "shop.public.orders", "--key", "1", "--json"});
  CHECK(answer.code == 0);
  CHECK(line_count(answer.out) == 1);
  CHECK(answer.out.starts_with("{\"position\":1,"));
  const auto all = cli.run({"events", "--store", folder, "--backwards", "--json"});
  CHECK(line_count(all.out) == 20'002);
  CHECK(all.out.starts_with("{\"position\":20001,"));
}

TEST_CASE("events: follow prints what is there and ends at its limit") {
  Shop shop("events_follow");
  CHECK(shop.positions({"--follow", "--limit", "8"}) == Positions{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(shop.positions({"--follow", "--limit", "1", "--from", "7", "--stream", "shop.*"}) ==
        Positions{7});
}

TEST_CASE("events: for people it is a table, and an update says what changed") {
  Shop shop("events_table");
  const auto answer = shop.run_on({"events", "--from", "3", "--limit", "1"});
  CHECK(answer.code == 0);
  CHECK(answer.out ==
        "position  time                         stream              type    key  change\n"
        "       3  " +
            print_time(ShopStore::time_of(2)) +
            "  shop.public.orders  update  1    status: new → paid\n");
}

TEST_CASE("events: --format flat prints outgoing records") {
  Shop shop("events_record");
  const auto answer = shop.run_on({"events", "--from", "1", "--limit", "1", "--format", "flat"});
  CHECK(answer.code == 0);
  CHECK(answer.out.starts_with(
      R"({"topic":"shop.public.orders","key":"{\"id\":1}","value":"{\"position\":1,)"));
  CHECK(answer.out.ends_with("\",\"headers\":{}}\n"));
}

TEST_CASE("events: a stream that does not exist is answered with the nearest name") {
  Shop shop("events_no_stream");
  const auto answer = shop.run_on({"events", "--stream", "shop.public.order"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "`shop.public.order` (did you mean `shop.public.orders`?)"));
}

TEST_CASE("events: a type that does not exist is answered with the nearest one") {
  Shop shop("events_no_type");
  const auto answer = shop.run_on({"events", "--type", "updates"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "`updates` (did you mean `update`?)"));
}

TEST_CASE("events: a key needs one stream, and must be one of its keys") {
  Shop shop("events_key");
  CHECK(shop.run_on({"events", "--key", "1"}).code == 2);
  CHECK(shop.run_on({"events", "--stream", "shop.*", "--key", "1"}).code == 2);
  const auto answer = shop.run_on({"events", "--stream", "shop.public.orders", "--key", "one"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "id"));
}

TEST_CASE("events: what is neither a position nor a time is wrong usage") {
  Shop shop("events_place");
  for (const char* const wrong : {"yesterday", "12x", "99999999999999999999", "-5"}) {
    CAPTURE(wrong);
    const auto answer = shop.run_on({"events", "--from", wrong});
    CHECK(answer.code == 2);
    CHECK(contains(answer.err, "--from"));
  }
}

TEST_CASE("state: the newest rows") {
  Shop shop("state_now");
  const auto answer = shop.run_on({"state", "shop.public.orders", "--json"});
  CHECK(answer.code == 0);
  CHECK(answer.out ==
        "{\"key\":{\"id\":1},\"row\":{\"id\":1,\"status\":\"sent\"},\"position\":4,\"revision\":4}"
        "\n");
}

TEST_CASE("state: the rows as they were at a position and at a time") {
  Shop shop("state_then");
  for (const std::string& at : {std::string("2"), print_time(ShopStore::time_of(1))}) {
    CAPTURE(at);
    const auto answer = shop.run_on({"state", "shop.public.orders", "--at", at, "--json"});
    CHECK(answer.code == 0);
    CHECK(line_count(answer.out) == 2);
    CHECK(contains(answer.out, R"({"id":1,"status":"new"})"));
    CHECK(contains(answer.out, R"({"id":2,"status":"new"})"));
  }
}

TEST_CASE("state: before the first event there are no rows") {
  Shop shop("state_before");
  const auto answer = shop.run_on({"state", "shop.public.orders", "--at", "2001-01-01"});
  CHECK(answer.code == 0);
  CHECK(answer.out.empty());
  CHECK(contains(answer.err, "no rows"));
}

TEST_CASE("state: one row by its key") {
  Shop shop("state_key");
  CHECK(line_count(shop.run_on({"state", "shop.public.orders", "--key", "1", "--json"}).out) == 1);
  CHECK(shop.run_on({"state", "shop.public.orders", "--key", "2", "--json"}).out.empty());
  CHECK(shop.run_on({"state", "shop.public.orders", "--key", "x"}).code == 2);
}

TEST_CASE("state: for people it is a table, with the count beside it") {
  Shop shop("state_table");
  const auto answer = shop.run_on({"state", "shop.public.orders"});
  CHECK(answer.out == "id  status\n 1  sent\n");
  CHECK(answer.err == "shop.public.orders: 1 row after position 7\n");
}

TEST_CASE("history: every version of a row, with what each changed") {
  Shop shop("history_table");
  const auto answer = shop.run_on({"history", "shop.public.orders", "1"});
  CHECK(answer.code == 0);
  CHECK(line_count(answer.out) == 4);
  CHECK(contains(answer.out, "id=1  status=new"));
  CHECK(contains(answer.out, "status: new → paid"));
  CHECK(contains(answer.out, "status: paid → sent"));
  CHECK(contains(answer.out, "702"));
}

TEST_CASE("history: as JSON each version has the whole row, and none once it is deleted") {
  Shop shop("history_json");
  const auto answer = shop.run_on({"history", "shop.public.orders", "2", "--json"});
  CHECK(answer.code == 0);
  CHECK(line_count(answer.out) == 2);
  CHECK(contains(answer.out, ",\"row\":{\"id\":2,\"status\":\"new\"}}\n"));
  CHECK(answer.out.ends_with(",\"row\":null}\n"));
}

TEST_CASE("history: a row that never was has none") {
  Shop shop("history_none");
  const auto answer = shop.run_on({"history", "shop.public.orders", "77", "--json"});
  CHECK(answer.code == 0);
  CHECK(answer.out.empty());
}

TEST_CASE("replay: JSON lines to standard output, and nothing else there") {
  Shop shop("replay_stdout");
  const auto answer = shop.run_on({"replay", "--into", "-", "--stream", "shop.public.orders"});
  CHECK(answer.code == 0);
  CHECK(line_count(answer.out) == 6);
  CHECK(answer.out.starts_with("{\"position\":0,"));
  CHECK(contains(answer.err, "replayed"));
}

TEST_CASE("replay: into a file, which is not overwritten") {
  Shop shop("replay_file");
  const std::string file = shop.folder + "-history.jsonl";
  REQUIRE(shop.disk->exists(file));
  const std::vector<std::string> arguments = {"replay", "--into", "jsonl:" + file, "--until", "3"};
  CHECK(shop.run_on(arguments).code == 0);
  CHECK(line_count(testing::content_of(file)) == 4);
  const auto again = shop.run_on(arguments);
  CHECK(again.code == 5);
  CHECK(contains(again.err, file));
}

TEST_CASE("replay: into SQLite, and again goes on where it stopped") {
  Shop shop("replay_sqlite");
  const std::string file = shop.folder + "-now.db";
  const auto part = shop.run_on({"replay", "--into", "sqlite:" + file, "--until", "3"});
  CHECK_MESSAGE(part.code == 0, part.err);
  CHECK(contains(part.err, "applied 4 events, up to position 3"));
  const auto rest = shop.run_on({"replay", "--into", "sqlite:" + file});
  CHECK_MESSAGE(rest.code == 0, rest.err);
  CHECK(contains(rest.err, "applied 4 events, up to position 7"));
}

TEST_CASE("replay: a target that is none is wrong usage that tells what there is") {
  Shop shop("replay_target");
  for (const char* const wrong : {"orders.db", "sqlite:", "jsonl:", "mysql://x", ""}) {
    CAPTURE(wrong);
    CHECK(shop.run_on({"replay", "--into", wrong}).code == 2);
  }
}

TEST_CASE("store verify: a whole store is said to be whole") {
  Shop shop("verify_whole");
  const auto answer = shop.run_on({"store", "verify"});
  CHECK(answer.code == 0);
  CHECK(contains(answer.out, "The store is whole"));
  CHECK_MESSAGE(contains(answer.err, " KiB in "), answer.err);  // of 1 MiB, mostly zeros
  const auto json = shop.run_on({"store", "verify", "--json"});
  CHECK(contains(json.out, R"({"events":8,"position":7,)"));
  CHECK(contains(json.out, R"("whole":true,"damage":[],"warnings":[]})"));
}

TEST_CASE("store verify: a flipped bit is exit code 3, with segment, offset and position") {
  Shop shop("verify_rot");
  const std::string segment = shop.folder + "/segments/00000001-0.log";
  const std::string content = testing::content_of(segment);
  const std::size_t used = content.find_last_not_of('\0');
  REQUIRE(used != std::string::npos);
  auto file = shop.disk->open_write(segment);
  REQUIRE(file);
  const char flipped = static_cast<char>(content[used / 2] ^ 1);
  REQUIRE((*file)->write(used / 2, std::string(1, flipped)));
  const auto answer = shop.run_on({"store", "verify"});
  CHECK(answer.code == 3);
  CHECK(contains(answer.err, "segment"));
  CHECK(contains(answer.err, "position"));
}

TEST_CASE("store stats: counts, as a table and as JSON") {
  Shop shop("stats");
  const auto answer = shop.run_on({"store", "stats", "--json"});
  CHECK(answer.code == 0);
  CHECK(answer.out.starts_with("{\"position\":7,\"bytes\":"));
  CHECK(answer.out.ends_with(",\"durable\":8,\"changed_streams\":[]}\n"));
  CHECK(contains(shop.run_on({"store", "stats"}).out, "shop    lsn 0/1006"));
}

TEST_CASE("source status: a source that nobody runs is stopped where the store stands") {
  Shop shop("status_stopped");
  const auto answer = shop.run_on({"source", "status", "--json"});
  CHECK(answer.code == 0);
  CHECK(answer.out ==
        R"({"source":"shop","state":"stopped","position":8,"confirmed":"lsn 0/1006",)"
        R"("lag_bytes":null,"lag_seconds":null,"retained_bytes":null,"wal_status":null,)"
        R"("safe_wal_bytes":null,"loads_open":0})"
        "\n");
}

}  // namespace tidelog
