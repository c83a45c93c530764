// Transactions that a real server sends in pieces while they are in progress, and that are
// prepared: they are what they would have been sent whole, whatever their sub-transactions and
// schemas did.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tests/integration/postgres_capture.h"
#include "tests/support/child_process.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

PostgresServer::Options server_options(const std::string& version) {
  return {.settings = {"max_prepared_transactions=20"}, .hba = {}, .version = version};
}

// The walsender's memory: with so little everything is sent in pieces, as soon as there is
// anything.
std::string in_pieces(const PostgresServer& server) {
  return server.url() + "?options=-c%20logical_decoding_work_mem%3D64kB";
}

PostgresOptions options_of(const std::string& name, const std::string& url) {
  PostgresOptions options = options_for(url, {"public.*"});
  options.name = name;
  return options;
}

std::string line_of(const RecordedEvent& event) {
  std::string line = std::to_string(event.ordinal) + " " + std::string(name_of(event.type)) + " " +
                     event.stream + (event.moved ? " moved" : "");
  if (event.key) line += " key=" + texts_of(*event.key);
  if (event.before_kind != Before::none) line += " before=" + texts_of(event.before);
  if (event.body)
    line += " body=" + (event.type == EventType::message ? *event.body : texts_of(*event.body));
  for (const Column& column : event.schema.columns) {
    line += "|" + column.name + " " + column.type + (column.key ? " key " : " ") +
            std::to_string(static_cast<int>(column.kind));
  }
  return line;
}

struct Line {
  std::string transaction;
  std::string event;
  bool operator==(const Line&) const = default;
};

// What every transaction was, without how it came: the origin's position is not sent with pieces.
std::vector<Line> lines_of(const std::vector<RecordedTransaction>& transactions) {
  std::vector<Line> lines;
  for (const RecordedTransaction& transaction : transactions) {
    // The time of a message alone is when it was sent.
    const bool alone = transaction.id.empty();
    const std::string what = transaction.id + " " + print_source_position(transaction.position) +
                             " " + (alone ? "" : std::to_string(transaction.commit_time.value)) +
                             " " + transaction.origin;
    for (const RecordedEvent& event : transaction.events) lines.push_back({what, line_of(event)});
  }
  return lines;
}

void check_same(const std::vector<RecordedTransaction>& pieces,
                const std::vector<RecordedTransaction>& whole) {
  const std::vector<Line> left = lines_of(pieces);
  const std::vector<Line> right = lines_of(whole);
  CHECK(left.size() == right.size());
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    CAPTURE(i);
    REQUIRE(left[i].transaction == right[i].transaction);
    REQUIRE(left[i].event == right[i].event);
  }
}

// Whether the slot sent at least so many transactions in pieces. The server counts with a delay.
bool sent_in_pieces(PostgresServer& server, const std::string& slot, int count) {
  return !server
              .sql("select 1 from pg_stat_replication_slots where slot_name = '" + slot +
                   "' and stream_txns >= " + std::to_string(count))
              .empty();
}

// Until the capture would not get this one of its transactions again.
bool wait_until_durable(PostgresCapture& capture, std::size_t transaction) {
  const auto position = read_postgres_resume(capture.handler.transactions().at(transaction).resume);
  return capture.handler.wait_for_durable([&](const std::string& durable) {
    const auto resume = read_postgres_resume(durable);
    return position && resume && resume->end_lsn >= position->end_lsn;
  });
}

// Both captures of one server, one in pieces and one whole, up to a last row.
struct Both {
  explicit Both(PostgresServer& s, PostgresOptions pieces_options)
      : server(s),
        pieces(std::move(pieces_options)),
        whole(options_of("whole", server.url() + "?options=-c%20logical_decoding_work_mem%3D1GB")) {
    pieces.reconnects = true;
    pieces.run();
    whole.run();
  }
  void check_same_to_the_end() {
    server.sql("create table if not exists the_end (n int primary key)");
    server.sql("select pg_logical_emit_message(true, 'the end', '')");
    const auto is_there = [](const std::vector<RecordedTransaction>& transactions) {
      return !transactions.empty() &&
             transactions.back().events.back().attributes.find("the end") != std::string::npos;
    };
    REQUIRE(whole.handler.wait_for(is_there));
    const bool came = pieces.handler.wait_for(is_there);
    const Status ended = pieces.stop();
    REQUIRE_MESSAGE(came, (ended ? "it still streams" : ended.error().what));
    CHECK(ended);
    CHECK(whole.stop());
    check_same(pieces.handler.transactions(), whole.handler.transactions());
    CHECK_FALSE(sent_in_pieces(server, "tidelog_whole", 1));
  }
  PostgresServer& server;
  PostgresCapture pieces;
  PostgresCapture whole;
};

std::string rows(const std::string& table, int first, int count) {
  return "insert into " + table + " select n, repeat(md5(n::text), 5) from generate_series(" +
         std::to_string(first) + ", " + std::to_string(first + count - 1) + ") n;";
}

}  // namespace

TEST_CASE("pieces: a transaction in progress is sent, and is one transaction at its commit") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql("create table a (id int primary key, note text)");
    Both both(server, options_of("pieces", in_pieces(server)));
    SqlSession session = server.session();
    session.sql("begin;" + rows("a", 1, 3'000));
    // Something else passes by.
    server.sql(rows("a", 10'001, 1));
    REQUIRE(both.pieces.handler.wait_for_transactions(1));
    REQUIRE(eventually(soon, [&] { return both.pieces.handler.held_count() == 1; }));
    CHECK(both.pieces.handler.transactions().size() == 1);
    session.sql("commit");
    server.sql("begin;" + rows("a", 20'001, 3'000) + "rollback");
    both.check_same_to_the_end();
    CHECK(both.pieces.handler.transactions().at(1).events.size() == 3'000);
    CHECK(eventually(soon, [&] { return sent_in_pieces(server, "tidelog_pieces", 1); }));
    CHECK(both.pieces.handler.held_count() == 0);
  }
}

TEST_CASE("pieces: schemas, types and tables made in a transaction are those of its commit") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql(
        "create table a (id int primary key, note text); alter table a replica identity full");
    Both both(server, options_of("pieces", in_pieces(server)));
    server.sql("begin;" + rows("a", 1, 1'000) +
               "create type mood as enum ('sad', 'happy'); alter table a add m mood;"
               "insert into a select n, 'x', 'happy' from generate_series(2001, 3000) n;"
               "savepoint s; create type lost as enum ('a'); alter table a add l lost;"
               "alter table a rename id to other; update a set l = 'a' where other <= 500;"
               "rollback to s; update a set note = 'y' where id <= 500;"
               "alter table a drop note; delete from a where id <= 100; commit");
    server.sql("insert into a values (9001, 'sad')");
    server.sql(
        "begin; savepoint s; alter table a add n int;"
        "insert into a select n, 'sad', n from generate_series(10001, 11000) n; rollback to s;"
        "insert into a select n, 'sad' from generate_series(12001, 14000) n; commit");
    both.check_same_to_the_end();
    CHECK(eventually(soon, [&] { return sent_in_pieces(server, "tidelog_pieces", 2); }));
  }
}

TEST_CASE("pieces: messages and origins of pieces are what they are whole") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql(
        "create table a (id int primary key, note text);"
        "select pg_replication_origin_create('elsewhere')");
    Both both(server, options_of("pieces", in_pieces(server)));
    server.sql(
        "begin; select pg_logical_emit_message(true, 'first', 'x');" + rows("a", 1, 1'000) +
        "select pg_logical_emit_message(false, 'alone', 'y');"
        "savepoint s; select pg_logical_emit_message(true, 'lost', 'z');" +
        rows("a", 2'001, 1'000) +
        "rollback to s; select pg_logical_emit_message(true, 'last', repeat('z', 100000)); commit");
    server.sql("select pg_replication_origin_session_setup('elsewhere'); begin;" +
               rows("a", 5'001, 3'000));
    server.sql("commit");
    server.sql("select pg_replication_origin_session_reset()");
    both.check_same_to_the_end();
    CHECK(both.pieces.handler.transactions().at(0).events.size() == 1);  // the message alone
    CHECK(both.pieces.handler.transactions().at(2).origin == "elsewhere");
    CHECK(eventually(soon, [&] { return sent_in_pieces(server, "tidelog_pieces", 2); }));
  }
}

namespace {

// Transactions of several sessions, statement by statement in random turn: savepoints in
// savepoints, rolled back or not, some prepared first, some rolled back at their end.
class RandomSession {
 public:
  RandomSession(const PostgresServer& server, std::mt19937& random, int number)
      : session_(server.session()), random_(random), number_(number) {}

  void step() {
    if (!prepared_.empty()) return finish_prepared();
    if (!open_) {
      session_.sql("begin");
      open_ = true;
      statements_left_ = 1 + pick(15);
      return;
    }
    if (statements_left_-- > 0) return statement();
    depth_ = 0;
    open_ = false;
    switch (pick(6)) {
      case 0:
        session_.sql("rollback");
        break;
      case 1:
      case 2:
        prepared_ = "gid " + std::to_string(number_) + " " + std::to_string(++count_);
        session_.sql("prepare transaction '" + prepared_ + "'");
        break;
      default:
        session_.sql("commit");
    }
  }
  void finish() {
    while (open_ || !prepared_.empty()) step();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  void finish_prepared() {
    session_.sql((pick(3) == 0 ? "rollback prepared '" : "commit prepared '") + prepared_ + "'");
    prepared_.clear();
  }

  void statement() {
    const std::string table = pick(2) == 0 ? "a" : "b";
    // Each session has its own ids, so that nobody waits for another.
    const std::string some =
        " where id % 4 = " + std::to_string(number_) + " and id >= " + std::to_string(pick(10'000));
    switch (pick(9)) {
      case 0:
      case 1:
        session_.sql("savepoint s" + std::to_string(++depth_));
        break;
      case 2:
      case 3:
        if (depth_ > 0) session_.sql("rollback to s" + std::to_string(depth_));
        break;
      case 4:
        if (depth_ > 0) session_.sql("release s" + std::to_string(depth_--));
        break;
      case 5:
        session_.sql("update " + table + " set note = note || '.'" + some);
        break;
      case 6:
        session_.sql("delete from " + table + some + " and id % 3 = 0");
        break;
      case 7:
        message();
        break;
      default:
        insert(table);
    }
  }

  // The server places a message where its record ends, which is where the next one begins: a row of
  // another sub-transaction at that very place may be sent before it. So something else is there.
  void message() {
    session_.sql(
        "select pg_logical_emit_message(true, 'm', 'x'), "
        "pg_logical_emit_message(false, 'between', '')");
  }

  void insert(const std::string& table) {
    const std::uint64_t first = next_id_;
    next_id_ += 1 + pick(500);
    session_.sql("insert into " + table + " select 4 * n + " + std::to_string(number_) +
                 ", repeat(md5(n::text), 3) from generate_series(" + std::to_string(first) + ", " +
                 std::to_string(next_id_ - 1) + ") n");
  }

  SqlSession session_;
  std::mt19937& random_;
  const int number_;
  int count_ = 0;
  bool open_ = false;
  std::uint64_t statements_left_ = 0;
  int depth_ = 0;
  std::uint64_t next_id_ = 0;
  std::string prepared_;
};

}  // namespace

TEST_CASE(
    "pieces: random transactions side by side, with savepoints, prepared and rolled back, are "
    "what they are whole" *
    doctest::timeout(240)) {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    std::mt19937 random(static_cast<unsigned>(test_seed()));
    PostgresServer server(server_options(version));
    server.sql(
        "create table a (id int primary key, note text); create table b (id int, note text);"
        "alter table b replica identity full");
    PostgresOptions options = options_of("pieces", in_pieces(server));
    options.two_phase = version != "14";
    options.binary = random() % 2 == 0;
    CAPTURE(options.binary);
    Both both(server, options);
    std::vector<std::unique_ptr<RandomSession>> sessions;
    for (int i = 0; i < 4; ++i)
      sessions.push_back(std::make_unique<RandomSession>(server, random, i));
    for (int i = 0; i < 600; ++i) sessions[random() % sessions.size()]->step();
    for (const auto& session : sessions) session->finish();
    both.check_same_to_the_end();
    CHECK(eventually(soon, [&] { return sent_in_pieces(server, "tidelog_pieces", 5); }));
    CHECK(both.pieces.handler.held_count() == 0);
    std::size_t prepared = 0;
    for (const RecordedTransaction& transaction : both.pieces.handler.transactions())
      prepared += transaction.global_id.starts_with("gid ") ? 1 : 0;
    if (options.two_phase) CHECK(prepared >= 1);
    for (const RecordedTransaction& transaction : both.whole.handler.transactions())
      CHECK(transaction.global_id.empty());
  }
}

TEST_CASE(
    "prepared: rows are kept from the prepare on, and come at the commit, also after restarts of "
    "both sides") {
  for (const std::string& version : postgres_versions()) {
    if (version == "14") continue;
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql("create table a (id int primary key, note text)");
    PostgresOptions options = options_of("shop", server.url());
    options.two_phase = true;
    PostgresCapture capture(options);
    capture.run();
    server.sql("insert into a values (1, 'before')");
    server.sql("begin; insert into a values (2, 'kept'); prepare transaction 'kept'");
    server.sql("begin; insert into a values (3, 'lost'); prepare transaction 'lost'");
    server.sql("insert into a values (4, 'between')");
    REQUIRE(capture.handler.wait_for_transactions(2));
    REQUIRE(eventually(soon, [&] { return capture.handler.kept_count() == 2; }));
    CHECK(server.sql("select two_phase from pg_replication_slots")[0][0] == "t");

    CHECK(capture.stop());
    server.restart(PostgresServer::Shutdown::immediate);
    REQUIRE(capture.prepare() == Source::Next::stream);
    capture.start();
    server.sql("rollback prepared 'lost'");
    server.sql("commit prepared 'kept'");
    REQUIRE(capture.handler.wait_for_transactions(3));
    CHECK(capture.stop());
    const RecordedTransaction transaction = capture.handler.transactions().at(2);
    CHECK(transaction.global_id == "kept");
    REQUIRE(transaction.events.size() == 1);
    CHECK(texts_of(*transaction.events[0].body) == "2|kept");
    CHECK(capture.handler.kept_count() == 0);
  }
}

TEST_CASE(
    "prepared: a slot that once had two_phase is read on without, and one is switched on with "
    "transactions prepared before") {
  for (const std::string& version : postgres_versions()) {
    if (version == "14") continue;
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql("create table a (id int primary key, note text)");
    PostgresOptions options = options_of("shop", server.url());
    PostgresCapture without(options);
    without.run();
    server.sql("begin; insert into a values (1, 'before'); prepare transaction 'before'");
    server.sql("begin; insert into a values (2, 'lost'); prepare transaction 'lost'");
    server.sql("insert into a values (3, 'between')");
    REQUIRE(without.handler.wait_for_transactions(1));
    REQUIRE(wait_until_durable(without, 0));
    CHECK(without.stop());

    options.two_phase = true;
    PostgresCapture with(options);
    with.stored = without.stored;
    REQUIRE(with.prepare() == Source::Next::stream);
    with.start();
    server.sql("insert into a values (4, 'after')");
    REQUIRE(with.handler.wait_for_transactions(1));
    server.sql("rollback prepared 'lost'");
    server.sql("commit prepared 'before'");
    server.sql("begin; insert into a values (5, 'kept'); prepare transaction 'kept'");
    REQUIRE(with.handler.wait_for_transactions(2));
    REQUIRE(eventually(soon, [&] { return with.handler.kept_count() == 1; }));
    CHECK(texts_of(*with.handler.transactions().at(1).events.at(0).body) == "1|before");
    server.sql("commit prepared 'kept'");
    REQUIRE(with.handler.wait_for_transactions(3));
    CHECK(with.stop());

    options.two_phase = false;
    PostgresCapture again(options);
    again.stored = with.stored;
    REQUIRE(again.prepare() == Source::Next::stream);
    again.start();
    server.sql("begin; insert into a values (6, 'still'); prepare transaction 'still'");
    server.sql("commit prepared 'still'");
    REQUIRE(again.handler.wait_for_transactions(1));
    CHECK(again.stop());
    CHECK(again.handler.transactions().at(0).global_id == "still");
  }
}

TEST_CASE("prepared: a load that waits for a prepared transaction says for which") {
  PostgresServer server(server_options("15"));
  server.sql("create table a (id int primary key, note text)");
  server.sql("begin; insert into a values (1, 'x'); prepare transaction 'forgotten'");
  PostgresOptions options = options_of("shop", server.url());
  options.slot_creation_wait = std::chrono::milliseconds(1'500);
  PostgresCapture capture(options);
  const Status loaded = capture.load();
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == Code::timeout);
  CHECK(loaded.error().what.find("'forgotten'") != std::string::npos);
}

TEST_CASE("origin: none leaves out what was replicated to the server from elsewhere") {
  for (const std::string& version : {std::string("15"), std::string("18")}) {
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql(
        "create table a (id int primary key, note text);"
        "select pg_replication_origin_create('elsewhere')");
    PostgresOptions options = options_of("shop", in_pieces(server));
    options.origins = Origins::none;
    PostgresCapture capture(options);
    if (version == "15") {
      const auto refused = capture.prepare();
      REQUIRE_FALSE(refused);
      CHECK(refused.error().what.find("origin: none needs PostgreSQL 16") != std::string::npos);
      continue;
    }
    capture.run();
    server.sql("select pg_replication_origin_session_setup('elsewhere')");
    server.sql(rows("a", 1, 1));
    server.sql(rows("a", 1'001, 3'000));
    server.sql("select pg_replication_origin_session_reset()");
    server.sql(rows("a", 2, 1));
    REQUIRE(capture.handler.wait_for_transactions(1));
    CHECK(capture.stop());
    CHECK(capture.handler.events().size() == 1);
  }
}

TEST_CASE("two_phase: a server that does not have it is refused by name") {
  if (postgres_versions().front() != "14") return;
  PostgresServer server(server_options("14"));
  server.sql("create table a (id int primary key, note text)");
  PostgresOptions options = options_of("shop", server.url());
  options.two_phase = true;
  PostgresCapture capture(options);
  const auto refused = capture.prepare();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("two_phase needs PostgreSQL 15") != std::string::npos);
}

TEST_CASE("pieces: a connection that is cut in mid-transaction begins again, and it comes once") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server(server_options(version));
    server.sql("create table a (id int primary key, note text)");
    PostgresCapture capture(options_of("pieces", in_pieces(server)));
    capture.run();
    SqlSession session = server.session();
    session.sql("begin;" + rows("a", 1, 2'000));
    REQUIRE(eventually(soon, [&] { return capture.handler.held_count() == 1; }));
    server.sql(rows("a", 5'001, 1));
    REQUIRE(capture.handler.wait_for_transactions(1));
    REQUIRE(wait_until_durable(capture, 0));
    server.sql("select pg_terminate_backend(pid) from pg_stat_replication");
    CHECK_FALSE(capture.wait_for_end());
    CHECK(capture.handler.held_count() == 0);
    REQUIRE(capture.prepare() == Source::Next::stream);
    capture.start();
    session.sql("savepoint s;" + rows("a", 10'001, 1'000) + "rollback to s;" +
                rows("a", 20'001, 1'000) + "commit");
    REQUIRE(capture.handler.wait_for_transactions(2));
    CHECK(capture.stop());
    CHECK(capture.handler.transactions().at(0).events.size() == 1);
    CHECK(capture.handler.transactions().at(1).events.size() == 3'000);
  }
}

TEST_CASE("resume: from each position that was stored, exactly what follows it comes" *
          doctest::timeout(240)) {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server({.settings = {"max_replication_slots=60", "max_wal_senders=20"},
                           .hba = {},
                           .version = version});
    server.sql("create table a (id int primary key, note text)");
    PostgresCapture first(options_of("shop", in_pieces(server)));
    REQUIRE(first.load());
    constexpr int copies = 40;
    for (int i = 0; i < copies; ++i) {
      server.sql("select pg_copy_logical_replication_slot('tidelog_shop', 'copy_" +
                 std::to_string(i) + "')");
    }
    first.start();
    // One behind the other in the log: messages alone, in transactions, of others meanwhile.
    SqlSession large = server.session();
    large.sql("begin;" + rows("a", 1, 700));
    for (int i = 0; i < 6; ++i) {
      const std::string n = std::to_string(i);
      server.sql("select pg_logical_emit_message(false, 'alone', '" + n +
                 "'), pg_logical_emit_message(false, 'alone', 'and " + n + "')");
      server.sql("begin; select pg_logical_emit_message(true, 'first', '" + n + "');" +
                 "select pg_logical_emit_message(false, 'meanwhile', '" + n + "');" +
                 rows("a", 10'000 + i, 1) +
                 "select pg_logical_emit_message(true, 'last', ''); commit");
      if (i == 2) large.sql(rows("a", 20'001, 700));
      if (i == 4) large.sql("commit");
    }
    const std::size_t count = 6 * 4 + 1;
    REQUIRE(first.handler.wait_for_transactions(count));
    CHECK(first.stop());
    const std::vector<RecordedTransaction> all = first.handler.transactions();
    REQUIRE(all.size() == count);
    CHECK(eventually(soon, [&] { return sent_in_pieces(server, "tidelog_shop", 1); }));

    for (std::size_t i = 0; i < count; ++i) {
      CAPTURE(i);
      PostgresOptions options = options_of("shop", in_pieces(server));
      options.slot = "copy_" + std::to_string(i);
      options.publication = "tidelog_shop";
      PostgresResume resume = *read_postgres_resume(all[i].resume);
      resume.slot = options.slot;
      PostgresCapture again(options);
      again.stored = encode(resume);
      REQUIRE(again.prepare() == Source::Next::stream);
      again.start();
      REQUIRE(again.handler.wait_for_transactions(count - 1 - i));
      CHECK(again.stop());
      check_same(again.handler.transactions(),
                 {all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end()});
    }
  }
}

}  // namespace tidelog::testing
