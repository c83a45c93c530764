#include "ingest/ingest.h"

#include <functional>
#include <thread>

#include "core/table_reader.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

Schema items_schema(int columns = 2) {
  Schema schema{"public", "items", ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "integer", ValueKind::int64, true, 23, -1});
  for (int i = 1; i < columns; ++i) {
    schema.columns.push_back({"c" + std::to_string(i), "text", ValueKind::text, false, 25, -1});
  }
  return schema;
}

std::string resume_at(PostgresResume::Phase phase, std::uint64_t lsn) {
  return encode(PostgresResume{phase, 7, 1, {lsn}, "slot"});
}

void put_item(std::int64_t id, std::string_view text, std::string& key, std::string& row) {
  key.clear();
  put_value(key, Value(id));
  row = key;
  put_value(row, Value(Text{text}));
}

Status give_item(ChangeHandler& handler, ChangeHandler::Version version, EventType type,
                 std::int64_t id, std::string_view text) {
  std::string key;
  std::string row;
  put_item(id, text, key, row);
  EventBody event;
  event.type = type;
  event.stream = version.stream;
  event.schema = version.schema;
  event.key = key;
  event.body = row;
  return handler.event(event);
}

// A database that does as the test says: one function for each time it is asked to stream. It is
// here to lose connections; that a real database works is tests/integration's to prove.
class ScriptedSource final : public Source {
 public:
  using Session = std::function<Status(std::uint64_t from, ChangeHandler&)>;
  std::vector<Session> sessions;
  std::vector<std::uint64_t> resumed_at;
  int begun = 0;
  int begins_to_break = 0;
  std::vector<std::string> tables = {"public.items"};
  std::stop_source stop;
  std::string behind;

  std::string behind_failure() const override { return behind; }
  Result<Next> prepare(std::string_view stored) override {
    if (stored.empty()) return Next::begin;
    TRY(const auto resume, read_postgres_resume(stored));
    return resume.phase == PostgresResume::Phase::beginning ? Next::begin : Next::stream;
  }

  std::string beginning_position() const override {
    return resume_at(PostgresResume::Phase::beginning, 0);
  }

  Result<Begun> begin() override {
    ++begun;
    if (begins_to_break > 0) {
      --begins_to_break;
      return fail(Code::unavailable, "the connection broke");
    }
    return Begun{resume_at(PostgresResume::Phase::streaming, 100), tables};
  }
  Result<std::vector<Schema>> describe(const std::vector<std::string>& names) override {
    return std::vector<Schema>(names.size(), items_schema());
  }

  Status stream(std::string_view stored, ChangeHandler& handler,
                std::stop_token /*stop*/) override {
    TRY(const auto resume, read_postgres_resume(stored));
    resumed_at.push_back(resume.end_lsn.value);
    if (resumed_at.size() > sessions.size()) {
      stop.request_stop();
      return {};
    }
    return sessions[resumed_at.size() - 1](resume.end_lsn.value, handler);
  }

  Result<std::vector<std::string>> new_tables() override { return std::vector<std::string>(); }
  Status capture(const std::vector<std::string>& /*tables*/) override { return {}; }
  TableReaders& table_readers() override { return no_tables; }
  void wake() override {}

 private:
  class NoTables final : public TableReaders {
   public:
    Result<std::unique_ptr<TableReader>> open(const TableToLoad& table,
                                              std::stop_token /*stop*/) override {
      return fail(Code::misconfigured, "no table " + table.table);
    }
    Result<bool> includes(std::string_view /*snapshot*/,
                          const Streamed& /*transaction*/) const override {
      return false;
    }
    Result<bool> passed(std::string_view /*resume*/, std::string_view /*place*/) const override {
      return true;
    }
  };
  NoTables no_tables;
};

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  std::unique_ptr<EventStore> store = must(EventStore::open(disk, clock, "store", small_store()));
  ScriptedSource source;

  // A schema and the step that says that nothing is loaded: two events to begin with.
  static IngestOptions just_named() {
    IngestOptions options;
    options.name = "shop";
    options.first_load = [](const std::string&) { return FirstLoad{FirstLoad::What::schema, {}}; };
    return options;
  }

  Status run() {
    IngestOptions options = just_named();
    options.transaction_bytes_max = 4096;
    options.batch_bytes = 1024;
    options.retry_min = options.retry_max = std::chrono::milliseconds(1);
    return Ingest(*store, source, clock, options).run(source.stop.get_token());
  }

  std::vector<Seen> events() { return read_all(*must(store->reader())); }
};

Status give_transaction(ChangeHandler& handler, std::uint64_t lsn, std::int64_t first_id,
                        std::int64_t rows, bool commit = true) {
  const std::string id = std::to_string(lsn);
  const std::string position = encode(Lsn{lsn});
  Transaction transaction;
  transaction.id = id;
  transaction.position = position;
  transaction.commit_time = {static_cast<std::int64_t>(lsn)};
  TRY_DO(handler.begin(transaction));
  TRY(const auto version, handler.schema("public.items", items_schema()));
  for (std::int64_t i = 0; i < rows; ++i) {
    TRY_DO(give_item(handler, version, EventType::insert, first_id + i, "streamed"));
  }
  return commit ? handler.commit(resume_at(PostgresResume::Phase::streaming, lsn + 1)) : Status();
}

}  // namespace

TEST_CASE("ingest: what tables begin with and where the stream begins are stored at once") {
  Fixture f;
  f.source.begins_to_break = 2;
  f.source.tables.push_back("public.others");
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 2));
    return handler.idle();
  });
  must(f.run());
  CHECK(f.source.begun == 3);
  CHECK(f.source.resumed_at == std::vector<std::uint64_t>{100, 201});
  const auto events = f.events();
  REQUIRE(events.size() == 6);
  for (const std::size_t first : {0U, 2U}) {
    CHECK(events[first].type == EventType::schema);
    CHECK(events[first].count == 4);
    CHECK(events[first + 1].type == EventType::load_step);
  }
  CHECK(events[4].transaction == "200");
}

TEST_CASE("ingest: an application's events that are called like ours are none of ours") {
  Fixture f;
  for (const char* const type : {"load_step", "load", "truncate", "schema", "insert"}) {
    AppendRequest request;
    request.streams.push_back({"shop.notes", ExpectedRevision::any(), {}});
    NewEvent event;
    event.type = type;
    event.data = "no step";
    request.streams.front().events.push_back(std::move(event));
    must(f.store->append(std::move(request)));
  }
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 2));
    return handler.idle();
  });
  must(f.run());
  CHECK(f.source.resumed_at == std::vector<std::uint64_t>{100, 201});
}

TEST_CASE("ingest: a connection cut in a transaction leaves nothing of it, and it comes once") {
  Fixture f;
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    TRY_DO(give_transaction(handler, 300, 20, 5, false));
    return fail(Code::unavailable, "cut");
  });
  f.source.sessions.push_back([](std::uint64_t from, ChangeHandler& handler) -> Status {
    CHECK(from == 201);
    TRY_DO(give_transaction(handler, 300, 20, 5));
    return handler.idle();
  });
  must(f.run());
  CHECK(f.events().size() == 2 + 1 + 5);
}

TEST_CASE("ingest: a transaction larger than the limit is staged and becomes visible whole") {
  Fixture f;
  f.source.sessions.push_back([&f](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    TRY_DO(give_transaction(handler, 300, 1000, 5000, false));
    CHECK(f.events().size() == 3);
    TRY_DO(handler.commit(resume_at(PostgresResume::Phase::streaming, 301)));
    CHECK(f.events().size() == 5003);
    CHECK(handler.durable() == resume_at(PostgresResume::Phase::streaming, 301));
    TRY_DO(give_transaction(handler, 400, 20'000, 1));
    return handler.idle();
  });
  must(f.run());
  const auto events = f.events();
  REQUIRE(events.size() == 5004);
  for (std::size_t i = 0; i < events.size(); ++i) CHECK(events[i].revision == i);
  CHECK(events[3].count == 5000);
  CHECK(events[5002].index == 4999);
}

TEST_CASE("ingest: a large transaction that is cut leaves no staging file") {
  Fixture f;
  f.source.sessions.push_back([&f](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 300, 1000, 5000, false));
    CHECK(must(f.disk.list("store/staging")).size() == 1);
    return fail(Code::unavailable, "cut");
  });
  must(f.run());
  CHECK(must(f.disk.list("store/staging")).empty());
  CHECK(f.events().size() == 2);
}

TEST_CASE("ingest: a new schema is an event before its first row, a repeated one is none") {
  Fixture f;
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    Transaction transaction;
    TRY_DO(handler.begin(transaction));
    TRY(const auto wide, handler.schema("public.items", items_schema(3)));
    TRY(const auto again, handler.schema("public.items", items_schema(3)));
    CHECK(wide.schema == again.schema);
    TRY(const auto narrow, handler.schema("public.items", items_schema()));
    CHECK(narrow.schema != wide.schema);
    TRY_DO(handler.commit(resume_at(PostgresResume::Phase::streaming, 201)));
    return handler.idle();
  });
  must(f.run());
  const auto events = f.events();
  REQUIRE(events.size() == 4);
  CHECK(events[2].type == EventType::schema);
  CHECK(events[3].type == EventType::schema);
}

// Its key, or its only column that is none, hashed with a key that is called so.
Schema hashed_items(const std::string& hash_key, bool has_key = true) {
  Schema schema = items_schema();
  schema.columns[0].key = has_key;
  Column& column = schema.columns[has_key ? 0 : 1];
  column.kind = ValueKind::text;
  column.transform = Transform::hashed;
  column.transform_detail = hash_key;
  return schema;
}

// One transaction: rows of this schema, or a truncate.
Status give_one(ChangeHandler& handler, std::uint64_t lsn, const Schema& schema,
                EventType type = EventType::insert) {
  Transaction transaction;
  TRY_DO(handler.begin(transaction));
  TRY(const auto version, handler.schema("public.items", schema));
  std::string key;
  put_value(key, Value(Text{std::to_string(lsn)}));
  std::string row = key;
  put_value(row, Value(Text{"text"}));
  EventBody event;
  event.type = type;
  event.stream = version.stream;
  event.schema = version.schema;
  if (type == EventType::insert) {
    if (schema.has_key()) event.key = key;
    event.body = row;
  }
  TRY_DO(handler.event(event));
  return handler.commit(resume_at(PostgresResume::Phase::streaming, lsn + 1));
}

// On connections of their own, or all on one.
Status capture_in_turn(Fixture& f, const std::vector<ScriptedSource::Session>& sessions,
                       bool on_one_connection) {
  if (on_one_connection) {
    f.source.sessions.push_back([&](std::uint64_t from, ChangeHandler& handler) -> Status {
      for (const auto& session : sessions) TRY_DO(session(from, handler));
      return handler.idle();
    });
  } else {
    for (const auto& session : sessions) {
      f.source.sessions.push_back([&](std::uint64_t from, ChangeHandler& handler) -> Status {
        TRY_DO(session(from, handler));
        return handler.idle();
      });
    }
  }
  return f.run();
}

ScriptedSource::Session one(std::uint64_t lsn, Schema schema, EventType type = EventType::insert) {
  return
      [=](std::uint64_t, ChangeHandler& handler) { return give_one(handler, lsn, schema, type); };
}

TEST_CASE("ingest: rows that would no longer be found by their keys stop the source") {
  Schema other_type = hashed_items("one");
  other_type.columns[0].type_modifier = 5;
  Schema joins_hashed = items_schema();
  joins_hashed.columns[1].key = true;
  joins_hashed.columns[1].transform = Transform::hashed;
  const std::vector<std::pair<Schema, Schema>> all = {
      {hashed_items("one"), hashed_items("two")},
      {items_schema(), hashed_items("one")},
      {hashed_items("one"), items_schema()},
      {hashed_items("one"), other_type},
      {items_schema(), joins_hashed},
      {hashed_items("one", false), hashed_items("two", false)},
  };
  for (const auto& [before, next] : all) {
    for (const bool on_one_connection : {false, true}) {
      CAPTURE(on_one_connection);
      Fixture f;
      f.source.tables.clear();
      const Status ended = capture_in_turn(f,
                                           {one(200, before), one(300, before, EventType::truncate),
                                            one(400, before), one(500, next)},
                                           on_one_connection);
      REQUIRE_FALSE(ended);
      CHECK(ended.error().code == Code::misconfigured);
      CHECK(ended.error().what.find("`tidelog source load shop.public.items --anew") !=
            std::string::npos);
      CHECK(f.events().size() == 4);
    }
  }
}

TEST_CASE("ingest: keys may be stored in another way when there is no row, or nothing changes") {
  Schema renamed = hashed_items("one");
  renamed.columns[1].name = "other";
  const std::vector<std::pair<Schema, Schema>> all = {{hashed_items("one"), hashed_items("two")},
                                                      {items_schema(), hashed_items("one")}};
  for (const bool on_one_connection : {false, true}) {
    for (const auto& [before, next] : all) {
      Fixture f;
      f.source.tables.clear();
      must(capture_in_turn(
          f, {one(200, before), one(300, before, EventType::truncate), one(400, next)},
          on_one_connection));
      CHECK(f.events().size() == 5);
    }
    Fixture f;
    f.source.tables.clear();
    must(capture_in_turn(f, {one(200, hashed_items("one")), one(300, renamed)}, on_one_connection));
    CHECK(f.events().size() == 4);
  }
}

TEST_CASE("ingest: a load anew, while nothing works, lets keys be stored in another way") {
  Fixture f;
  f.source.tables.clear();
  REQUIRE_FALSE(
      capture_in_turn(f, {one(200, hashed_items("one")), one(300, hashed_items("two"))}, false));
  Ingest ingest(*f.store, f.source, f.clock, Fixture::just_named());
  CHECK(must(ingest.load_anew({"public.items", ""})) == 1);
  CHECK(must(ingest.load_anew({"public.items", ""})) == 2);
  CHECK(ingest.load_anew({"public.others", ""}).error().code == Code::not_found);
  f.source.sessions = {one(300, hashed_items("two"))};
  f.source.resumed_at.clear();
  must(f.run());
  const auto events = f.events();
  REQUIRE(events.size() >= 8);
  CHECK(events[2].type == EventType::truncate);
  CHECK(events[3].type == EventType::load_step);
  CHECK(events[4].type == EventType::truncate);
}

TEST_CASE("ingest: a table that ends, and whose load begins anew, is not known by its id") {
  Fixture f;
  Schema schema = items_schema();
  schema.table_id = 16'384;
  const auto begin = [](ChangeHandler& handler) { return handler.begin({}); };
  const auto commit = [](ChangeHandler& handler, std::uint64_t lsn) {
    return handler.commit(resume_at(PostgresResume::Phase::streaming, lsn));
  };
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(begin(handler));
    TRY_DO(handler.schema("public.items", schema));
    TRY_DO(commit(handler, 201));
    const auto known = handler.known_table(16'384);
    REQUIRE(known);
    CHECK(known->table == "public.items");
    TRY_DO(begin(handler));
    TRY_DO(handler.end_table(*known, "the table was dropped", 0));
    CHECK(handler.known_table("public.items")->schema.ended);
    CHECK_FALSE(handler.known_table(16'384));
    TRY_DO(handler.begin_load("public.items"));
    CHECK_FALSE(handler.known_table("public.items")->schema.ended);
    TRY_DO(handler.end_load("public.items", "the table was dropped"));
    TRY_DO(handler.begin_load("public.items"));
    return commit(handler, 301);
  });
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    CHECK(handler.known_table("public.items")->schema.table_id == 0);
    CHECK_FALSE(handler.known_table("public.items")->schema.ended);
    return handler.idle();
  });
  must(f.run());
  std::vector<std::pair<LoadStep::Kind, std::uint64_t>> steps;
  const auto reader = must(f.store->reader());
  EventFilter filter;
  filter.types = {"load_step"};
  reader->set_filter(std::move(filter));
  for (;;) {
    const Event* const event = must(reader->next());
    if (event == nullptr) break;
    const LoadStep step = must(read_load_step(event->body.value()));
    steps.emplace_back(step.kind, step.number);
  }
  CHECK(steps ==
        std::vector<std::pair<LoadStep::Kind, std::uint64_t>>{{LoadStep::Kind::left_out, 1},
                                                              {LoadStep::Kind::left_out, 2},
                                                              {LoadStep::Kind::left_out, 3}});
}

TEST_CASE("ingest: a source that begins anew forgets which tables its streams were of") {
  Fixture f;
  Schema schema = items_schema();
  schema.table_id = 16'384;
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(handler.begin({}));
    TRY_DO(handler.schema("public.items", schema));
    TRY_DO(handler.schema("public.no_longer_captured", schema));
    TRY_DO(handler.commit(resume_at(PostgresResume::Phase::streaming, 201)));
    CHECK(handler.known_table(16'384));
    return fail(Code::history_lost, "the slot is gone");
  });
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    CHECK(handler.known_table("public.items")->schema.table_id == 0);
    CHECK(handler.known_table("public.no_longer_captured")->schema.table_id == 0);
    CHECK_FALSE(handler.known_table(16'384));
    return handler.idle();
  });
  IngestOptions options = Fixture::just_named();
  options.first_load = [](const std::string&) { return FirstLoad{FirstLoad::What::nothing, {}}; };
  options.begins_anew = true;
  options.transaction_bytes_max = 4096;
  options.batch_bytes = 1024;
  options.retry_min = options.retry_max = std::chrono::milliseconds(1);
  must(Ingest(*f.store, f.source, f.clock, options).run(f.source.stop.get_token()));
  CHECK(f.source.begun == 2);
}

TEST_CASE("ingest: a schema announced in a transaction that was cut is announced again") {
  Fixture f;
  const auto announce = [](ChangeHandler& handler, bool commit) -> Status {
    Transaction transaction;
    TRY_DO(handler.begin(transaction));
    TRY_DO(handler.schema("public.items", items_schema(3)));
    if (!commit) return fail(Code::unavailable, "cut");
    TRY_DO(handler.commit(resume_at(PostgresResume::Phase::streaming, 201)));
    return handler.idle();
  };
  f.source.sessions.push_back(
      [&](std::uint64_t, ChangeHandler& handler) -> Status { return announce(handler, false); });
  f.source.sessions.push_back(
      [&](std::uint64_t, ChangeHandler& handler) -> Status { return announce(handler, true); });
  must(f.run());
  CHECK(f.events().size() == 3);
}

TEST_CASE("ingest: a position alone is stored when it is due, and only then confirmed") {
  Fixture f;
  const std::string later = resume_at(PostgresResume::Phase::streaming, 500);
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(handler.progress(later));
    TRY_DO(handler.idle());
    CHECK(handler.durable() == resume_at(PostgresResume::Phase::streaming, 100));
    f.clock.advance(std::chrono::seconds(11));
    TRY_DO(handler.idle());
    CHECK(handler.durable() == later);
    return {};
  });
  must(f.run());
  CHECK(f.store->source_position("shop") == later);
  CHECK(f.events().size() == 2);
}

TEST_CASE("ingest: an error that no retry mends ends it, and what was whole is kept") {
  Fixture f;
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    return fail(Code::unsupported, "column c1: not a value");
  });
  const Status ended = f.run();
  REQUIRE(!ended);
  CHECK(ended.error().code == Code::unsupported);
  CHECK(f.events().size() == 3);
}

TEST_CASE("ingest: lost history leaves one gap event where the source stands, and ends it") {
  Fixture f;
  const auto lost = [](std::uint64_t, ChangeHandler&) -> Status {
    return fail(Code::history_lost, "the slot is gone");
  };
  f.source.sessions = {[](std::uint64_t, ChangeHandler& handler) -> Status {
                         TRY_DO(give_transaction(handler, 200, 10, 1));
                         return fail(Code::history_lost, "the slot is gone");
                       },
                       lost,
                       [](std::uint64_t, ChangeHandler& handler) -> Status {
                         TRY_DO(give_transaction(handler, 300, 20, 1));
                         return fail(Code::history_lost, "the slot is gone again");
                       },
                       lost};
  const std::string stands = resume_at(PostgresResume::Phase::streaming, 201);
  for (int run = 0; run < 2; ++run) {  // the second finds it told
    const Status ended = f.run();
    REQUIRE(!ended);
    CHECK(ended.error().code == Code::history_lost);
    const auto events = f.events();
    REQUIRE(events.size() == 4);
    CHECK(events[3].stream == "shop.$source");
    CHECK(events[3].type == EventType::gap);
    CHECK(f.store->source_position("shop") == stands);
  }
  const auto reader = must(f.store->reader());
  must(reader->seek(Position{3}));
  const Event* const gap = must(reader->next());
  REQUIRE(gap != nullptr);
  CHECK(gap->body == "the slot is gone");
  CHECK(gap->transaction.position == stands);
  CHECK(gap->source_name == "shop");

  // Where the source got further, a gap is another one.
  for (int run = 0; run < 2; ++run) {
    REQUIRE(!f.run());
    const auto events = f.events();
    REQUIRE(events.size() == 6);
    CHECK(events[5].type == EventType::gap);
    CHECK(events[5].revision == 1);
  }
}

TEST_CASE("ingest: a transaction that is to be skipped leaves a gap in its place, once") {
  Fixture f;
  f.source.behind = resume_at(PostgresResume::Phase::streaming, 250);
  const auto fails = [](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    TRY_DO(give_transaction(handler, 240, 20, 1, false));
    return fail(Code::unsupported, "a value of no known form");
  };
  f.source.sessions = {fails};
  IngestOptions options = Fixture::just_named();
  Ingest failing(*f.store, f.source, f.clock, options);
  REQUIRE(!failing.run(f.source.stop.get_token()));
  const std::string from = failing.progress().position;
  CHECK(from == resume_at(PostgresResume::Phase::streaming, 201));
  CHECK(failing.progress().behind == f.source.behind);
  CHECK(f.events().size() == 3);

  // An order for another place is none.
  options.skip = SkipOrder{resume_at(PostgresResume::Phase::streaming, 199), f.source.behind, "x"};
  REQUIRE(Ingest(*f.store, f.source, f.clock, options).run(f.source.stop.get_token()));
  CHECK(f.source.resumed_at.back() == 201);
  options.skip = SkipOrder{from, f.source.behind, "left out"};
  for (int run = 0; run < 2; ++run) {
    f.source.stop = {};
    REQUIRE(Ingest(*f.store, f.source, f.clock, options).run(f.source.stop.get_token()));
    CHECK(f.source.resumed_at.back() == 250);
    REQUIRE(f.events().size() == 4);
  }
  const auto reader = must(f.store->reader());
  must(reader->seek(Position{3}));
  const Event* const gap = must(reader->next());
  REQUIRE(gap != nullptr);
  CHECK(gap->type == EventType::gap);
  CHECK(gap->body == "left out");
  CHECK(gap->transaction.position == from);
}

TEST_CASE("ingest: where to go on behind a failure is known only with all before it on disk") {
  Fixture f;
  f.source.behind = resume_at(PostgresResume::Phase::streaming, 250);
  f.source.sessions = {[&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    f.disk.fail_at(f.disk.call_count(), FaultyDisk::Repeat::for_ever, Code::disk_full);
    return fail(Code::unsupported, "a value of no known form");
  }};
  const IngestOptions options = Fixture::just_named();
  Ingest ingest(*f.store, f.source, f.clock, options);
  REQUIRE(!ingest.run(f.source.stop.get_token()));
  CHECK(ingest.progress().behind.empty());
}

TEST_CASE("ingest: a gap that a full disk keeps from being stored is stored when there is space") {
  Fixture f;
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler&) -> Status {
    f.disk.fail_at(f.disk.call_count(), FaultyDisk::Repeat::for_ever, Code::disk_full);
    return fail(Code::history_lost, "the slot is gone");
  });
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler&) -> Status {
    f.disk.mend();
    return fail(Code::history_lost, "the slot is gone");
  });
  const Status ended = f.run();
  REQUIRE(!ended);
  CHECK(ended.error().code == Code::history_lost);
  CHECK(f.source.resumed_at.size() == 2);
  REQUIRE(f.events().size() == 3);
  CHECK(f.events()[2].type == EventType::gap);
}

TEST_CASE("ingest: a source that is ended from outside is told why, and may leave a gap") {
  Fixture f;
  must(f.run());
  const IngestOptions options = Fixture::just_named();
  Ingest ingest(*f.store, f.source, f.clock, options);
  must(ingest.run(f.source.stop.get_token()));
  CHECK(ingest.end_with({Code::misconfigured, "too much"}).error().what == "too much");
  CHECK(ingest.progress().state == IngestProgress::State::failed);
  CHECK(f.events().size() == 2);
  CHECK(ingest.end_with({Code::history_lost, "dropped"}).error().code == Code::history_lost);
  CHECK(ingest.progress().problem == "dropped");
  REQUIRE(f.events().size() == 3);
  CHECK(f.events()[2].type == EventType::gap);
}

TEST_CASE("ingest: a full disk pauses, and nothing is lost or doubled") {
  Fixture f;
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler&) -> Status {
    return fail(Code::disk_full, "no space left");
  });
  f.source.sessions.push_back([](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    return handler.idle();
  });
  must(f.run());
  CHECK(f.events().size() == 3);
}

TEST_CASE("ingest: a disk that is full at any one call loses and doubles nothing") {
  std::vector<Seen> expected;
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    Fixture f;
    const std::uint64_t begin = f.disk.call_count();
    // The first time without a fault: what the others must come to.
    if (!expected.empty()) {
      f.disk.fail_at(begin + call, FaultyDisk::Repeat::once, Code::disk_full, call % 3 * 500);
    }
    const auto session = [](std::uint64_t from, ChangeHandler& handler) -> Status {
      if (from <= 200) TRY_DO(give_transaction(handler, 200, 10, 2));
      if (from <= 300) TRY_DO(give_transaction(handler, 300, 20, 1000));
      if (from <= 400) TRY_DO(give_transaction(handler, 400, 5000, 1));
      return handler.idle();
    };
    f.source.sessions = {session, session, session};
    must(f.run());
    const auto events = f.events();
    if (expected.empty()) {
      expected = events;
      REQUIRE(expected.size() == 2 + 2 + 1000 + 1);
      continue;
    }
    REQUIRE(events == expected);
    std::size_t adopted = 0;
    for (const auto& [path, content] : f.disk.files()) {
      CHECK(path.find("/staging/") == std::string::npos);
      adopted += path.ends_with(".adopted") ? 1 : 0;
    }
    CHECK(adopted == 1);  // of the large transaction
    if (f.disk.call_count() <= begin + call) break;
  }
}

TEST_CASE("ingest: a store that gave up ends it, although the connection was lost as well") {
  Fixture f;
  f.source.sessions.push_back([&f](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY_DO(give_transaction(handler, 200, 10, 1));
    f.disk.fail_at(f.disk.call_count() + 1, FaultyDisk::Repeat::once, Code::failed);
    return fail(Code::unavailable, "the connection broke");
  });
  const Status ended = f.run();
  REQUIRE(!ended);
  CHECK(ended.error().code == Code::failed);
  CHECK(f.source.resumed_at.size() == 1);
}

// -- transactions that have not ended --

TEST_CASE("ingest: what is held is forgotten with the connection, what was kept is not") {
  Fixture f;
  std::uint64_t kept_id = 0;
  const auto resume_with = [&](std::uint64_t lsn) {
    return encode(PostgresResume{PostgresResume::Phase::streaming, 7, 1, {lsn}, "slot", {kept_id}});
  };
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY(const auto held, handler.hold());
    TRY_DO(held->add(1, "never ended"));
    TRY_DO(held->rest());
    TRY(const auto kept, handler.hold());
    TRY_DO(kept->add(1, "prepared"));
    TRY_DO(handler.keep(*kept, "order-7"));
    kept_id = kept->id();
    TRY_DO(handler.progress(resume_with(200)));
    return fail(Code::unavailable, "the connection broke");
  });
  f.source.sessions.push_back([&](std::uint64_t from, ChangeHandler& handler) -> Status {
    CHECK(from == 200);
    CHECK(must(f.disk.list("store/staging")).size() == 1);
    TRY(const auto kept, handler.kept({kept_id}));
    CHECK(kept.at(0)->about() == "order-7");
    return handler.idle();
  });
  must(f.run());
}

TEST_CASE("ingest: a kept transaction is forgotten once its commit is durable, not before") {
  Fixture f;
  f.source.sessions.push_back([&](std::uint64_t, ChangeHandler& handler) -> Status {
    TRY(auto kept, handler.hold());
    TRY_DO(kept->add(1, "prepared"));
    TRY_DO(handler.keep(*kept, "order-7"));
    TRY_DO(give_transaction(handler, 300, 50, 1));
    handler.release(std::move(kept));
    CHECK(must(f.disk.list("store/staging")).size() == 1);
    TRY_DO(handler.idle());
    CHECK(must(f.disk.list("store/staging")).empty());

    // A large one is durable when its commit returns.
    TRY(kept, handler.hold());
    TRY_DO(handler.keep(*kept, "order-8"));
    TRY_DO(give_transaction(handler, 400, 100, 1'000));
    handler.release(std::move(kept));
    CHECK(must(f.disk.list("store/staging")).empty());
    return {};
  });
  must(f.run());
}

}  // namespace tidelog::testing
