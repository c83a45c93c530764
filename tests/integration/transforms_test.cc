// The program with transforms: whatever way a row comes, nothing that is not to be stored is in any
// file of the store, in the log or in an answer, and what is stored is what the rules make of it.
#include <atomic>
#include <iterator>
#include <random>
#include <thread>

#include "connectors/postgres/source.h"
#include "tests/integration/postgres_capture.h"
#include "tests/integration/shop.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr Duration generous(60'000);
const std::string usual_key = "0123456789abcdef0123456789abcdef";

PostgresServer::Options server_options(const std::string& version) {
  return {.settings = {"max_prepared_transactions=20", "logical_decoding_work_mem=64kB"},
          .hba = {},
          .version = version};
}

// Whatever must not be stored begins with SECRET, whatever may begins with PLAIN.
struct People : Shop {
  explicit People(const std::string& version) : Shop(server_options(version)) {
    server.sql(
        "create extension pgcrypto; create table people (code text primary key, mail text, phone "
        "text, card text, note text, plain text, body text);"
        "alter table people alter column body set storage external");
    configure("[public.people]", settings());
  }

  std::string settings(const std::string& load = "chunk: 16 KiB") const {
    return "    two_phase: true\n    load: { " + load +
           " }\n    transforms:\n"
           "      - hash: [public.people.code, public.people.mail]\n        key: " +
           key +
           "\n      - mask: [public.people.phone]\n        with: none\n"
           "      - exclude: [public.*.card]\n"
           "      - shorten: [public.people.note]\n        to: 3\n";
  }

  static std::string insert(int first, int count) {
    return "insert into people select 'SECRETcode' || n, 'SECRETmail' || n, 'SECRETphone' || n, "
           "'SECRETcard' || n, 'abcSECRETnote' || n, 'PLAIN' || n, repeat(md5(n::text), 80) "
           "from generate_series(" +
           std::to_string(first) + "," + std::to_string(first + count - 1) + ") n;";
  }

  std::vector<std::string> in_store() {
    std::vector<std::string> rows;
    for (const std::string& line :
         lines_of(tidelog({"state", "shop.public.people", "--json"}).output)) {
      const std::size_t begin = line.find("\"row\":{") + 7;
      rows.push_back(line.substr(begin, line.rfind("},\"position\"") - begin));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> in_table() {
    std::vector<std::string> rows;
    for (const auto& row : server.sql(
             "select format('\"code\":\"%s\",\"mail\":\"%s\",\"phone\":\"none\",\"note\":\"%s\","
             "\"plain\":\"%s\",\"body\":\"%s\"', encode(hmac(code, '" +
             key + "', 'sha256'), 'hex'), encode(hmac(mail, '" + key +
             "', 'sha256'), 'hex'), left(note, 3), plain, body) from people")) {
      rows.push_back(row.at(0));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  bool is_the_same() { return in_store() == in_table(); }

  // The files under the folder, the log of `run` among them, that have these bytes.
  std::vector<std::string> files_with(const std::string& bytes) {
    std::vector<std::string> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
      if (!file.is_regular_file() || file.path().extension() == ".yaml") continue;
      std::ifstream in(file.path(), std::ios::binary);
      const std::string content{std::istreambuf_iterator<char>(in), {}};
      if (contains(content, bytes)) found.push_back(file.path().string());
    }
    return found;
  }
  void check_no_secret() { CHECK(files_with("SECRET") == std::vector<std::string>{}); }

  std::string key = usual_key;

  std::size_t staged(const std::string& extension) {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(store_folder / "staging"))
      count += file.path().extension() == extension ? 1 : 0;
    return count;
  }
  std::string steps() {
    return tidelog({"events", "--stream", "shop.public.people", "--type", "load_step", "--json"})
        .output;
  }
};

void check_all_ways(const std::string& version, const std::string& more_settings) {
  CAPTURE(version);
  CAPTURE(more_settings);
  People people(version);
  people.configure("[public.people]",
                   people.settings() + "    replica_identity: full\n" + more_settings);
  people.server.sql(People::insert(1, 100));
  auto run = people.start();
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.streams(); }), run->errors());
  CHECK(
      people.server.sql("select relreplident from pg_class where relname = 'people'").at(0).at(0) ==
      "f");
  people.check_no_secret();

  // In pieces, with what is taken back, and prepared; on disk while they are open.
  SqlSession open = people.server.session();
  open.sql("begin;" + People::insert(1'001, 400) + "savepoint s;" + People::insert(2'001, 400) +
           "rollback to s;" + People::insert(3'001, 1));
  people.server.sql("begin;" + People::insert(4'001, 1) + "prepare transaction 'small'");
  people.server.sql("begin;" + People::insert(5'001, 400) + "prepare transaction 'large'");
  REQUIRE(eventually(generous, [&] { return people.staged(".kept") == 2; }));
  REQUIRE(eventually(generous, [&] { return people.staged(".held") == 1; }));
  CHECK(people.files_with("PLAIN").size() >= 3);
  people.check_no_secret();

  // Old rows, keys that change, values that are not sent again.
  people.server.sql(
      "update people set phone = 'SECRETagain', mail = 'SECRETagain' where code like '%1';"
      "update people set code = code || 'SECRETnext', note = null where code like '%2';"
      "delete from people where code like '%3'");
  people.server.sql("update people set note = 'SECRETnote' where note is null");
  run->kill(SIGKILL);
  REQUIRE(run->wait(generous) == Exit{0, SIGKILL});
  people.check_no_secret();
  run = people.start("again");
  open.sql("commit");
  people.server.sql("commit prepared 'small'");
  people.server.sql("commit prepared 'large'");
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.is_the_same(); }), run->errors());
  CHECK(people.in_store().size() > 800);

  // Loaded again it is the same.
  const Finished loaded = people.tidelog({"source", "load", "shop.public.people"});
  CHECK_MESSAGE(loaded.code == 0, loaded.errors);
  CHECK(people.is_the_same());
  const std::string schemas = people.tidelog({"events", "--type", "schema", "--json"}).output;
  CHECK(contains(schemas, "\"left_out\":[\"card\"]"));
  for (const std::string name : {"hashed", "masked", "shortened"})
    CHECK_MESSAGE(contains(schemas, "\"" + name + "\""), schemas);
  CHECK(stopped(*run) == Exit{0, 0});
  people.check_no_secret();
}

TEST_CASE("transforms: no way that a row takes brings anything else of it into the store") {
  for (const std::string& version : postgres_versions()) {
    if (version == "14") continue;  // no two_phase
    check_all_ways(version, "");
    check_all_ways(version, "    binary: true\n");
  }
}

TEST_CASE("transforms: a load of hashed keys goes on after a kill, while keys change") {
  const std::uint64_t seed = test_seed();
  CAPTURE(seed);
  People people("15");
  people.configure("[public.people]", people.settings("chunk: 64 KiB"));
  people.server.sql(People::insert(1, 1'500) + "analyze people");
  std::atomic<bool> is_done{false};
  std::thread writer([&, session = people.server.session()]() mutable {
    std::mt19937_64 random(seed);
    for (int i = 0; !is_done; ++i) {
      // Behind where the load is, and before it; the body is not sent again.
      const std::string id = std::to_string(random() % 1'500 + 1);
      session.sql("update people set code = 'SECRETcode' || " + std::to_string(random() % 100'000) +
                  " || 'to' || " + std::to_string(i) + " where code = 'SECRETcode" + id + "'");
    }
  });
  auto run = people.start();
  const bool has_begun =
      eventually(generous, [&] { return contains(people.steps(), "\"step\":\"chunk\""); });
  run->kill(SIGKILL);
  CHECK(run->wait(generous) == Exit{0, SIGKILL});
  CHECK(has_begun);
  CHECK_FALSE(contains(people.steps(), "\"step\":\"ended\""));
  run = people.start("again");
  const bool streams = eventually(generous, [&] { return people.streams(); });
  is_done = true;
  writer.join();
  REQUIRE_MESSAGE(streams, run->errors());
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.is_the_same(); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(contains(people.steps(), "\"step\":\"ended\""));
  people.check_no_secret();
}

TEST_CASE("transforms: what the server says of values that it cannot read is not repeated") {
  People people("15");
  people.configure("[public.people]",
                   people.settings("where: { public.people: \"mail::int > 0\" }"));
  people.server.sql(People::insert(1, 1));
  auto run = people.start();
  REQUIRE(eventually(generous, [&] { return contains(people.steps(), "\"step\":\"failed\""); }));
  CHECK(contains(people.steps(), "see the server's log"));
  CHECK(stopped(*run) == Exit{0, 0});
  people.check_no_secret();
}

TEST_CASE("transforms: SQLite has what is stored, and other rules are another version") {
  People people("15");
  const auto database = people.folder / "people.db";
  people.server.sql(People::insert(1, 3));
  auto run = people.start();
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.streams(); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  people.configure("[public.people]",
                   people.settings() + "      - exclude: [public.people.plain]\n");
  run = people.start("again");
  people.server.sql(People::insert(4, 1));
  people.server.sql("update people set phone = 'SECRETother' where code = 'SECRETcode4'");
  REQUIRE(eventually(generous, [&] { return people.events("update") == 1; }));
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(people.events("schema") == 2);
  const auto update = [&](const std::string& rows) {
    return people.tidelog({"events", "--type", "update", "--json", "--rows", rows}).output;
  };
  CHECK(contains(update("sent"), "\"unchanged\":[\"body\"]"));
  CHECK_MESSAGE(contains(update("whole"), "\"body\":\"a87ff679a2f3e71d9181a67b7542122c"),
                update("whole"));
  CHECK_FALSE(contains(people.tidelog({"state", "shop.public.people", "--json"}).output, "PLAIN"));
  const Finished replayed = people.tidelog({"replay", "--into", "sqlite:" + database.string()});
  CHECK_MESSAGE(replayed.code == 0, replayed.errors);
  people.check_no_secret();
}

TEST_CASE(
    "transforms: a key that is to be stored in another way stops the source, or begins anew") {
  People people("15");
  people.server.sql(People::insert(1, 3));
  auto run = people.start();
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.streams(); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
  people.key = "another key of more than 16 bytes";
  people.configure("[public.people]", people.settings());
  people.server.sql(People::insert(4, 1));
  check_refused(people, 2,
                {"the values of the key column code are not stored as they were",
                 "`tidelog source load shop.public.people --anew --no-wait`"});
  // As the message says.
  CHECK(people.tidelog({"source", "pause", "shop"}).code == 0);
  run = people.start("paused");
  REQUIRE(eventually(generous, [&] {
    return contains(people.tidelog({"source", "status"}).output, "paused");
  }));
  const auto load = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"source", "load", "shop.public.people"});
    return people.tidelog(options);
  };
  REQUIRE(eventually(generous, [&] { return load({"--anew", "--no-wait"}).code == 0; }));
  CHECK(people.tidelog({"source", "resume", "shop"}).code == 0);
  REQUIRE_MESSAGE(eventually(generous, [&] { return people.is_the_same(); }), run->errors());
  CHECK(people.in_store().size() == 4);
  REQUIRE(eventually(generous, [&] { return people.streams(); }));

  // Also while it streams; and a table that is taken out of the publication is forgotten, too.
  CHECK(load({"--anew"}).code == 0);
  CHECK(people.is_the_same());
  CHECK(people.events("truncate") == 2);
  CHECK(stopped(*run) == Exit{0, 0});
  people.key = usual_key;
  people.configure("[public.people]", people.settings());
  people.server.sql("alter publication tidelog_shop drop table people");
  run = people.start("again");
  REQUIRE(eventually(generous, [&] { return people.is_the_same() && people.streams(); }));
  CHECK(people.in_store().size() == 4);
  CHECK(stopped(*run) == Exit{0, 0});

  // A load waits for what a person has to put back.
  people.key = "a third key of more than 16 bytes";
  people.configure("[public.people]", people.settings());
  run = people.start("waits");
  REQUIRE(eventually(generous, [&] { return people.streams(); }));
  CHECK(load({"--no-wait"}).code == 0);
  REQUIRE(eventually(
      generous, [&] { return contains(people.status(), "are not stored as they were so far"); }));
  CHECK(stopped(*run) == Exit{0, 0});
  people.key = usual_key;
  people.configure("[public.people]", people.settings());
  run = people.start("goes on");
  REQUIRE(eventually(generous, [&] { return people.streams(); }));
  CHECK(people.is_the_same());
  CHECK_FALSE(contains(people.steps(), "\"step\":\"failed\""));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("transforms: a column or a table that gets another name stops the source") {
  using Kind = TransformRule::Kind;
  for (const auto& [change, told] :
       {std::pair("alter table people rename column mail to email",
                  "`transforms` has public.people.mail, and public.people has no such column"),
        std::pair("alter table people rename to persons",
                  "the table public.people is called public.persons now")}) {
    PostgresServer server;
    server.sql("create table people (id int primary key, mail text)");
    PostgresOptions options = options_for(server.url(), {"public.*"});
    options.transforms = {{Kind::mask, {"public.people.mail"}}};
    PostgresCapture capture(options);
    capture.run();
    server.sql("insert into people values (1, 'SECRET')");
    server.sql(std::string(change) +
               "; do $$ begin execute 'insert into ' || (select oid::regclass "
               "from pg_class where relname in ('people', 'persons')) || "
               "' values (2, ''SECRET'')'; end $$");
    const Status ended = capture.wait_for_end();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Code::misconfigured);
    CHECK_MESSAGE(contains(ended.error().what, told), ended.error().what);
    REQUIRE(capture.handler.events().size() == 1);
    CHECK(texts_of(*capture.handler.events()[0].body) == "1|******");
    CHECK_FALSE(contains(ended.error().what, "SECRET"));
  }
}

std::string errors_of(const PostgresOptions& options) {
  const auto findings = check_postgres(options, {});
  REQUIRE(findings);
  return errors_in(*findings);
}

TEST_CASE("transforms: what fits nothing, or takes a key away, is an error that says the way out") {
  using Kind = TransformRule::Kind;
  PostgresServer server;
  server.sql(
      "create table people (id int primary key, mail text); create table log (what text);"
      "alter table log replica identity full");
  PostgresOptions options = options_for(server.url(), {"public.*"});
  const auto check = [&](const TransformRule& rule) {
    options.transforms = {rule};
    return errors_of(options);
  };
  CHECK(check({Kind::mask, {"public.people.mail", "public.log.*"}}) == "");
  CHECK(check({Kind::hash, {"public.people.id"}, {}, usual_key}) == "");
  CHECK(contains(check({Kind::mask, {"public.people.male"}}),
                 "`transforms` has public.people.male, and no such column is there; public.people "
                 "has id, mail -> correct the column's name"));
  CHECK(contains(check({Kind::mask, {"public.*.male"}}), "no such column is there"));
  CHECK(check({Kind::mask, {"public.people.m*le"}}) == "");
  CHECK(contains(check({Kind::exclude, {"public.persons.mail"}}),
                 "`transforms` has public.persons.mail, and no table that is captured is called "
                 "so -> correct the table's name"));
  for (const TransformRule& rule :
       {TransformRule{Kind::exclude, {"*.*.id"}}, TransformRule{Kind::mask, {"public.people.*"}},
        TransformRule{Kind::shorten, {"*.*.id"}, {}, {}, 3},
        TransformRule{Kind::include, {"public.people.mail"}}}) {
    const std::string errors = check(rule);
    CHECK_MESSAGE(contains(errors, "the column id of public.people is part of the key"), errors);
    const Result<Source::Next> prepared = postgres_source(options)->prepare({});
    REQUIRE_FALSE(prepared);
    CHECK(prepared.error().code == Code::misconfigured);
  }
  options.transforms.clear();
  options.keys = {{"public.people", {"id", "nothing"}}};
  CHECK(contains(errors_of(options),
                 "the key of public.people is configured to have the column "
                 "nothing, which the table has not"));
  options.keys = {{"public.persons", {"id"}}};
  CHECK(contains(errors_of(options), "`keys` has public.persons, and no table"));
}

}  // namespace
}  // namespace tidelog::testing
