#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog {
namespace {

using testing::CliFixture;
using testing::contains;

constexpr const char* first_id = "6f1c8f9e-52c1-4d0b-9f7e-2b1d6a3c4e5f";
constexpr const char* second_id = "00000000-0000-4000-8000-00000000000a";

struct Appending : CliFixture {
  explicit Appending(const std::string& purpose)
      : folder(testing::scratch_folder(purpose).string()) {}

  Answer append(const std::string& stream, const std::string& lines,
                std::vector<std::string> options = {}) {
    const std::string file = folder + "/lines.jsonl";
    std::ofstream(file) << lines;
    std::vector<std::string> arguments = {"append", stream, file, "--store", store(), "--create"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments);
  }
  Answer events(std::vector<std::string> options = {}) {
    std::vector<std::string> arguments = {"events", "--store", store(), "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments);
  }
  std::string store() const { return folder + "/store"; }

  std::string folder;
};

std::ptrdiff_t lines_in(const std::string& text) { return std::ranges::count(text, '\n'); }

std::string line(const std::string& id, const std::string& rest) {
  return R"({"id":")" + id + R"(",)" + rest + "}\n";
}

}  // namespace

TEST_CASE("append command: lines become events, data letter for letter") {
  Appending f("append-lines");
  const auto answer = f.append(
      "order-7",
      line(first_id, R"("type":"OrderPlaced","data":{"b":1.50,"a":[1, "}\""]},"key":"k",)"
                     R"("metadata":{"user":"ann"},"correlation_id":"c","causation_id":"d")") +
          "\n" +
          line(second_id, R"("type":"Note","content_type":"text/plain","data":"plain \"text\"")"),
      {"--json"});
  CHECK_MESSAGE(answer.code == 0, answer.err);
  CHECK(answer.out ==
        R"({"stream":"order-7","position":0,"events":2,"revision":1,"repeated":false})"
        "\n");
  const auto events = f.events();
  CHECK(contains(events.out, R"("type":"OrderPlaced")"));
  CHECK(contains(events.out, std::string(R"("id":")") + first_id +
                                 R"(","key":"k","content_type":"application/json",)"
                                 R"("data":{"b":1.50,"a":[1,"}\""]},"metadata":{"user":"ann"},)"
                                 R"("correlation_id":"c","causation_id":"d","source":null})"));
  CHECK(contains(events.out,
                 R"("content_type":"text/plain","data":"plain \"text\"","source":null})"));
  CHECK(contains(f.events({"--type", "Note"}).out, second_id));
  CHECK(!contains(f.events({"--type", "Note"}).out, first_id));
  CHECK(contains(f.events({"--stream", "order-7", "--key", "k"}).out, first_id));
  const auto table = f.run({"events", "--store", f.store()});
  CHECK(contains(table.out, "OrderPlaced"));
  CHECK(f.run({"store", "verify", "--store", f.store()}).code == 0);
}

TEST_CASE("append command: data and metadata are any JSON, also beyond doubles and Unicode") {
  Appending f("append-any-json");
  const auto answer =
      f.append("s", line(first_id, R"("type":"T","data":[1e999,"\ud800"],"metadata":-0.0E-999)"));
  CHECK_MESSAGE(answer.code == 0, answer.err);
  CHECK(contains(f.events().out, R"("data":[1e999,"\ud800"],"metadata":-0.0E-999)"));
}

TEST_CASE(
    "append command: a conflict is exit code 5 with the actual revision, and appends nothing") {
  Appending f("append-conflict");
  const std::string event = line(first_id, R"("type":"T","data":1)");
  const std::string other = line(second_id, R"("type":"T","data":1)");
  CHECK(f.append("s", event, {"--expected-revision", "no-stream"}).code == 0);
  const auto again = f.append("s", event, {"--expected-revision", "no-stream"});
  CHECK(again.code == 0);
  CHECK(contains(again.out, "repeated: 1 event were already in stream s"));
  const auto conflict = f.append("s", other, {"--expected-revision", "4", "--json"});
  CHECK(conflict.code == 5);
  CHECK(contains(conflict.err, "stream s is at revision 0, expected 4"));
  CHECK(conflict.out == R"({"stream":"s","conflict":"revision","expected":"4","actual":0})"
                        "\n");
  const auto missing = f.append("t", other, {"--expected-revision", "exists", "--json"});
  CHECK(missing.code == 5);
  CHECK(contains(missing.out, R"("actual":null)"));
  const auto other_data = f.append("s", line(first_id, R"("type":"T","data":2)"), {"--json"});
  CHECK(other_data.code == 5);
  CHECK(contains(other_data.out, R"("conflict":"other_event")"));
  CHECK(contains(other_data.out, R"("position":0)"));
  CHECK(f.append("s", other, {"--expected-revision", "0"}).code == 0);
}

TEST_CASE("append command: a bad line is named, and nothing of the append is stored") {
  Appending f("append-bad-lines");
  const std::string good = R"({"type":"T","data":1})"
                           "\n";
  using namespace std::string_literals;
  const struct {
    std::string line;
    const char* what;
  } rows[] = {
      {"{", "line 3: not valid JSON"},
      {"{\"type\":\"T\"}\0 more"s, "line 3: not valid JSON"},
      {R"({"type":"\ud800"})", R"(line 3: "\ud800" is no Unicode text)"},
      {"[]", "line 3: expected a JSON object"},
      {R"({"data":1})", "line 3: the event has no `type`"},
      {R"({"type":1})", "line 3: `type` must be a string, found 1"},
      {R"({"type":"T","dta":1})", "line 3: unknown member `dta` (did you mean `data`?)"},
      {R"({"type":"T","type":"U"})", "line 3: `type` is given twice"},
      {R"({"type":"T","id":"7"})", "line 3: `id` must be a UUID"},
      {R"({"type":"T","content_type":"text/plain","data":{}})", "`data` must be a string"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    const auto answer = f.append("s", good + "\n" + row.line + "\n");
    CHECK(answer.code == 2);
    CHECK_MESSAGE(contains(answer.err, row.what), answer.err);
  }
  CHECK(f.append("s", "\n").code == 2);
  CHECK(f.append("s", good + good, {"--event-id", first_id}).code == 2);
  CHECK(f.append("s", good, {"--event-id", "x"}).code == 2);
  CHECK(f.append("s", good, {"--expected-revision", "-1"}).code == 2);
  CHECK(f.append("a$b", good).code == 2);
  CHECK(f.events().out.empty());
  CHECK(f.run({"append", "s", "--store", f.folder + "/none"}).code == 2);
}

TEST_CASE("append command: each line can be an append of its own, in order") {
  Appending f("append-each");
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += R"({"data":)" + std::to_string(i) + "}\n";
  const auto answer =
      f.append("s", lines, {"--each", "--type", "T", "--expected-revision", "no-stream", "--json"});
  CHECK_MESSAGE(answer.code == 0, answer.err);
  for (int i = 0; i < 300; ++i) {
    CHECK(contains(answer.out, R"("position":)" + std::to_string(i) + R"(,"events":1,"revision":)" +
                                   std::to_string(i) + ","));
  }
  const auto wrong = f.append("s", lines, {"--each", "--type", "T", "--expected-revision", "7"});
  CHECK(wrong.code == 5);
  CHECK(contains(wrong.err, "line 1: stream s is at revision 299, expected 7"));
}

TEST_CASE("append command: beside another writer it says who holds the store") {
  Appending f("append-locked");
  const testing::ShopStore holder(*f.disk, f.clock, f.store());
  const auto answer = f.append("s", R"({"type":"T"})"
                                    "\n");
  CHECK(answer.code == 5);
}

TEST_CASE("append command: types that are called like ours, or almost, are found by them") {
  Appending f("append-types");
  REQUIRE(f.append("order-7", R"({"type":"insert"})"
                              "\n"
                              R"({"type":"updated","data":1})"
                              "\n"
                              R"({"type":"insert"})"
                              "\n")
              .code == 0);
  CHECK(lines_in(f.events({"--type", "insert"}).out) == 2);
  CHECK(lines_in(f.events({"--type", "updated"}).out) == 1);
  CHECK(lines_in(f.events({"--type", "insert", "--type", "updated"}).out) == 3);
  const auto none = f.events({"--type", "deleted"});
  CHECK(none.code == 2);
  CHECK_MESSAGE(contains(none.err, "did you mean `delete`?"), none.err);
}

TEST_CASE("append command: what an application's stream is not, is said") {
  Appending f("append-no-table");
  REQUIRE(f.append("order-7", R"({"type":"Note"})"
                              "\n")
              .code == 0);
  const auto state = f.run({"state", "order-7", "--store", f.store()});
  CHECK(state.code == 2);
  CHECK_MESSAGE(
      contains(state.err, "order-7 has an application's events, and no rows: it is not a table"),
      state.err);
  const auto replay =
      f.run({"replay", "--store", f.store(), "--into", "sqlite:" + f.folder + "/tables.db"});
  CHECK(replay.code == 0);
  CHECK_MESSAGE(contains(replay.err, "applied 0 events"), replay.err);
  CHECK_MESSAGE(contains(replay.err, "1 events of applications are passed over"), replay.err);
}

}  // namespace tidelog
