// Orders to sources that work, or will: pause, resume, skip.
#include <doctest/doctest.h>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

void order(Shop& shop, const std::string& what) {
  const Finished done = shop.tidelog({"source", what, "shop"});
  CHECK_MESSAGE(done.code == 0, done.errors);
}

bool is_paused(Shop& shop) { return contains(shop.status(), "\"state\":\"paused\""); }

// No sound server prints such a date: the type's output function is another one.
void insert_bad_date(Shop& shop, int id) {
  shop.server.sql("insert into dues values (" + std::to_string(id) + ", '2026-11-24')");
}

}  // namespace

TEST_CASE(
    "source orders: a paused source keeps its slot, also over a restart, and misses nothing") {
  Shop shop;
  auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  order(shop, "pause");
  CHECK_MESSAGE(eventually(soon, [&] { return is_paused(shop); }), run->errors());
  shop.server.sql("insert into orders values (51, 'new')");
  CHECK(shop.server.sql("select active from pg_replication_slots") == Rows{{"f"}});
  CHECK(stopped(*run) == Exit{0, 0});

  run = shop.start("again");
  CHECK_MESSAGE(eventually(soon, [&] { return contains(run->errors(), "source paused"); }),
                run->errors());
  CHECK(eventually(soon, [&] { return is_paused(shop); }));
  CHECK(shop.rows("orders") == 50);
  CHECK(shop.server.sql("select active from pg_replication_slots") == Rows{{"f"}});
  order(shop, "resume");
  CHECK(eventually(soon, [&] { return shop.rows("orders") == 51; }));
  CHECK(eventually(soon, [&] { return shop.streams(); }));
  order(shop, "pause");
  CHECK(eventually(soon, [&] { return is_paused(shop); }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("source orders: a source that is paused holds back no more than it may") {
  Shop shop;
  shop.configure("[public.orders]", "    retained_wal: { max: 1 MiB, then: drop }\n");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  order(shop, "pause");
  REQUIRE_MESSAGE(eventually(soon, [&] { return is_paused(shop); }), run->errors());
  shop.server.sql(
      "create table unread as select n, repeat('x', 100) from generate_series(1, 20000) n");
  check_ended(*run, 2, {"the slot was dropped"});
  CHECK(shop.server.sql("select 1 from pg_replication_slots").empty());
  CHECK(shop.events("gap") == 1);
}

TEST_CASE(
    "source orders: what cannot be decoded is skipped with a gap, before a run and under it") {
  Shop shop;
  shop.server.sql("create table dues (id int primary key, due date)");
  shop.configure("[public.orders, public.dues]", "  - name: other\n    postgres: \"" + shop.url +
                                                     "\"\n    tables: [public.customers]\n");
  shop.server.sql(
      "create function date_as_number(date) returns cstring language internal immutable strict as "
      "'int4out'");
  auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 50; }), run->errors());
  shop.server.sql("update pg_type set typoutput = 'date_as_number' where oid = 'date'::regtype");
  insert_bad_date(shop, 1);
  shop.server.sql("insert into orders values (51, 'behind')");
  const auto fails = [&](std::size_t orders) {
    return eventually(soon, [&] {
      return contains(shop.status(), "\"state\":\"failed\"") && shop.rows("orders") == orders;
    });
  };
  REQUIRE_MESSAGE(fails(50), run->errors());
  order(shop, "skip");
  CHECK_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 51; }), run->errors());
  CHECK(shop.events("gap") == 1);

  insert_bad_date(shop, 2);
  shop.server.sql("insert into orders values (52, 'behind')");
  REQUIRE(fails(51));
  CHECK(stopped(*run) == Exit{0, 0});
  order(shop, "skip");
  run = shop.start("again");
  CHECK_MESSAGE(eventually(soon, [&] { return shop.rows("orders") == 52; }), run->errors());
  CHECK(shop.events("gap") == 2);
  CHECK(shop.rows("dues") == 0);
  CHECK(contains(shop.tidelog({"events", "--type", "gap", "--json"}).output,
                 "a transaction was skipped by order: "));
  CHECK(shop.tidelog({"source", "skip", "shop"}).code == 2);
  CHECK(stopped(*run) == Exit{0, 0});
}

}  // namespace tidelog::testing
