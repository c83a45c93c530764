// What goes wrong with a real server: each gets one clear message with the way out, and nothing is
// lost.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/server_watch.h"
#include "tests/integration/postgres_capture.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The server that each case begins with: one table, and a role that may do no more than it must.
struct Shop {
  PostgresServer server;
  explicit Shop(const PostgresServer::Options& options = {}) : server(options) {
    server.sql("create table orders (id int primary key, note text)");
  }
  PostgresOptions options() { return options_for(server.url(), {"public.orders"}); }
  std::string url_of(const std::string& role, const std::string& password,
                     const std::string& database = "postgres") {
    const std::string tcp = server.url_tcp();  // postgresql://postgres@127.0.0.1:PORT/postgres
    const std::size_t at = tcp.find('@');
    const std::size_t slash = tcp.rfind('/');
    return "postgresql://" + role + ":" + password + tcp.substr(at, slash - at) + "/" + database;
  }
};

std::string check(const PostgresOptions& options, std::string_view stored = {}) {
  const auto findings = check_postgres(options, stored);
  REQUIRE(findings);
  return errors_in(*findings);
}

void become_standby(PostgresServer& server) {
  server.sql(
      "do $$ begin execute format('copy (select 1) to %L', current_setting('data_directory') || "
      "'/standby.signal'); end $$");
  server.restart(PostgresServer::Shutdown::fast);
}

Error prepare_error(const PostgresOptions& options, const std::string& stored = {}) {
  const auto source = postgres_source(options);
  const auto prepared = source->prepare(stored);
  REQUIRE_FALSE(prepared);
  return prepared.error();
}

TEST_CASE("postgres trouble: of a server that is as it should be only the connection is told") {
  Shop shop;
  const auto findings = check_postgres(shop.options(), {});
  REQUIRE(findings);
  REQUIRE(findings->size() == 1);
  CHECK(findings->front().severity == Finding::Severity::fine);
  CHECK(findings->front().what == "connected: over a Unix socket");
  CHECK(shop.server.sql("select count(*) from pg_publication").at(0).at(0) == "0");
}

TEST_CASE("postgres trouble: a wrong password, an unknown role, a missing database") {
  Shop shop({.settings = {}, .hba = {"host all clerk 127.0.0.1/32 scram-sha-256"}});
  shop.server.sql("create role clerk login password 'right'");
  PostgresOptions options = shop.options();
  options.connection = shop.url_of("clerk", "very-wrong-one");
  const Error wrong = prepare_error(options);
  CHECK(wrong.code == Code::misconfigured);
  CHECK(contains(wrong.what, "password authentication failed"));
  CHECK_FALSE(contains(wrong.what, "very-wrong-one"));
  options.connection = shop.url_of("postgres", "x", "nowhere");
  const Error missing = prepare_error(options);
  CHECK(missing.code == Code::misconfigured);
  CHECK(contains(missing.what, "\"nowhere\" does not exist"));
}

TEST_CASE("postgres trouble: a server that is not there is unavailable, with each host's reason") {
  const Error error =
      prepare_error(options_for("postgresql://nobody@127.0.0.1:1,127.0.0.1:2/db", {"public.a"}));
  CHECK(error.code == Code::unavailable);
  CHECK(contains(error.what, "port 1 failed"));
  CHECK(contains(error.what, "port 2 failed"));
}

TEST_CASE("postgres trouble: the first host that answers is used") {
  Shop shop;
  PostgresOptions options = shop.options();
  const std::string tcp = shop.server.url_tcp();
  const std::size_t at = tcp.find('@') + 1;
  options.connection = tcp.substr(0, at) + "127.0.0.1:1," + tcp.substr(at);
  CHECK(check(options).empty());
}

TEST_CASE("postgres trouble: wal_level is not logical") {
  Shop shop({.settings = {"wal_level=replica"}, .hba = {}});
  const std::string found = check(shop.options());
  CHECK(contains(found, "wal_level is replica"));
  CHECK(contains(found, "ALTER SYSTEM SET wal_level = logical; then restart the server"));
}

TEST_CASE("postgres trouble: on a provider's server the way out is the provider's") {
  Shop shop({.settings = {"wal_level=replica", "max_replication_slots=1"},
             .hba = {"host all clerk 127.0.0.1/32 trust", "host replication clerk all trust"}});
  shop.server.sql("select pg_create_physical_replication_slot('taken'); create role clerk login");
  PostgresOptions options = shop.options();
  options.connection = shop.url_of("clerk", "x");
  struct Provider {
    std::string role, log, slots, right;
  };
  for (const Provider& provider :
       {Provider{"rds_superuser", "rds.logical_replication = 1 in the instance's parameter group",
                 "max_replication_slots = 6 in the parameter group, and reboot",
                 "GRANT rds_replication TO \"clerk\";"},
        Provider{"cloudsqlsuperuser", "flag cloudsql.logical_decoding = on",
                 "flag max_replication_slots = 6, which restarts it",
                 "ALTER ROLE \"clerk\" REPLICATION;"},
        Provider{"azure_pg_admin", "server parameter wal_level = logical, and restart",
                 "server parameter max_replication_slots = 6, and restart",
                 "ALTER ROLE \"clerk\" REPLICATION;"}}) {
    shop.server.sql("create role " + provider.role);
    const std::string found = check(options);
    CHECK_MESSAGE(contains(found, provider.log), found);
    CHECK_MESSAGE(contains(found, provider.slots), found);
    CHECK_MESSAGE(contains(found, provider.right), found);
    CHECK_FALSE(contains(found, "ALTER SYSTEM"));
    shop.server.sql("drop role " + provider.role);
  }
}

TEST_CASE("postgres trouble: time limits of the server do not hold for our sessions") {
  const std::vector<std::string> limits = {"statement_timeout", "lock_timeout",
                                           "idle_in_transaction_session_timeout",
                                           "idle_session_timeout", "transaction_timeout"};
  Shop shop({.settings = {"statement_timeout=5s", "lock_timeout=5s", "transaction_timeout=5s",
                          "idle_in_transaction_session_timeout=5s", "idle_session_timeout=5s"},
             .hba = {},
             .version = "18"});
  for (const auto kind :
       {postgres::Connection::Kind::sql, postgres::Connection::Kind::replication}) {
    auto connection = postgres::Connection::open(shop.options(), kind);
    REQUIRE(connection);
    for (const std::string& limit : limits) {
      const auto answer = connection->command("SHOW " + limit);
      REQUIRE(answer);
      CHECK_MESSAGE(answer->text(0, 0) == "0", limit);
    }
  }
}

TEST_CASE("postgres trouble: a time after which the server gives up idle slots is warned of") {
  Shop shop({.settings = {"idle_replication_slot_timeout=1h"}, .hba = {}, .version = "18"});
  const auto findings = check_postgres(shop.options(), {});
  REQUIRE(findings);
  const auto warning = std::ranges::find(*findings, Finding::Severity::warning, &Finding::severity);
  REQUIRE(warning != findings->end());
  CHECK(contains(warning->what, "idle_replication_slot_timeout is 1h"));
  CHECK(warning->mend ==
        "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();");
}

TEST_CASE(
    "postgres trouble: each missing right is named with the GRANT that gives it, and those are "
    "enough") {
  Shop shop;
  shop.server.sql(
      "create role clerk login; create schema sales; create table sales.orders (id int primary "
      "key)");
  PostgresOptions options = options_for(shop.url_of("clerk", "x"), {"sales.orders"});
  const std::string found = check(options);
  CHECK(contains(found, "GRANT USAGE ON SCHEMA \"sales\" TO \"clerk\";"));
  CHECK(contains(found, "GRANT SELECT ON sales.orders TO \"clerk\";"));
  CHECK(contains(found, "ALTER ROLE \"clerk\" REPLICATION;"));
  CHECK(contains(found, "GRANT CREATE ON DATABASE \"postgres\" TO \"clerk\";"));
  CHECK(contains(found, "CREATE PUBLICATION \"tidelog_shop\" FOR TABLE ONLY sales.orders"));
  shop.server.sql("grant select (id) on sales.orders to clerk");  // not enough to lock it
  CHECK(contains(check(options), "GRANT SELECT ON sales.orders TO \"clerk\";"));
  shop.server.sql(
      "grant usage on schema sales to clerk; grant select on sales.orders to clerk; alter role "
      "clerk replication");
  shop.server.sql("CREATE PUBLICATION tidelog_shop FOR TABLE ONLY sales.orders");
  CHECK(check(options).empty());
  PostgresCapture capture(options);
  CHECK(capture.load());
}

TEST_CASE("postgres trouble: row security that would hide rows is refused") {
  Shop shop;
  shop.server.sql(
      "create role clerk login replication; grant select on orders to clerk;"
      "alter table orders enable row level security; create publication tidelog_shop for table "
      "orders");
  PostgresOptions options = shop.options();
  options.connection = shop.url_of("clerk", "x");
  CHECK(contains(check(options), "ALTER ROLE \"clerk\" BYPASSRLS;"));
}

TEST_CASE("postgres trouble: no free slot, no free walsender") {
  Shop slots({.settings = {"max_replication_slots=1"}, .hba = {}});
  slots.server.sql("select pg_create_physical_replication_slot('taken')");
  CHECK(contains(check(slots.options()), "ALTER SYSTEM SET max_replication_slots = 6"));
  Shop senders({.settings = {"max_wal_senders=1"}, .hba = {}});
  PostgresCapture capture(senders.options());
  capture.run();
  PostgresOptions second = senders.options();
  second.name = "second";
  senders.server.sql("insert into orders values (1)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(contains(check(second), "ALTER SYSTEM SET max_wal_senders = 6"));
  CHECK(prepare_error(second).code == Code::misconfigured);
  // Who has streamed before waits for one, as a backup may have it.
  CHECK(capture.stop());
  std::optional<SqlSession> backup;
  REQUIRE(eventually(soon, [&] {  // the server's side of the capture may still be on its way out
    try {
      backup.emplace(senders.server.url() + "?replication=database");
    } catch (const std::runtime_error&) {
      return false;
    }
    return true;
  }));
  backup->sql("select 1");
  CHECK(prepare_error(senders.options(), capture.stored).code == Code::unavailable);
}

TEST_CASE("postgres trouble: a standby is refused at first, and later waited out") {
  Shop shop;
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  become_standby(shop.server);
  CHECK(prepare_error(shop.options()).code == Code::misconfigured);
  const Error later = prepare_error(shop.options(), capture.stored);
  CHECK(later.code == Code::unavailable);
  CHECK(contains(later.what, "target_session_attrs=read-write"));
}

TEST_CASE("postgres trouble: a standby's rows are read as of where it has replayed the log") {
  Shop shop;
  shop.server.sql("insert into orders select generate_series(1, 1000)");
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  become_standby(shop.server);
  const std::string replayed = shop.server.sql("select pg_last_wal_replay_lsn()").at(0).at(0);
  const std::size_t before = capture.handler.loaded().size();
  const auto snapshots = capture.read_table("public.orders");
  CHECK(capture.handler.loaded().size() == before + 1000);
  REQUIRE(!snapshots.empty());
  const TableReaders& readers = capture.source().table_readers();
  const Lsn at = *parse_lsn(replayed);
  CHECK(readers.includes(snapshots.back(), {"7", encode(Lsn{at.value - 1})}) == true);
  CHECK(readers.includes(snapshots.back(), {"7", encode(at)}) == false);
}

TEST_CASE("postgres trouble: tables that are missing, views, unlogged, or have no identity") {
  Shop shop;
  shop.server.sql(
      "create view v as select 1; create unlogged table u (id int primary key);"
      "create table log (n int); insert into log values (1);"
      "create table updated (n int); insert into updated values (1); update updated set n = 2;"
      "create table late (n int primary key deferrable); insert into late values (1);"
      "update late set n = 2;"
      "select pg_stat_force_next_flush()");
  const auto check_table = [&](const std::string& table) {
    return check_postgres(options_for(shop.server.url(), {table}), {});
  };
  CHECK(contains(errors_in(*check_table("public.Orders")), "public.orders"));
  CHECK(contains(errors_in(*check_table("public.v")), "is a view"));
  CHECK(contains(errors_in(*check_table("public.u")), "ALTER TABLE public.u SET LOGGED;"));
  const auto log = check_table("public.log");
  CHECK(errors_in(*log).empty());
  REQUIRE(log->size() == 2);  // the connection comes first
  CHECK(contains(log->at(1).mend, "REPLICA IDENTITY FULL"));
  CHECK(contains(errors_in(*check_table("public.updated")),
                 "ALTER TABLE public.updated REPLICA IDENTITY FULL;"));
  CHECK(contains(errors_in(*check_table("public.late")),
                 "ALTER TABLE public.late REPLICA IDENTITY FULL;"));
}

TEST_CASE("postgres trouble: a publication that leaves something out") {
  Shop shop;
  shop.server.sql("create publication tidelog_shop for table orders with (publish = 'insert')");
  CHECK(contains(
      check(shop.options()),
      "ALTER PUBLICATION \"tidelog_shop\" SET (publish = 'insert, update, delete, truncate');"));
  PostgresOptions named = shop.options();
  named.publication = "none";
  CHECK(contains(check(named), "CREATE PUBLICATION \"none\" FOR TABLE ONLY public.orders"));
  shop.server.sql("create publication none");
  CHECK(contains(check(named), "ALTER PUBLICATION \"none\" ADD TABLE ONLY public.orders;"));
}

TEST_CASE(
    "postgres trouble: a slot of another plugin, of another store, or with a name that cannot be") {
  Shop shop;
  shop.server.sql("select pg_create_logical_replication_slot('tidelog_shop', 'test_decoding')");
  CHECK(contains(check(shop.options()), "test_decoding"));
  shop.server.sql(
      "select pg_drop_replication_slot('tidelog_shop'); select "
      "pg_create_logical_replication_slot('tidelog_shop', 'pgoutput')");
  const Error error = prepare_error(shop.options());
  CHECK(error.code == Code::conflict);
  CHECK(contains(error.what, "SELECT pg_drop_replication_slot('tidelog_shop');"));
  PostgresOptions options = shop.options();
  options.slot = "Not-Good";
  CHECK(prepare_error(options).code == Code::misconfigured);
}

TEST_CASE("postgres trouble: a slot in use names its reader") {
  Shop shop;
  PostgresCapture capture(shop.options());
  capture.run();
  shop.server.sql("insert into orders values (1)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  PostgresOptions options = shop.options();
  options.slot_wait = std::chrono::milliseconds{50};
  const Error error = prepare_error(options, capture.handler.durable());
  CHECK(error.code == Code::conflict);
  const std::string pid =
      shop.server.sql("select active_pid from pg_replication_slots").at(0).at(0);
  CHECK(contains(error.what, "process " + pid));
  CHECK(contains(error.what, "pg_terminate_backend(" + pid + ")"));
}

TEST_CASE("postgres trouble: a dropped slot is never made again") {
  Shop shop;
  PostgresCapture capture(shop.options());
  capture.run();
  shop.server.sql("insert into orders values (1)");
  REQUIRE(capture.handler.wait_for_transactions(1));
  CHECK(capture.stop());
  shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
  const auto prepared = capture.prepare();
  REQUIRE_FALSE(prepared);
  CHECK(prepared.error().code == Code::history_lost);
  CHECK(contains(prepared.error().what, "does not exist any more"));
  CHECK(shop.server.sql("select count(*) from pg_replication_slots").at(0).at(0) == "0");
}

TEST_CASE("postgres trouble: a slot that somebody else read on from is found out") {
  Shop shop;
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  shop.server.sql("insert into orders values (1)");
  shop.server.sql("select pg_replication_slot_advance('tidelog_shop', pg_current_wal_lsn())");
  const auto prepared = capture.prepare();
  REQUIRE_FALSE(prepared);
  CHECK(prepared.error().code == Code::history_lost);
  CHECK(contains(prepared.error().what, "by somebody else"));
}

TEST_CASE("postgres trouble: a slot that was dropped and made again is found out, even at once") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    PostgresCapture capture(shop.options());
    REQUIRE(capture.load());
    CHECK(capture.prepare() == Source::Next::stream);
    shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
    shop.server.sql("select pg_create_logical_replication_slot('tidelog_shop', 'pgoutput')");
    const auto prepared = capture.prepare();
    REQUIRE_FALSE(prepared);
    CHECK(prepared.error().code == Code::history_lost);
    CHECK(contains(prepared.error().what, "dropped and made again"));
  }
}

TEST_CASE("postgres trouble: a server that was put back to an older state is found out") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    const std::filesystem::path data =
        shop.server.sql("select current_setting('data_directory')").at(0).at(0);
    const std::filesystem::path copy = scratch_folder("restored") / "data";
    shop.server.stop(PostgresServer::Shutdown::fast);
    output_of({"cp", "-a", data.string(), copy.string()}, Duration(60'000));
    shop.server.start();
    shop.server.sql("insert into orders select generate_series(1, 2000)");
    PostgresCapture capture(shop.options());
    REQUIRE(capture.load());
    shop.server.stop(PostgresServer::Shutdown::fast);
    output_of({"rm", "-rf", data.string()}, Duration(60'000));
    output_of({"mv", copy.string(), data.string()}, Duration(60'000));
    shop.server.start();

    shop.server.sql("create publication tidelog_shop for table orders");
    shop.server.sql("select pg_create_logical_replication_slot('tidelog_shop', 'pgoutput')");
    const Error back = prepare_error(shop.options(), capture.stored);
    CHECK(back.code == Code::history_lost);
    CHECK(contains(back.what, "put back to an older state"));
    // It writes on, beyond where we stand: its slot is not ours all the same.
    const auto stands = *read_postgres_resume(capture.stored);
    while (shop.server.sql("select pg_current_wal_flush_lsn() <= '" + print_lsn(stands.end_lsn) +
                           "'") == Rows{{"t"}}) {
      shop.server.sql("insert into orders select generate_series(1, 2000); truncate orders");
    }
    const Error other = prepare_error(shop.options(), capture.stored);
    CHECK(other.code == Code::history_lost);
    CHECK_FALSE(contains(other.what, "the server's log ends"));
    CHECK(contains(other.what, "is not the one that this store reads"));
  }
}

TEST_CASE("postgres trouble: after a promotion a position on its way is gone on from, no other") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    PostgresCapture capture(shop.options());
    REQUIRE(capture.load());
    become_standby(shop.server);
    shop.server.sql("select pg_promote()");
    CHECK(capture.prepare() == Source::Next::stream);
    PostgresResume resume = *read_postgres_resume(capture.stored);
    REQUIRE(resume.timeline == 1);
    resume.end_lsn.value += 64 << 20;
    const Error diverged = prepare_error(shop.options(), encode(resume));
    CHECK(diverged.code == Code::history_lost);
    CHECK(contains(diverged.what, "not part of its history"));
    // A server that was left behind may be gone at the next look.
    resume.timeline = 3;
    const Error behind = prepare_error(shop.options(), encode(resume));
    CHECK(behind.code == Code::unavailable);
    CHECK(contains(behind.what, "left behind"));
  }
}

TEST_CASE("postgres trouble: a standby without the slot, or behind, is no gap but waited for") {
  Shop shop({.settings = {}, .hba = {}, .version = "18"});
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  become_standby(shop.server);
  PostgresResume resume = *read_postgres_resume(capture.stored);
  resume.end_lsn.value += 1 << 20;
  const Error behind = prepare_error(shop.options(), encode(resume));
  CHECK(behind.code == Code::unavailable);
  CHECK(contains(behind.what, "the standby has replayed"));
  shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
  const Error missing = prepare_error(shop.options(), capture.stored);
  CHECK(missing.code == Code::unavailable);
  CHECK(contains(missing.what, "a fail-over may be under way"));
  // One that was always read from this standby is gone for certain.
  resume = *read_postgres_resume(capture.stored);
  resume.is_standby = true;
  CHECK(prepare_error(shop.options(), encode(resume)).code == Code::history_lost);
}

TEST_CASE("postgres trouble: an invalidated slot is told from a dropped one") {
  Shop shop({.settings = {"max_slot_wal_keep_size=1MB", "min_wal_size=32MB", "max_wal_size=32MB"},
             .hba = {}});
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  for (int i = 0; i < 6; ++i) {
    shop.server.sql(
        "insert into orders select n, repeat('x', 100) from generate_series(1, 20000) n; truncate "
        "orders;"
        "select pg_switch_wal(); checkpoint");
  }
  CHECK(shop.server.sql("select wal_status from pg_replication_slots").at(0).at(0) == "lost");
  const auto prepared = capture.prepare();
  REQUIRE_FALSE(prepared);
  CHECK(prepared.error().code == Code::history_lost);
  CHECK(contains(prepared.error().what, "was invalidated"));
  CHECK(shop.server.sql("select count(*) from pg_replication_slots").at(0).at(0) == "1");
}

TEST_CASE("postgres trouble: another server is not taken for the one of the store") {
  Shop shop;
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  auto resume = *read_postgres_resume(capture.stored);
  resume.system_id += 1;
  const Error other = prepare_error(shop.options(), encode(resume));
  CHECK(other.code == Code::history_lost);
  CHECK(contains(other.what, "another server"));
  resume.system_id -= 1;
  resume.slot = "another";
  CHECK(contains(prepare_error(shop.options(), encode(resume)).what, "set slot: another"));
}

TEST_CASE("postgres trouble: a begin that was interrupted drops its slot and begins again") {
  Shop shop;
  shop.server.sql("insert into orders values (1)");
  std::string stored;
  {
    const auto source = postgres_source(shop.options());
    REQUIRE(source->prepare({}) == Source::Next::begin);
    stored = source->beginning_position();
    REQUIRE(source->begin());
  }
  shop.server.sql("insert into orders values (2)");
  PostgresCapture capture(shop.options());
  capture.stored = stored;
  CHECK(capture.load());
  CHECK(capture.handler.loaded().size() == 2);
  CHECK(shop.server.sql("select count(*) from pg_replication_slots").at(0).at(0) == "1");
}

TEST_CASE("postgres trouble: a begin waits for older transactions, and says for which") {
  Shop shop;
  SqlSession other = shop.server.session();
  other.sql("begin; insert into orders values (1)");
  PostgresOptions options = shop.options();
  options.slot_creation_wait = std::chrono::milliseconds{300};
  const auto source = postgres_source(options);
  REQUIRE(source->prepare({}));
  const auto blocked = source->begin();
  REQUIRE_FALSE(blocked);
  CHECK(blocked.error().code == Code::timeout);
  CHECK(contains(blocked.error().what, "process "));
  other.sql("commit");
  REQUIRE(source->prepare(source->beginning_position()));
  CHECK(source->begin());
}

TEST_CASE(
    "postgres trouble: a restart of the server ends the stream as unavailable; nothing is lost or "
    "twice") {
  Shop shop;
  PostgresCapture capture(shop.options());
  capture.run();
  for (const auto how : {PostgresServer::Shutdown::fast, PostgresServer::Shutdown::immediate}) {
    const std::size_t before = capture.handler.transactions().size();
    shop.server.sql("insert into orders select coalesce(max(id), 0) + 1 from orders");
    REQUIRE(capture.handler.wait_for_transactions(before + 1));
    shop.server.restart(how);
    const Status ended = capture.wait_for_end();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Code::unavailable);
    REQUIRE(capture.prepare() == Source::Next::stream);
    capture.start();
    shop.server.sql("insert into orders select max(id) + 1 from orders");
    REQUIRE(capture.handler.wait_for_transactions(before + 2));
  }
  CHECK(capture.stop());
  std::string keys;
  for (const RecordedEvent& event : capture.handler.events()) keys += texts_of(*event.key) + " ";
  CHECK(keys == "1 2 3 4 ");
}

TEST_CASE(
    "postgres trouble: a connection that is cut in the middle of a transaction; it comes again as "
    "a whole") {
  Shop shop;
  PostgresCapture capture(shop.options());
  capture.run();
  shop.server.sql("insert into orders select generate_series(1, 200000)");
  while (capture.handler.event_count() < 1'000) std::this_thread::yield();
  shop.server.sql("select pg_terminate_backend(active_pid) from pg_replication_slots");
  const Status ended = capture.wait_for_end();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::unavailable);
  const bool was_whole = capture.handler.transactions().size() == 1;
  REQUIRE(capture.prepare());
  capture.start();
  shop.server.sql("insert into orders values (0)");
  REQUIRE(capture.handler.wait_for_transactions(2));
  CHECK(capture.stop());
  const auto transactions = capture.handler.transactions();
  CHECK(transactions.size() == 2);
  CHECK(transactions[0].events.size() == 200'000);
  WARN_FALSE(was_whole);
}

TEST_CASE(
    "postgres trouble: a slot that is gone when the stream begins, or under it, is lost history") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    PostgresCapture capture(shop.options());
    REQUIRE(capture.load());
    capture.reconnects = true;
    capture.start();
    shop.server.sql("insert into orders values (1)");
    REQUIRE(capture.handler.wait_for_transactions(1));
    shop.server.sql("select pg_terminate_backend(active_pid, 10000) from pg_replication_slots");
    // Unless it was quicker than we are.
    while (!shop.server.query("select pg_drop_replication_slot('tidelog_shop')")) {
      shop.server.sql("select pg_terminate_backend(active_pid, 10000) from pg_replication_slots");
    }
    for (const bool is_start : {false, true}) {
      if (is_start) capture.start();
      const Status ended = capture.wait_for_end();
      REQUIRE_FALSE(ended);
      CHECK(ended.error().code == Code::history_lost);
      CHECK(contains(ended.error().what, "the slot tidelog_shop does not exist any more"));
    }
  }
}

TEST_CASE("postgres trouble: an answer that takes too long is given up, and its connection too") {
  Shop shop;
  PostgresOptions options = shop.options();
  std::stop_source stop;
  options.stop = stop.get_token();
  for (const Code expected : {Code::timeout, Code::cancelled}) {
    auto connection = postgres::Connection::open(options, postgres::Connection::Kind::sql);
    REQUIRE(connection);
    connection->limit_answers(Duration(50));
    if (expected == Code::cancelled) stop.request_stop();
    const auto answer = connection->query("select pg_sleep(600)", {});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == expected);
    CHECK_FALSE(connection->usable());
    const auto next = connection->query("select 1", {});
    REQUIRE_FALSE(next);
    CHECK(next.error().code == Code::unavailable);
  }
}

TEST_CASE("postgres trouble: progress says how far the server is ahead") {
  Shop shop;
  PostgresCapture capture(shop.options());
  REQUIRE(capture.load());
  ServerWatch watch(shop.options());
  const auto before = watch.look(capture.stored);
  REQUIRE(before);
  shop.server.sql("insert into orders select generate_series(1, 1000)");
  const auto after = watch.look(capture.stored);
  REQUIRE(after);
  CHECK(after->lag_bytes > before->lag_bytes + 50'000);
}

}  // namespace
}  // namespace tidelog::testing
