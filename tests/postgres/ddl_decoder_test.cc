// The change decoder with what event triggers say, and with tables that become others unsaid.
#include <doctest/doctest.h>

#include <algorithm>

#include "connectors/postgres/change_decoder.h"
#include "tests/postgres/fake_catalog.h"
#include "tests/postgres/messages.h"
#include "tests/support/recording_handler.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

constexpr std::uint32_t mood = 16'390;

std::string field(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string(text);
}

// A table with one key column.
std::string touched(std::uint32_t oid, std::string_view was, std::string_view now) {
  return field("table") + field(was.empty() ? "" : "public") + field(was) +
         field(std::to_string(oid)) + field("public") + field(now) + field("d") + field("1") +
         field("id") + field("23") + field("-1") + field("integer") + field("23") + field("np");
}

std::string dropped(std::uint32_t oid, std::string_view table) {
  return field("dropped") + field(std::to_string(oid)) + field("public") + field(table);
}

std::string ddl(std::string_view command, const std::vector<std::string>& objects,
                std::string_view token = "secret", std::string_view problem = "") {
  std::string content = field("1") + field(token) + field(problem) + field(command) +
                        field("alter …") + field(std::to_string(objects.size()));
  for (const std::string& object : objects) content += object;
  return logical_message(true, 0x2000, "tidelog.ddl", content);
}

std::string relation(std::uint32_t oid, std::string_view table,
                     std::uint32_t type = testing::int4) {
  return relation_message(oid, "public", table, 'd', {{true, "id", type}});
}

struct Fixture {
  explicit Fixture(TableChoice choice = {})
      : decoder({PostgresResume::Phase::streaming, 42, 1, Lsn{100}, "tidelog_shop"},
                std::move(choice), catalog, handler) {
    catalog.has_ids = true;
  }
  FakeCatalog catalog;
  RecordingHandler handler;
  ChangeDecoder decoder;
  std::uint64_t next_lsn = 1'000;

  void transaction(const std::vector<std::string>& messages) {
    const auto decode = [this](const std::string& message) {
      return decoder.decode(message, {Lsn{next_lsn}, UnixMicros{77}});
    };
    REQUIRE(decode(begin_message(next_lsn, 5, 771)));
    for (const std::string& message : messages) REQUIRE(decode(message));
    REQUIRE(decode(commit_message(next_lsn, next_lsn + 10, 5)));
    next_lsn += 100;
  }
  // "insert public.orders", one for each event.
  std::vector<std::string> events() const {
    std::vector<std::string> all;
    for (const RecordedEvent& event : handler.events())
      all.push_back(std::string(name_of(event.type)) + " " + event.stream);
    return all;
  }
  std::string reason(std::size_t event) const {
    return std::string(
        find_attribute(handler.events().at(event).attributes, Attribute::reason).value_or(""));
  }
};

TableChoice only(const std::vector<std::string>& tables) {
  auto choice = parse_table_choice(tables, {});
  REQUIRE(choice);
  return *std::move(choice);
}

TEST_CASE("ddl: a statement is an event of its transaction, between the rows before and after") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"}),
                 ddl("ALTER TABLE", {touched(orders, "orders", "orders")}),
                 relation(orders, "orders"), insert_message(orders, {"t2"})});
  CHECK(f.events() ==
        std::vector<std::string>{"insert public.orders", "ddl $source", "insert public.orders"});
  const auto events = f.handler.events();
  CHECK(events[1].ordinal == 1);
  CHECK(events[2].ordinal == 2);
  CHECK(events[1].body == "alter …");
  CHECK(find_attribute(events[1].attributes, Attribute::name) == "ALTER TABLE");
  const auto tables = read_names(find_attribute(events[1].attributes, Attribute::tables).value());
  REQUIRE(tables);
  CHECK(*tables == std::vector<std::string>{"public.orders"});
}

TEST_CASE("ddl: what was said of a table last is what its rows are described with") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  CHECK(f.catalog.told.empty());
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "orders")}),
                 relation(orders, "orders"), insert_message(orders, {"t2"})});
  CHECK(f.catalog.told == "public.orders");
}

TEST_CASE("ddl: a relation with types of users is described anew, also when it is not sent again") {
  Fixture f;
  f.transaction({relation(orders, "orders", mood), insert_message(orders, {"tsad"})});
  CHECK(f.catalog.asked == 1);
  f.transaction(
      {ddl("ALTER TYPE", {touched(orders, "orders", "orders")}), insert_message(orders, {"tsad"})});
  CHECK(f.catalog.asked == 2);
}

TEST_CASE("ddl: a message with another token is anybody's") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"}),
                 ddl("DROP TABLE", {dropped(orders, "orders")}, "guessed")});
  CHECK(f.events() == std::vector<std::string>{"insert public.orders", "message $source"});
}

TEST_CASE("ddl: a message that only begins like theirs is anybody's") {
  Fixture f;
  f.transaction({logical_message(true, 0x2000, "tidelog.ddl", "1:1 and more")});
  CHECK(f.events() == std::vector<std::string>{"message $source"});
}

TEST_CASE("ddl: of tables that are not captured there is no event") {
  Fixture f(only({"public.orders"}));
  f.transaction({ddl("ALTER TABLE", {touched(9, "others", "others")}),
                 ddl("DROP TABLE", {dropped(9, "others")}), ddl("CREATE TYPE", {})});
  CHECK(f.events() == std::vector<std::string>{"ddl $source"});
  CHECK(find_attribute(f.handler.events()[0].attributes, Attribute::name) == "CREATE TYPE");
}

TEST_CASE("ddl: what could not be described is told, and nothing said before counts any more") {
  Fixture f;
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "orders")}),
                 ddl("ALTER TABLE", {}, "secret", "out of memory"), relation(orders, "orders"),
                 insert_message(orders, {"t1"})});
  CHECK(f.reason(1) == "out of memory");
  CHECK(f.catalog.told.empty());
}

TEST_CASE("ddl: a message of the triggers that cannot be read is told, and is nobody else's") {
  Fixture f;
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "orders")}),
                 logical_message(true, 0x2000, "tidelog.ddl", "1:26:secretand more"),
                 relation(orders, "orders"), insert_message(orders, {"t1"})});
  CHECK(f.events() ==
        std::vector<std::string>{"ddl $source", "ddl $source", "insert public.orders"});
  CHECK_FALSE(f.reason(1).empty());
  CHECK(f.catalog.told.empty());
}

TEST_CASE("ddl: where values are transformed, texts of statements are not stored") {
  Fixture f;
  f.catalog.transforms = {{TransformRule::Kind::mask, {"*.*.note"}}};
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "orders")})});
  CHECK(f.handler.events().at(0).body == "");
  // Also of triggers that are not believed.
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "orders")}, "another")});
  CHECK(f.events().at(1) == "message $source");
  CHECK(f.handler.events().at(1).body == "");
}

TEST_CASE("ddl: a table that is dropped ends its stream, which says why") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({ddl("DROP TABLE", {dropped(orders, "orders")})});
  CHECK(f.events() ==
        std::vector<std::string>{"insert public.orders", "ddl $source", "truncate public.orders"});
  CHECK(f.reason(2) == "the table was dropped");
}

TEST_CASE("ddl: a table that is made anew goes on in the stream that had ended, with a load") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"}),
                 ddl("DROP TABLE", {dropped(orders, "orders")}),
                 ddl("CREATE TABLE", {touched(orders + 1, "", "orders")}),
                 relation(orders + 1, "orders"), insert_message(orders + 1, {"t2"})});
  CHECK(f.events() == std::vector<std::string>{"insert public.orders", "ddl $source",
                                               "truncate public.orders", "ddl $source",
                                               "load_step public.orders", "insert public.orders"});
}

TEST_CASE("ddl: a table that is renamed ends one stream, and begins the other with a load") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "purchases")}),
                 relation(orders, "purchases"), insert_message(orders, {"t2"})});
  CHECK(f.events() ==
        std::vector<std::string>{"insert public.orders", "ddl $source", "truncate public.orders",
                                 "load_step public.purchases", "insert public.purchases"});
  CHECK(f.reason(2) == "the table was renamed to public.purchases");
}

TEST_CASE("ddl: a table that takes a name that is not captured only ends its stream") {
  Fixture f(only({"public.orders"}));
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"}),
                 ddl("ALTER TABLE", {touched(orders, "orders", "old")}), relation(orders, "old"),
                 insert_message(orders, {"t2"})});
  CHECK(f.events() ==
        std::vector<std::string>{"insert public.orders", "ddl $source", "truncate public.orders"});
}

TEST_CASE("ddl: two tables that change places are both loaded") {
  Fixture f;
  f.transaction({relation(orders, "a"), insert_message(orders, {"t1"}), relation(9, "b"),
                 insert_message(9, {"t2"})});
  f.transaction({ddl("ALTER TABLE", {touched(orders, "a", "c")}),
                 ddl("ALTER TABLE", {touched(9, "b", "a")}),
                 ddl("ALTER TABLE", {touched(orders, "c", "b")}), relation(orders, "b"),
                 insert_message(orders, {"t3"}), relation(9, "a"), insert_message(9, {"t4"})});
  const auto all = f.events();
  CHECK(std::ranges::count(all, "load_step public.a") == 1);
  CHECK(std::ranges::count(all, "load_step public.b") == 1);
  CHECK(all.back() == "insert public.a");
}

TEST_CASE("decoder: another table under the same name ends the stream, and is loaded") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({relation(orders + 1, "orders"), insert_message(orders + 1, {"t2"})});
  f.transaction({insert_message(orders + 1, {"t3"})});
  CHECK(f.events() == std::vector<std::string>{"insert public.orders", "truncate public.orders",
                                               "load_step public.orders", "insert public.orders",
                                               "insert public.orders"});
  CHECK(f.reason(1) == "the table is another one of the same name");
}

TEST_CASE("decoder: a table that comes under another name ends one stream and begins the other") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({relation(orders, "purchases"), insert_message(orders, {"t2"})});
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t3"})});
  CHECK(f.events() == std::vector<std::string>{"insert public.orders", "truncate public.orders",
                                               "load_step public.purchases",
                                               "insert public.purchases",
                                               "truncate public.purchases",
                                               "load_step public.orders", "insert public.orders"});
}

TEST_CASE("decoder: two tables that swap names unsaid both end, and both are loaded") {
  for (const bool first_is_orders : {false, true}) {
    CAPTURE(first_is_orders);
    Fixture f;
    f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
    f.transaction({relation(orders + 1, "orders_new"), insert_message(orders + 1, {"t2"})});
    std::vector<std::string> rows = {relation(orders + 1, "orders"),
                                     insert_message(orders + 1, {"t3"})};
    const std::vector<std::string> others = {relation(orders, "orders_new"),
                                             insert_message(orders, {"t4"})};
    rows.insert(first_is_orders ? rows.end() : rows.begin(), others.begin(), others.end());
    f.transaction(rows);
    f.transaction({insert_message(orders, {"t5"}), insert_message(orders + 1, {"t6"})});
    std::vector<std::string> events = f.events();
    CHECK(std::ranges::count(events, "load_step public.orders") == 1);
    CHECK(std::ranges::count(events, "load_step public.orders_new") == 1);
    CHECK(std::ranges::count(events, "truncate public.orders") == 1);
    CHECK(std::ranges::count(events, "truncate public.orders_new") == 1);
  }
}

TEST_CASE("decoder: a table that is renamed and gets its name back is announced anew") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "turned")}),
                 ddl("ALTER TABLE", {touched(orders, "turned", "orders")}),
                 relation(orders, "orders"), insert_message(orders, {"t2"})});
  CHECK(f.handler.known_table("public.orders")->schema.table_id == orders);
  CHECK_FALSE(f.handler.known_table("public.orders")->schema.ended);
}

TEST_CASE("ddl: a rename that is told when its rows came already ends nothing") {
  Fixture f;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.transaction({relation(orders, "purchases"), insert_message(orders, {"t2"})});
  const std::size_t before = f.events().size();
  f.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "purchases")}),
                 relation(orders, "purchases"), insert_message(orders, {"t3"})});
  const std::vector<std::string> events = f.events();
  CHECK(std::vector(events.begin() + static_cast<std::ptrdiff_t>(before), events.end()) ==
        std::vector<std::string>{"ddl $source", "insert public.purchases"});
}

TEST_CASE("ddl: a table without a row that is dropped or renamed ends its load") {
  Fixture f;
  f.transaction({ddl("DROP TABLE", {dropped(orders, "orders")}),
                 ddl("ALTER TABLE", {touched(orders + 1, "before", "after")})});
  CHECK(f.handler.ended_loads() == std::vector<std::string>{"public.orders", "public.before"});
}

// It was published, and its load begun, before what happened to the one before it was read.
TEST_CASE("ddl: a table that has the name of one that is over by now is loaded") {
  Fixture f;
  f.catalog.replaced = "orders";
  f.transaction({ddl("DROP TABLE", {dropped(orders, "orders")})});
  CHECK(f.handler.ended_loads() == std::vector<std::string>{"public.orders"});
  CHECK(f.events() == std::vector<std::string>{"ddl $source", "load_step public.orders"});
  Fixture with_rows;
  with_rows.catalog.replaced = "orders";
  with_rows.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  with_rows.transaction({ddl("ALTER TABLE", {touched(orders, "orders", "before")})});
  CHECK(with_rows.events() ==
        std::vector<std::string>{"insert public.orders", "ddl $source", "truncate public.orders",
                                 "load_step public.orders", "load_step public.before"});
}

TEST_CASE("decoder: a table whose id was not stored is taken for the same") {
  Fixture f;
  f.catalog.has_ids = false;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
  f.catalog.has_ids = true;
  f.transaction({relation(orders, "orders"), insert_message(orders, {"t2"})});
  CHECK(f.events() == std::vector<std::string>{"insert public.orders", "insert public.orders"});
}

TEST_CASE("decoder: a table that takes a name without rules stops, also on another connection") {
  const std::string key = "a key of more than 16 bytes";
  for (const bool has_triggers : {false, true}) {
    for (const std::string columns : {"public.orders.id", "public.*.id"}) {
      Fixture f;
      f.catalog.transforms = {{TransformRule::Kind::hash, {columns}, {}, key}};
      f.transaction({relation(orders, "orders"), insert_message(orders, {"t1"})});
      ChangeDecoder next({PostgresResume::Phase::streaming, 42, 1, Lsn{2'000}, "tidelog_shop"},
                         TableChoice(), f.catalog, f.handler);
      const auto decode = [&](const std::string& message) {
        return next.decode(message, {Lsn{2'000}, UnixMicros{77}});
      };
      REQUIRE(decode(begin_message(2'000, 5, 772)));
      Status done;
      if (has_triggers) {
        done = decode(ddl("ALTER TABLE", {touched(orders, "orders", "purchases")}));
      } else {
        REQUIRE(decode(relation(orders, "purchases")));
        done = decode(insert_message(orders, {"t2"}));
      }
      if (columns == "public.*.id") {
        CHECK(done);
        continue;
      }
      REQUIRE_FALSE(done);
      CHECK(done.error().code == Code::misconfigured);
      CHECK(done.error().what.find("the table public.orders is called public.purchases now") !=
            std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
