// What a source holds back of the server's log: nothing while it rests, and no more than the
// configuration allows while it cannot go on.
#include <doctest/doctest.h>

#include <charconv>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

PostgresServer::Options of_version(const std::string& version) {
  return {.settings = {}, .hba = {}, .version = version};
}

// The log cannot be let go of, though all that is committed was read.
SqlSession hold_log(Shop& shop) {
  SqlSession other = shop.server.session();
  other.sql("begin; insert into customers values (-1, 'never committed')");
  return other;
}

void write_three_mebibytes(Shop& shop) {
  shop.server.sql(
      "set client_min_messages = warning; create table if not exists unread (n int, filler text);"
      "insert into unread select n, repeat('x', 100) from generate_series(1, 20000) n");
}

void allow(Shop& shop, const std::string& rest) {
  shop.configure("[public.orders, public.customers]", "    retained_wal: { " + rest + " }\n");
}

// Processes of the server that do nothing, until this is gone.
class Frozen {
 public:
  Frozen(Shop& shop, const std::string& which) {
    for (const auto& row : shop.server.sql("select pid from pg_stat_activity where " + which)) {
      pid_t pid = 0;
      std::from_chars(row.at(0).data(), row.at(0).data() + row.at(0).size(), pid);
      if (pid > 0 && ::kill(pid, SIGSTOP) == 0) pids_.push_back(pid);
    }
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;
  ~Frozen() {
    for (const pid_t pid : pids_) ::kill(pid, SIGCONT);
  }
  std::size_t count() const { return pids_.size(); }

 private:
  std::vector<pid_t> pids_;
};

std::size_t slot_count(Shop& shop) {
  return shop.server.sql("select slot_name from pg_replication_slots").size();
}

}  // namespace

TEST_CASE("retained wal: status says what the slot holds back, and 0 s when all is read") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  const auto says = [&](const std::string& what) {
    return eventually(soon, [&] { return contains(shop.status(), what); });
  };
  CHECK(says("\"wal_status\":\"reserved\""));
  CHECK_FALSE(contains(shop.status(), "\"retained_bytes\":null"));
  CHECK(contains(shop.status(), "\"safe_wal_bytes\":null"));
  shop.server.sql("insert into orders values (51, 'new')");
  CHECK(eventually(soon, [&] { return shop.rows("orders") == 51; }));
  CHECK_MESSAGE(says("\"lag_bytes\":0,\"lag_seconds\":0.0"), shop.status());
  CHECK(contains(shop.tidelog({"source", "status"}).output, "reserved"));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("retained wal: over the ceiling a source warns, or stops, as it is told") {
  Shop shop;
  allow(shop, "max: 1 MiB");
  const std::string over = "the slot tidelog_shop holds back ";
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    const SqlSession holder = hold_log(shop);
    write_three_mebibytes(shop);
    CHECK(eventually(soon, [&] { return contains(shop.status(), "\"warning\":\"" + over); }));
    CHECK(contains(run->errors(), "source warns"));
    CHECK(shop.streams());
    CHECK(contains(shop.tidelog({"check"}).output, "warning: " + over));
    allow(shop, "max: 1 MiB, then: stop");
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.tidelog({"check"}).code == 2);
    check_refused(shop, 2, {over, "set a larger `retained_wal`"});
  }
  allow(shop, "max: 900 MiB, then: stop");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(slot_count(shop) == 1);
  CHECK(shop.events("gap") == 0);
}

TEST_CASE("retained wal: with `drop` the slot goes, a gap event says so, and the source stops") {
  Shop shop(of_version("18"));
  allow(shop, "max: 1 MiB, then: drop");
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  const SqlSession holder = hold_log(shop);
  write_three_mebibytes(shop);
  check_ended(*run, 2, {"`retained_wal` allows 1 MiB: the slot was dropped"});
  CHECK(slot_count(shop) == 0);
  CHECK(shop.events("gap") == 1);
  CHECK(contains(shop.tidelog({"events", "--type", "gap", "--json"}).output,
                 "`retained_wal` allows 1 MiB: the slot was dropped"));
  check_refused(shop, 2, {"does not exist any more"});
  CHECK(shop.events("gap") == 1);
  CHECK(shop.rows("orders") == 50);
}

TEST_CASE("retained wal: the slot goes also while the source waits for space on its own disk") {
  Shop shop;
  capture_and_stop(shop);
  shop.store_keys = ", disk_floor: 999999 GiB";
  allow(shop, "max: 1 MiB, then: drop");
  {
    const auto run = shop.start();
    int id = 51;  // the store looks at the disk once a second
    REQUIRE_MESSAGE(eventually(soon,
                               [&] {
                                 shop.server.sql("insert into orders values (" +
                                                 std::to_string(id++) + ", 'new')");
                                 return contains(run->errors(), "source waits");
                               }),
                    run->errors());
    write_three_mebibytes(shop);
    CHECK_MESSAGE(eventually(soon, [&] { return slot_count(shop) == 0; }), run->errors());
    const std::string told = "\"error\":\"the slot tidelog_shop holds back ";
    CHECK_MESSAGE(eventually(soon, [&] { return contains(shop.status(), told); }), shop.status());
    CHECK(contains(shop.status(), "this cannot be stored"));
    CHECK(stopped(*run) == Exit{0, 0});
  }
  shop.store_keys = "";
  allow(shop, "max: 1 MiB, then: drop");
  check_refused(shop, 2, {"does not exist any more"});
  CHECK(shop.events("gap") == 1);
}

TEST_CASE("retained wal: the slot of a source that has failed goes too, while others go on") {
  Shop shop;
  shop.configure("[public.orders]", "    retained_wal: { max: 1 MiB, then: drop }\n" +
                                        ("  - name: other\n    postgres: \"" + shop.url) +
                                        "\"\n    tables: [public.customers]\n");
  const auto run = shop.start();
  const auto says = [&](const std::string& what) {
    return eventually(soon, [&] { return contains(run->errors(), what); });
  };
  REQUIRE_MESSAGE(eventually(soon, [&] { return slot_count(shop) == 2 && shop.streams(); }),
                  run->errors());
  shop.server.sql("drop publication tidelog_shop; insert into orders values (51, 'new')");
  REQUIRE_MESSAGE(says("source stopped, others go on"), run->errors());
  CHECK(slot_count(shop) == 2);
  write_three_mebibytes(shop);
  CHECK_MESSAGE(says("slot dropped"), run->errors());
  CHECK(eventually(soon, [&] { return shop.events("gap") == 1; }));
  CHECK(slot_count(shop) == 1);
  CHECK(shop.streams());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE(
    "retained wal: a slot that the server invalidates under the stream is a gap that ends it") {
  for (const std::string& version : postgres_versions()) {
    const bool is_asleep = version == postgres_versions().back();
    CAPTURE(version);
    Shop shop({.settings = {"max_slot_wal_keep_size=1MB", "min_wal_size=32MB", "max_wal_size=32MB"},
               .hba = {},
               .version = version});
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    SqlSession holder = hold_log(shop);
    if (is_asleep) run->kill(SIGSTOP);
    for (int segment = 0; segment < 3; ++segment) {
      write_three_mebibytes(shop);
      shop.server.sql("select pg_switch_wal()");
    }
    shop.server.sql("checkpoint");
    CHECK(shop.server.sql("select wal_status from pg_replication_slots") == Rows{{"lost"}});
    if (is_asleep) run->kill(SIGCONT);
    check_ended(*run, 2, {"the slot tidelog_shop was invalidated", "pg_drop_replication_slot"});
    CHECK(shop.events("gap") == 1);
    CHECK(shop.rows("orders") == 50);
  }
}

TEST_CASE("retained wal: a server that hangs keeps neither the watch nor a stop waiting") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  REQUIRE(eventually(soon, [&] { return contains(shop.status(), "\"reserved\""); }));
  const Frozen frozen(shop, "application_name = 'tidelog_shop'");
  // With the next look at a server that says nothing any more.
  REQUIRE(frozen.count() == 2);
  CHECK(eventually(soon, [&] { return contains(shop.status(), "\"wal_status\":null"); }));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("retained wal: heartbeats are written as often as configured, and are no events") {
  Shop shop(of_version("18"));
  shop.server.sql("select pg_create_logical_replication_slot('spy', 'test_decoding')");
  shop.configure("[public.orders, public.customers]", "    heartbeat: 1 s\n");
  const auto run = shop.start();
  CHECK(eventually(soon, [&] {
    return shop.server
               .sql(
                   "select 1 from pg_logical_slot_peek_changes('spy', null, null) where data "
                   "like 'message: transactional: 0 prefix: tidelog%heartbeat'")
               .size() >= 3;
  }));
  shop.server.sql("select pg_logical_emit_message(false, 'tidelog', 'not a heartbeat')");
  CHECK(eventually(soon, [&] { return shop.events("message") == 1; }));
  CHECK(stopped(*run) == Exit{0, 0});
}

}  // namespace tidelog::testing
