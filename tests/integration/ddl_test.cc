// Tables that change while they are captured, with event triggers in the database and without. What
// was done while the program was stopped is decoded with the schemas of its time; what is done
// while it captures and others write leaves in the store what the server holds.
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

using Json = nlohmann::json;

constexpr Duration patiently(60'000);

struct DdlShop : Shop {
  explicit DdlShop(const std::string& version) : Shop({{}, {}, version}) {
    server.sql(
        "create type mood as enum ('sad', 'ok'); create domain positive as int check (value > 0)");
    configure("['public.t*']");
  }

  void install() {
    const Finished done = tidelog({"source", "ddl", "install", "shop"});
    REQUIRE_MESSAGE(done.code == 0, done.errors);
  }
  std::vector<Json> read_events(const std::vector<std::string>& filter) {
    std::vector<std::string> arguments = {"events", "--json"};
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    std::vector<Json> all;
    for (const std::string& line : lines_of(tidelog(arguments).output))
      all.push_back(Json::parse(line));
    return all;
  }
  std::unique_ptr<TidelogProcess> streaming() {
    auto run = start();
    REQUIRE_MESSAGE(eventually(patiently, [&] { return streams(); }), run->errors());
    return run;
  }
  void capture_and_stop() { CHECK(stopped(*streaming()) == Exit{0, 0}); }

  // The rows as {"id":…, …} texts, sorted.
  std::vector<std::string> in_store(const std::string& table) {
    std::vector<std::string> rows;
    for (const std::string& line :
         lines_of(tidelog({"state", "shop.public." + table, "--json"}).output))
      rows.push_back(Json::parse(line).at("row").dump());
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> in_table(const std::string& table) {
    std::vector<std::string> rows;
    for (const auto& row : server.sql("select row_to_json(whole)::text from " + table + " whole"))
      rows.push_back(Json::parse(row.at(0)).dump());
    std::sort(rows.begin(), rows.end());
    return rows;
  }
};

// "id integer*, m public.mood": a star is of the key; with what may be of a later time behind it.
std::string text_of(const Json& event) {
  std::string text;
  for (const Json& column : event.at("schema").at("columns")) {
    text += (text.empty() ? "" : ", ") + column.at("name").get<std::string>() + " " +
            column.at("type").get<std::string>() + (column.contains("key") ? "*" : "");
  }
  if (event.at("schema").contains("asked")) text += " asked " + event["schema"]["asked"].dump();
  return text;
}

std::vector<std::string> schemas_of(DdlShop& shop, const std::string& table) {
  std::vector<std::string> all;
  for (const Json& event :
       shop.read_events({"--stream", "shop.public." + table, "--type", "schema"}))
    all.push_back(text_of(event));
  return all;
}

// Each statement in a transaction of its own.
constexpr const char* changes[] = {
    "insert into things values (2, 'ok', 'b')",
    "alter type mood rename value 'sad' to 'blue'",
    "insert into things values (3, 'blue', 'c')",
    "alter type mood add value 'happy'",
    "alter type mood rename to moods",
    "insert into things values (4, 'happy', 'd')",
    "alter table things add column extra int not null default 7",
    "insert into things values (5, 'ok', 'e', 8)",
    "alter table things rename column note to remark",
    "insert into things values (6, 'ok', 'f', 9)",
    "alter table things alter column extra type text using 'x' || extra",
    "insert into things values (7, 'ok', 'g', 'y')",
    "alter table things drop constraint things_pkey, add primary key (remark)",
    "insert into things values (8, 'ok', 'h', 'z')",
    "alter table things drop column m",
    "alter table things add column m moods",
    "insert into things values (9, 'i', 'w', 'ok')",
    "alter table things add column p positive",
    "insert into things values (10, 'j', 'v', 'ok', 5)",
    "alter domain positive rename to positives",
    "alter type moods rename to feelings",
};

// Without the triggers the key of rows before and after cannot be told apart.
bool changes_the_key(std::string_view statement) { return contains(statement, "primary key"); }

void change_while_stopped(DdlShop& shop, bool has_triggers) {
  shop.server.sql(
      "create table things (id int primary key, m mood, note text);"
      "alter table things replica identity full; insert into things values (1, 'sad', 'a')");
  shop.capture_and_stop();
  for (const char* statement : changes) {
    if (has_triggers || !changes_the_key(statement)) shop.server.sql(statement);
  }
}

TEST_CASE("ddl: with event triggers, rows that come late have the schemas of their time") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    DdlShop shop(version);
    shop.install();
    change_while_stopped(shop, true);
    const auto run = shop.streaming();
    REQUIRE(eventually(patiently, [&] { return shop.events("insert") == 9; }));
    CHECK(schemas_of(shop, "things") ==
          std::vector<std::string>{
              "id integer*, m public.mood, note text",
              "id integer*, m public.moods, note text",
              "id integer*, m public.moods, note text, extra integer",
              "id integer*, m public.moods, remark text, extra integer",
              "id integer*, m public.moods, remark text, extra text",
              "id integer, m public.moods, remark text*, extra text",
              "id integer, remark text*, extra text, m public.moods",
              "id integer, remark text*, extra text, m public.moods, p public.positive",
          });
    // Every statement is an event, before the first row that needs it.
    std::vector<std::string> order;
    for (const Json& event : shop.read_events({})) {
      if (event.at("type") == "ddl") order.push_back(event.at("ddl"));
      if (event.at("type") == "insert") order.push_back("insert");
    }
    std::vector<std::string> expected;
    for (const std::string statement : changes)
      expected.push_back(statement.starts_with("insert") ? "insert" : statement);
    order.erase(order.begin(), std::find(order.begin(), order.end(), "insert"));
    CHECK(order == expected);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE("ddl: without, what the log does not say is marked as asked for") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    DdlShop shop(version);
    change_while_stopped(shop, false);
    const auto run = shop.streaming();
    REQUIRE(eventually(patiently, [&] { return shop.events("insert") == 9; }));
    const auto schemas = schemas_of(shop, "things");
    REQUIRE(!schemas.empty());
    for (const std::string& schema : schemas)
      CHECK_MESSAGE(contains(schema, R"(asked ["types","key"])"), schema);
    CHECK(shop.events("ddl") == 0);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

// Writes to whatever `things` is, whether or not a statement fails because it is another one now.
class Writer {
 public:
  explicit Writer(PostgresServer& server)
      : thread_([this, session = server.session()]() mutable {
          for (int n = 1; !done_; ++n) {
            const std::string id = std::to_string(n);
            static_cast<void>(session.query("insert into things (id) values (" + id + ")"));
            static_cast<void>(session.query("update things set id = id where id = " + id));
            if (n % 3 == 0) static_cast<void>(session.query("delete from things where id = " + id));
            written_ = n;
          }
        }) {}
  ~Writer() { stop(); }
  void stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Until it has written after what was done before this call.
  void goes_on() {
    const int seen = written_;
    CHECK(eventually(patiently, [&] { return written_ >= seen + 5; }));
  }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<int> written_ = 0;
  std::thread thread_;
};

constexpr const char* live_changes[] = {
    "alter table things add column extra int default 7",
    "alter table things rename column note to remark",
    "alter table things alter column extra type text using 'x' || extra",
    "alter table things drop column remark",
    "alter table things add column remark text",
    "alter type mood add value 'happy'",
    "alter type mood rename value 'sad' to 'blue'",
    "alter table things add column p positive default 3",
    "alter table things drop constraint things_pkey, add column k serial, add primary key (k)",
    "alter table things rename to turned",
    "create table things (id int primary key, note text)",
    "alter table turned rename to tables",
};

void check_live(bool has_triggers) {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    DdlShop shop(version);
    shop.server.sql("create table things (id int primary key, m mood, note text)");
    if (has_triggers) shop.install();
    auto run = shop.streaming();
    {
      Writer writer(shop.server);
      for (const char* statement : live_changes) {
        writer.goes_on();
        shop.server.sql(statement);
      }
      writer.goes_on();
      shop.server.sql(
          "begin; drop table things; create table things (id int primary key, x int); commit");
      writer.goes_on();
      // New tables are found, and published, when the source connects.
      CHECK(stopped(*run) == Exit{0, 0});
      run = shop.streaming();
      writer.goes_on();
    }
    // Values that no row of the log had, as the server filled them in by itself.
    shop.server.sql("update tables set id = id; update things set x = id");
    const auto is_same = [&](const std::string& table) {
      return shop.in_store(table) == shop.in_table(table);
    };
    CHECK_MESSAGE(eventually(patiently, [&] { return is_same("tables") && is_same("things"); }),
                  run->errors());
    CHECK(shop.in_store("turned").empty());
    CHECK(shop.events("undecoded") == 0);
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

TEST_CASE(
    "ddl: with event triggers, what changes while it is written ends up as the server has it") {
  check_live(true);
}

TEST_CASE("ddl: without, what changes while it is written ends up as the server has it") {
  check_live(false);
}

TEST_CASE("ddl: two tables that swap names unsaid end up as the server has them") {
  DdlShop shop("15");
  shop.server.sql(
      "create table things (id int primary key); insert into things values (1), (2);"
      "create table things_new (id int primary key); insert into things_new values (3), (4)");
  const auto run = shop.streaming();
  shop.server.sql("insert into things values (5); insert into things_new values (6)");
  shop.server.sql(
      "begin; alter table things rename to turned; alter table things_new rename to things;"
      "alter table turned rename to things_new; commit");
  shop.server.sql("insert into things values (7)");
  shop.server.sql("insert into things_new values (8)");
  const auto is_same = [&](const std::string& table) {
    return shop.in_store(table) == shop.in_table(table);
  };
  CHECK_MESSAGE(eventually(patiently, [&] { return is_same("things") && is_same("things_new"); }),
                run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

// A table's file is made anew in a savepoint that is rolled back, while the transaction is sent.
TEST_CASE(
    "ddl: a rolled-back rewrite inside of a transaction that comes in pieces is no obstacle") {
  for (const std::string& version : postgres_versions()) {
    for (const bool has_triggers : {false, true}) {
      CAPTURE(version);
      CAPTURE(has_triggers);
      DdlShop shop(version);
      shop.server.sql("alter system set logical_decoding_work_mem = '64kB'");
      shop.server.sql(
          "select pg_reload_conf(); create table things (id int primary key, note text)");
      if (has_triggers) shop.install();
      const auto run = shop.streaming();
      shop.server.sql(
          "begin; insert into things select n, repeat('x', 100) from generate_series(1, 3000) n;"
          "savepoint a; alter table things add column at timestamptz default clock_timestamp();"
          "insert into things select n, repeat('y', 100) from generate_series(3001, 6000) n;"
          "rollback to a; insert into things select n, repeat('z', 100) from generate_series(6001, "
          "9000) n;"
          "commit");
      CHECK_MESSAGE(eventually(patiently, [&] { return shop.in_store("things").size() == 6000; }),
                    run->errors());
      CHECK(shop.in_store("things") == shop.in_table("things"));
      CHECK(stopped(*run) == Exit{0, 0});
    }
  }
}

TEST_CASE(
    "ddl: install, show and remove leave nothing, and a role without the right is told the way") {
  DdlShop shop("15");
  CHECK(contains(shop.tidelog({"source", "ddl", "show", "shop"}).output, "triggers are absent"));
  const std::string sql = shop.tidelog({"source", "ddl", "install", "shop", "--dry-run"}).output;
  CHECK(contains(sql, "CREATE EVENT TRIGGER tidelog_ddl"));
  CHECK(contains(shop.tidelog({"source", "ddl", "show", "shop"}).output, "triggers are absent"));
  // What is shown is what does it.
  shop.server.sql(sql);
  CHECK(contains(shop.tidelog({"source", "ddl", "show", "shop"}).output, "triggers are installed"));
  shop.install();  // again
  shop.server.sql("alter event trigger tidelog_ddl disable");
  CHECK(contains(shop.tidelog({"source", "ddl", "show", "shop"}).output, "triggers are disabled"));
  shop.server.sql("create table things (id int)");
  CHECK(contains(shop.tidelog({"check"}).output, "tidelog source ddl install shop"));
  CHECK(shop.tidelog({"source", "ddl", "remove", "shop"}).code == 0);
  CHECK(shop.server.sql("select count(*) from pg_namespace where nspname = 'tidelog'")[0][0] ==
        "0");
  CHECK(shop.server.sql("select count(*) from pg_event_trigger")[0][0] == "0");

  shop.server.sql("create role reader login replication");
  shop.url.replace(shop.url.find("postgres@"), 9, "reader@");
  shop.configure("['public.t*']");
  const Finished refused = shop.tidelog({"source", "ddl", "install", "shop"});
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.errors, "--dry-run"), refused.errors);
  CHECK(shop.server.sql("select count(*) from pg_namespace where nspname = 'tidelog'")[0][0] ==
        "0");
}

TEST_CASE("ddl: a schema of the same name that somebody else made is neither filled nor believed") {
  DdlShop shop("15");
  shop.server.sql("create role worker login; grant create on database postgres to worker");
  SqlSession worker = shop.server.session();
  worker.sql(
      "set role worker; create schema tidelog; grant usage on schema tidelog to public;"
      "create table tidelog.installation (version int, token text);"
      "insert into tidelog.installation values (2, 'forged');"
      "create table tidelog.table_history (table_oid oid, lsn pg_lsn, xid xid, description text);"
      "grant select on all tables in schema tidelog to public");
  shop.server.sql("create table things (id int primary key); insert into things values (1)");
  const auto run = shop.streaming();
  worker.sql(
      "select pg_logical_emit_message(true, 'tidelog.ddl',"
      " '1:16:forged0:10:DROP TABLE1:x1:17:dropped5:' || 'things'::regclass::oid || "
      "'6:public6:things')");
  REQUIRE(eventually(patiently, [&] { return shop.events("message") == 1; }));
  CHECK(shop.in_store("things") == shop.in_table("things"));
  CHECK(shop.events("ddl") == 0);
  CHECK(stopped(*run) == Exit{0, 0});
  const Finished refused = shop.tidelog({"source", "ddl", "install", "shop"});
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.errors, "of another role"), refused.errors);
  CHECK(shop.server.sql("select count(*) from pg_event_trigger")[0][0] == "0");
}

TEST_CASE("ddl: roles without rights change their tables, and forge nothing") {
  DdlShop shop("15");
  shop.install();
  shop.server.sql(
      "create table things (id int primary key); insert into things values (1);"
      "create role worker login; grant create on schema public to worker");
  const auto run = shop.streaming();
  SqlSession worker = shop.server.session();
  worker.sql(
      "set role worker; create table tasks (id int primary key); alter table tasks add note text;"
      "select pg_logical_emit_message(true, 'tidelog.ddl',"
      " '1:17:guessed0:10:DROP TABLE1:x1:17:dropped5:' || 'things'::regclass::oid || "
      "'6:public6:things')");
  CHECK_FALSE(worker.query("select * from tidelog.installation"));
  REQUIRE(eventually(patiently, [&] { return shop.events("message") == 1; }));
  CHECK(shop.in_store("things") == shop.in_table("things"));
  CHECK(shop.events("ddl") == 2);
  CHECK(stopped(*run) == Exit{0, 0});
}

}  // namespace
}  // namespace tidelog::testing
