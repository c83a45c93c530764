#include "connectors/postgres/change_decoder.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/postgres/fake_catalog.h"
#include "tests/postgres/messages.h"
#include "tests/support/recording_handler.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

PostgresResume resume_at(std::uint64_t end) {
  return {PostgresResume::Phase::streaming, 42, 1, Lsn{end}, "tidelog_shop"};
}

struct Fixture {
  FakeCatalog catalog;
  RecordingHandler handler;
  ChangeDecoder decoder{resume_at(100), {}, catalog, handler};
  std::uint64_t next_lsn = 1'000;

  Status decode(const std::string& message) {
    return decoder.decode(message, {Lsn{next_lsn}, UnixMicros{77}});
  }

  // Errors are the test's failure.
  void transaction(const std::vector<std::string>& messages) {
    REQUIRE(decode(begin_message(next_lsn, 5, 771)));
    for (const std::string& message : messages) REQUIRE(decode(message));
    REQUIRE(decode(commit_message(next_lsn, next_lsn + 10, 5)));
    next_lsn += 100;
  }

  static std::string keyed(char identity = 'd') {
    const bool all = identity == 'f';
    return relation_message(orders, "public", "orders", identity,
                            {{identity != 'n', "id", int4}, {all, "note", text}});
  }
};

TEST_CASE("decoder: a transaction has its id, times, positions and origin") {
  Fixture f;
  f.transaction({origin_message(9, "other"), f.keyed(), insert_message(orders, {"t1", "ta"})});
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 1);
  CHECK(transactions[0].id == "771");
  CHECK(transactions[0].commit_time.value == 946'684'800'000'005);
  CHECK(transactions[0].position == encode(Lsn{1'000}));
  CHECK(transactions[0].origin == "other");
  CHECK(transactions[0].resume == encode(resume_at(1'010)));
}

TEST_CASE("decoder: an origin is of its own transaction alone") {
  Fixture f;
  f.transaction({origin_message(9, "other"), f.keyed(), insert_message(orders, {"t1", "ta"})});
  f.transaction({insert_message(orders, {"t2", "ta"})});
  CHECK(f.handler.transactions().at(1).origin.empty());
}

TEST_CASE("decoder: an insert has its key and its row") {
  Fixture f;
  f.transaction({f.keyed(), insert_message(orders, {"t7", "n"})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].type == EventType::insert);
  CHECK(events[0].stream == "public.orders");
  CHECK(texts_of(*events[0].key) == "7");
  CHECK(texts_of(*events[0].body) == "7|NULL");
  CHECK(events[0].before_kind == Before::none);
}

TEST_CASE("decoder: ordinals count row messages, not descriptions") {
  Fixture f;
  f.transaction({f.keyed(), insert_message(orders, {"t1", "n"}), type_message(99, "public", "mood"),
                 f.keyed(), insert_message(orders, {"t2", "n"}),
                 delete_message(orders, 'K', {"t1", "n"})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) CHECK(events[i].ordinal == i);
}

TEST_CASE("decoder: an update without an old row knows nothing of it") {
  Fixture f;
  f.transaction({f.keyed(), update_message(orders, 0, {}, {"t1", "tb"})});
  const auto event = f.handler.events().at(0);
  CHECK(event.type == EventType::update);
  CHECK_FALSE(event.moved);
  CHECK(event.before_kind == Before::none);
  CHECK(texts_of(*event.key) == "1");
  CHECK(texts_of(*event.body) == "1|b");
}

TEST_CASE("decoder: an update with the whole old row keeps it") {
  Fixture f;
  f.catalog.primary_key = "id";
  f.transaction({f.keyed('f'), update_message(orders, 'O', {"t1", "ta"}, {"t1", "tb"})});
  const auto event = f.handler.events().at(0);
  CHECK(event.before_kind == Before::row);
  CHECK(texts_of(event.before) == "1|a");
  CHECK(texts_of(*event.key) == "1");
}

TEST_CASE("decoder: an old key that is still the key is no move") {
  Fixture f;
  f.transaction({f.keyed(), update_message(orders, 'K', {"t1", "n"}, {"t1", "tb"})});
  const auto event = f.handler.events().at(0);
  CHECK(event.type == EventType::update);
  CHECK(event.before_kind == Before::key);
  CHECK(texts_of(event.before) == "1");
}

TEST_CASE("decoder: a changed key is a delete and an insert of one ordinal, both moved") {
  Fixture f;
  f.transaction({f.keyed(), update_message(orders, 'K', {"t1", "n"}, {"t2", "u"}),
                 insert_message(orders, {"t1", "n"})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0].type == EventType::remove);
  CHECK(events[0].moved);
  CHECK(texts_of(*events[0].key) == "1");
  CHECK(events[0].before_kind == Before::key);
  CHECK_FALSE(events[0].body);
  CHECK(events[1].type == EventType::insert);
  CHECK(events[1].moved);
  CHECK(texts_of(*events[1].key) == "2");
  CHECK(events[1].before_kind == Before::key);
  CHECK(texts_of(events[1].before) == "1");
  CHECK(texts_of(*events[1].body) == "2|(unchanged)");
  CHECK(events[1].ordinal == events[0].ordinal);
  CHECK(events[2].ordinal == events[0].ordinal + 1);
}

TEST_CASE("decoder: a changed key with the whole old row deletes that row") {
  Fixture f;
  f.catalog.primary_key = "id";
  f.transaction({f.keyed('f'), update_message(orders, 'O', {"t1", "ta"}, {"t2", "u"})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].before_kind == Before::row);
  CHECK(texts_of(events[0].before) == "1|a");
  CHECK(texts_of(*events[1].body) == "2|a");
}

TEST_CASE("decoder: a value that was not sent stays unchanged, never null") {
  Fixture f;
  f.transaction({f.keyed(), update_message(orders, 0, {}, {"t1", "u"})});
  CHECK(texts_of(*f.handler.events().at(0).body) == "1|(unchanged)");
}

TEST_CASE("decoder: a value that was not sent is the old row's, when that came along") {
  Fixture f;
  f.catalog.primary_key = "id";
  f.transaction({f.keyed('f'), update_message(orders, 'O', {"t1", "tlong"}, {"t1", "u"})});
  CHECK(texts_of(*f.handler.events().at(0).body) == "1|long");
}

TEST_CASE("decoder: a long key that was not sent again is the old key's") {
  Fixture f;
  f.transaction({f.keyed(), update_message(orders, 'K', {"t1", "n"}, {"u", "tb"})});
  const auto event = f.handler.events().at(0);
  CHECK(event.type == EventType::update);
  CHECK(texts_of(*event.key) == "1");
}

TEST_CASE("decoder: a key that was not sent at all stops the stream") {
  Fixture f;
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  const auto done = f.decode(update_message(orders, 0, {}, {"u", "tb"}));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Code::unsupported);
  CHECK(done.error().what.find("public.orders") != std::string::npos);
}

TEST_CASE("decoder: a delete by key and a delete with the row") {
  Fixture f;
  f.catalog.primary_key = "id";
  f.transaction({f.keyed(), delete_message(orders, 'K', {"t1", "n"})});
  f.transaction({f.keyed('f'), delete_message(orders, 'O', {"t1", "ta"})});
  const auto events = f.handler.events();
  CHECK(events.at(0).before_kind == Before::key);
  CHECK(texts_of(*events.at(0).key) == "1");
  CHECK(events.at(1).before_kind == Before::row);
  CHECK(texts_of(events.at(1).before) == "1|a");
  CHECK(texts_of(*events.at(1).key) == "1");
}

TEST_CASE("decoder: a table without a key gives rows, no keys") {
  Fixture f;
  f.transaction({f.keyed('f'), insert_message(orders, {"t1", "ta"}),
                 update_message(orders, 'O', {"t1", "ta"}, {"t2", "ta"}),
                 delete_message(orders, 'O', {"t2", "ta"})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 3);
  for (const RecordedEvent& event : events) CHECK_FALSE(event.key);
  CHECK(events[1].type == EventType::update);
  CHECK(events[1].before_kind == Before::row);
  CHECK(events[2].before_kind == Before::row);
}

TEST_CASE("decoder: a key of columns that do not stand together") {
  Fixture f;
  f.transaction({relation_message(orders, "public", "orders", 'i',
                                  {{true, "a", int4}, {false, "b", text}, {true, "c", int4}}),
                 insert_message(orders, {"t1", "tx", "t3"}),
                 delete_message(orders, 'K', {"t1", "n", "t3"})});
  CHECK(texts_of(*f.handler.events().at(0).key) == "1|3");
  CHECK(f.handler.events().at(1).before == *f.handler.events().at(0).key);
}

TEST_CASE("decoder: a truncate is an event for each table, with what came with it") {
  Fixture f;
  f.transaction({f.keyed(), relation_message(2, "public", "lines", 'd', {{true, "id", int4}}),
                 truncate_message(3, {orders, 2}), truncate_message(0, {2})});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 3);
  CHECK(events[0].type == EventType::truncate);
  CHECK(events[0].stream == "public.orders");
  CHECK(events[1].stream == "public.lines");
  CHECK(events[1].ordinal == events[0].ordinal);
  CHECK(events[2].ordinal == events[0].ordinal + 1);
  CHECK(find_attribute(events[0].attributes, Attribute::truncate_cascade));
  CHECK(find_attribute(events[0].attributes, Attribute::truncate_restart));
  CHECK_FALSE(find_attribute(events[2].attributes, Attribute::truncate_cascade));
}

TEST_CASE("decoder: a transactional message is an event of its transaction") {
  Fixture f;
  f.transaction({logical_message(true, 990, "audit", "who")});
  const auto event = f.handler.transactions().at(0).events.at(0);
  CHECK(event.type == EventType::message);
  CHECK(event.stream == "$source");
  CHECK(*event.body == "who");
  CHECK(find_attribute(event.attributes, Attribute::name) == "audit");
  CHECK(find_attribute(event.attributes, Attribute::message_lsn) == encode(Lsn{990}));
}

TEST_CASE(
    "decoder: a message of no transaction gets one of its own, behind which streaming goes on") {
  Fixture f;
  REQUIRE(f.decode(logical_message(false, 500, "beat", "x")));
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 1);
  CHECK(transactions[0].id.empty());
  CHECK(transactions[0].position == encode(Lsn{500}));
  CHECK(transactions[0].resume == encode(resume_at(500)));
  CHECK(transactions[0].commit_time.value == 77);
}

TEST_CASE("decoder: a commit record may begin where the record of a message ends") {
  Fixture f;
  REQUIRE(f.decode(logical_message(false, 1'000, "beat", "x")));
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  REQUIRE(f.decode(insert_message(orders, {"t1", "n"})));
  REQUIRE(f.decode(commit_message(1'000, 1'010, 5)));
  CHECK(f.handler.transactions().size() == 2);
}

TEST_CASE("decoder: a message of no transaction that was stored already is passed over") {
  Fixture f;
  REQUIRE(f.decode(logical_message(false, 100, "beat", "x")));
  CHECK(f.handler.transactions().empty());
  REQUIRE(f.decode(logical_message(false, 101, "beat", "x")));
  CHECK(f.handler.transactions().size() == 1);
}

TEST_CASE("decoder: a heartbeat is progress, not an event, and nothing inside of a transaction") {
  Fixture f;
  REQUIRE(f.decode(logical_message(false, 500, "tidelog", "heartbeat")));
  CHECK(f.handler.progress_positions() == std::vector<std::string>{encode(resume_at(500))});
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(logical_message(false, 600, "tidelog", "heartbeat")));
  REQUIRE(f.decode(commit_message(1'000, 1'010, 5)));
  CHECK(f.handler.transactions().empty());
  CHECK(f.handler.progress_positions().back() == encode(resume_at(1'010)));
  // Of a transaction, or with other content, it is somebody else's.
  REQUIRE(f.decode(logical_message(false, 1'100, "tidelog", "x")));
  REQUIRE(f.decode(begin_message(2'000, 5, 1)));
  REQUIRE(f.decode(logical_message(true, 1'990, "tidelog", "heartbeat")));
  REQUIRE(f.decode(commit_message(2'000, 2'010, 5)));
  CHECK(f.handler.transactions().size() == 2);
}

TEST_CASE("decoder: behind a transaction that fails is behind the begin of its commit record") {
  Fixture f;
  CHECK_FALSE(f.decoder.behind_open_transaction());
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  CHECK_FALSE(f.decode("?"));
  REQUIRE(f.decoder.behind_open_transaction());
  CHECK(*f.decoder.behind_open_transaction() == resume_at(1'001));
}

TEST_CASE("decoder: a message of no transaction waits for the open one to end") {
  Fixture f;
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  REQUIRE(f.decode(insert_message(orders, {"t1", "n"})));
  REQUIRE(f.decode(logical_message(false, 500, "beat", "x")));
  REQUIRE(f.decode(insert_message(orders, {"t2", "n"})));
  REQUIRE(f.decode(commit_message(1'000, 1'010, 5)));
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 2);
  CHECK(transactions[0].events.size() == 2);
  CHECK(transactions[1].events.at(0).type == EventType::message);
  CHECK(transactions[1].resume == encode(resume_at(1'010)));
}

TEST_CASE("decoder: an empty transaction is progress, not an event") {
  Fixture f;
  f.transaction({});
  CHECK(f.handler.transactions().empty());
  CHECK(f.handler.progress_positions() == std::vector<std::string>{encode(resume_at(1'010))});
}

TEST_CASE("decoder: a keepalive is progress between transactions only, and never goes back") {
  Fixture f;
  REQUIRE(f.decoder.reached(Lsn{200}));
  REQUIRE(f.decoder.reached(Lsn{150}));
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decoder.reached(Lsn{900}));
  CHECK(f.handler.progress_positions() == std::vector<std::string>{encode(resume_at(200))});
}

TEST_CASE("decoder: a relation is announced once, and again when it changed") {
  Fixture f;
  f.transaction(
      {f.keyed(), insert_message(orders, {"t1", "n"}), insert_message(orders, {"t2", "n"})});
  f.transaction({f.keyed(), insert_message(orders, {"t3", "n"})});
  CHECK(f.handler.schema_count() == 1);
  f.transaction({relation_message(orders, "public", "orders", 'd', {{true, "id", int4}}),
                 insert_message(orders, {"t4"})});
  CHECK(f.handler.schema_count() == 2);
  CHECK(f.handler.events().back().schema.columns.size() == 1);
  CHECK(f.handler.events().front().schema.columns.size() == 2);
}

TEST_CASE("decoder: a type's name is the one that was sent with the change") {
  Fixture f;
  f.transaction({type_message(16'500, "public", "mood"),
                 relation_message(orders, "public", "orders", 'd',
                                  {{true, "id", int4}, {false, "m", 16'500}}),
                 insert_message(orders, {"t1", "thappy"})});
  CHECK(f.handler.events().at(0).schema.columns.at(1).type == "public.mood");
}

TEST_CASE("decoder: changes of tables that are not captured count, but are not events") {
  FakeCatalog catalog;
  RecordingHandler handler;
  ChangeDecoder decoder(resume_at(0), *parse_table_choice({"public.orders"}, {}), catalog, handler);
  for (const std::string& message :
       {begin_message(1'000, 5, 1),
        relation_message(2, "public", "other", 'd', {{true, "id", int4}}), Fixture::keyed(),
        insert_message(2, {"t1"}), insert_message(orders, {"t1", "n"}),
        commit_message(1'000, 1'010, 5)}) {
    REQUIRE(decoder.decode(message, {}));
  }
  REQUIRE(handler.events().size() == 1);
  CHECK(handler.events()[0].ordinal == 1);
  CHECK(catalog.asked == 1);
}

TEST_CASE("decoder: a value that cannot be read stops it, naming place, table, column and text") {
  Fixture f;
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  const auto done = f.decode(insert_message(orders, {"tseven", "n"}));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Code::unsupported);
  for (const std::string_view part : {"0/3E8", "public.orders", "id", "integer", "seven"}) {
    CAPTURE(part);
    CHECK(done.error().what.find(part) != std::string::npos);
  }
}

TEST_CASE("decoder: binary values and messages that no protocol has are refused") {
  Fixture f;
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  CHECK(f.decode(insert_message(orders, {"b\1\2\3\4", "n"})).error().code == Code::unsupported);
  CHECK(f.decode("?").error().what.find("0x3f") != std::string::npos);
  CHECK(f.decode("").error().code == Code::corrupt);
}

TEST_CASE("decoder: messages out of order are corrupt") {
  const auto refused = [](const std::vector<std::string>& messages) {
    Fixture f;
    for (std::size_t i = 0; i + 1 < messages.size(); ++i) REQUIRE(f.decode(messages[i]));
    const auto done = f.decode(messages.back());
    return !done && done.error().code == Code::corrupt;
  };
  const std::string begin = begin_message(1'000, 5, 1);
  CHECK(refused({insert_message(orders, {"t1", "n"})}));
  CHECK(refused({commit_message(1'000, 1'010, 5)}));
  CHECK(refused({truncate_message(0, {orders})}));
  CHECK(refused({origin_message(1, "x")}));
  CHECK(refused({logical_message(true, 500, "", "")}));
  CHECK(refused({begin, begin}));
  CHECK(refused({begin, insert_message(orders, {"t1", "n"})}));               // not described
  CHECK(refused({begin, Fixture::keyed(), insert_message(orders, {"t1"})}));  // too few columns
  CHECK(refused({begin, commit_message(1'001, 1'010, 5)}));
  CHECK(refused({begin, commit_message(1'000, 1'000, 5)}));
  CHECK(refused(
      {begin, Fixture::keyed(), insert_message(orders, {"t1", "n"}), origin_message(1, "x")}));
}

TEST_CASE("decoder: a transaction that is stored already never comes twice") {
  Fixture f;
  CHECK(f.decode(begin_message(99, 5, 1)).error().code == Code::corrupt);
}

TEST_CASE("decoder: the handler's own error is passed on as it is") {
  Fixture f;
  f.handler.fail_events_with("no space");
  REQUIRE(f.decode(begin_message(1'000, 5, 1)));
  REQUIRE(f.decode(f.keyed()));
  const auto done = f.decode(insert_message(orders, {"t1", "n"}));
  CHECK(done.error().code == Code::disk_full);
  CHECK(done.error().what == "no space");
}

TEST_CASE("decoder: no sequence of damaged messages crashes it") {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  const std::vector<std::string> messages = {begin_message(1'000, 5, 1),
                                             commit_message(1'000, 1'010, 5),
                                             origin_message(1, "x"),
                                             Fixture::keyed(),
                                             Fixture::keyed('f'),
                                             insert_message(orders, {"t1", "n"}),
                                             update_message(orders, 'O', {"t1", "ta"}, {"t2", "u"}),
                                             delete_message(orders, 'K', {"t1", "n"}),
                                             truncate_message(1, {orders}),
                                             logical_message(false, 500, "a", "b")};
  for (int i = 0; i < 3'000; ++i) {
    Fixture f;
    for (int n = 0; n < 12; ++n) {
      std::string message = messages[random() % messages.size()];
      if (random() % 3 == 0) message[random() % message.size()] = static_cast<char>(random());
      if (!f.decode(message)) break;
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
