#include "connectors/postgres/transaction_assembly.h"

#include <doctest/doctest.h>

#include <charconv>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "tests/postgres/fake_catalog.h"
#include "tests/postgres/messages.h"
#include "tests/support/paths.h"
#include "tests/support/recording_handler.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

using Messages = std::vector<std::string>;

PostgresResume resume_at(std::uint64_t end) {
  return {PostgresResume::Phase::streaming, 42, 1, Lsn{end}, "tidelog_shop"};
}

// One connection to a server.
struct Connected {
  Connected(RecordingHandler& handler, FakeCatalog& catalog, const PostgresResume& resume,
            Origins origins = Origins::any)
      : decoder(resume, {}, catalog, handler),
        assembly(decoder, handler, origins, stop.get_token()) {
    REQUIRE(assembly.go_on(resume));
  }
  Status decode(const std::string& message) {
    return assembly.decode(message, {Lsn{77}, UnixMicros{77}});
  }
  void take(const Messages& messages) {
    for (const std::string& message : messages) {
      const auto done = decode(message);
      REQUIRE_MESSAGE(done, done.error().what);
    }
  }
  std::stop_source stop;
  ChangeDecoder decoder;
  TransactionAssembly assembly;
};

struct Fixture {
  FakeCatalog catalog;
  RecordingHandler handler;
  std::unique_ptr<Connected> connected =
      std::make_unique<Connected>(handler, catalog, resume_at(100));

  void take(const Messages& messages) { connected->take(messages); }
  Status decode(const std::string& message) { return connected->decode(message); }
  // Everything accepted is durable by now.
  PostgresResume durable() {
    REQUIRE(handler.idle());
    auto resume = read_postgres_resume(handler.durable());
    REQUIRE(resume);
    return *resume;
  }
  void reconnect(const PostgresResume& resume, Origins origins = Origins::any) {
    connected.reset();
    connected = std::make_unique<Connected>(handler, catalog, resume, origins);
  }
  std::vector<std::string> rows() const {
    std::vector<std::string> rows;
    for (const RecordedEvent& event : handler.events()) rows.push_back(texts_of(*event.body));
    return rows;
  }
};

std::string described(const std::vector<ColumnBytes>& columns = {{true, "id", int4},
                                                                 {false, "note", text}}) {
  return relation_message(orders, "public", "orders", 'd', columns);
}

std::string row(int id) { return insert_message(orders, {"t" + std::to_string(id), "ta"}); }

// A piece of transaction `xid`: each message with the sub-transaction that it belongs to.
using SubMessages = std::vector<std::pair<std::uint32_t, std::string>>;
Messages piece(std::uint32_t xid, bool first, const SubMessages& messages) {
  Messages out = {stream_start_message(xid, first)};
  for (const auto& [sub, message] : messages) out.push_back(in_stream(sub, message));
  out.push_back(stream_stop_message());
  return out;
}

Messages operator+(Messages a, const Messages& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Messages whole(std::uint32_t xid, std::uint64_t lsn, const Messages& messages) {
  return Messages{begin_message(lsn, 5, xid)} + messages +
         Messages{commit_message(lsn, lsn + 10, 5)};
}

Messages commit_of(std::uint32_t xid, std::uint64_t lsn) {
  return {stream_commit_message(xid, lsn, lsn + 10, 5)};
}

PrepareBytes prepare_at(std::uint64_t lsn, std::uint32_t xid, const std::string& gid) {
  return {lsn, lsn + 10, 5, xid, gid};
}

Messages prepared(const PrepareBytes& prepare, const Messages& messages) {
  return Messages{begin_prepare_message(prepare)} + messages + Messages{prepare_message(prepare)};
}

void check_same(const RecordedTransaction& a, const RecordedTransaction& b) {
  CHECK(a.id == b.id);
  CHECK(a.commit_time == b.commit_time);
  CHECK(a.position == b.position);
  CHECK(a.origin == b.origin);
  CHECK(a.resume == b.resume);
  REQUIRE(a.events.size() == b.events.size());
  for (std::size_t i = 0; i < a.events.size(); ++i) {
    CAPTURE(i);
    const RecordedEvent& left = a.events[i];
    const RecordedEvent& right = b.events[i];
    CHECK(left.type == right.type);
    CHECK(left.stream == right.stream);
    CHECK(left.schema == right.schema);
    CHECK(left.ordinal == right.ordinal);
    CHECK(left.key == right.key);
    CHECK(left.before == right.before);
    CHECK(left.body == right.body);
    CHECK(left.attributes == right.attributes);
  }
}

TEST_CASE("assembly: what came in pieces is what would have come whole, at its commit") {
  Fixture streamed;
  streamed.take(piece(771, true, {{771, described()}, {771, row(1)}, {772, row(2)}}));
  streamed.take(piece(771, false, {{771, row(3)}, {773, logical_message(true, 9, "p", "c")}}));
  CHECK(streamed.handler.transactions().empty());
  CHECK(streamed.handler.schema_count() == 0);
  streamed.take(commit_of(771, 1'000));

  Fixture plain;
  plain.take(
      whole(771, 1'000, {described(), row(1), row(2), row(3), logical_message(true, 9, "p", "c")}));
  REQUIRE(streamed.handler.transactions().size() == 1);
  check_same(streamed.handler.transactions()[0], plain.handler.transactions()[0]);
  CHECK(streamed.handler.held_count() == 0);
}

TEST_CASE("assembly: an origin of pieces is of that transaction, its position there is not known") {
  Fixture f;
  f.take({stream_start_message(771, true), origin_message(0, "other"), in_stream(771, described()),
          in_stream(771, row(1)), stream_stop_message()});
  f.take(commit_of(771, 1'000));
  f.take(whole(772, 1'100, {origin_message(0x77, "other"), described(), row(2)}));
  const auto transactions = f.handler.transactions();
  CHECK(transactions.at(0).origin == "other");
  CHECK(transactions.at(0).origin_position.empty());
  CHECK(transactions.at(1).origin_position == encode(Lsn{0x77}));
}

TEST_CASE("assembly: pieces of several transactions and whole ones between come in commit order") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.take(piece(881, true, {{881, described()}, {881, row(11)}}));
  f.take(whole(991, 900, {described(), row(21)}));
  f.take(piece(771, false, {{771, row(2)}}));
  f.take(piece(881, false, {{881, row(12)}}));
  f.take(commit_of(881, 1'000));
  f.take(commit_of(771, 1'100));
  CHECK(f.rows() == std::vector<std::string>{"21|a", "11|a", "12|a", "1|a", "2|a"});
}

TEST_CASE(
    "assembly: a sub-transaction that was rolled back takes its own rows along, and no other") {
  Fixture f;
  f.take(piece(771, true,
               {{771, described()},
                {771, row(1)},
                {772, row(2)},
                {773, row(3)},  // inside of 772
                {772, row(4)},
                {774, row(5)}}));
  f.take({stream_abort_message(771, 773)});
  f.take(piece(771, false, {{771, row(6)}, {772, row(7)}}));
  f.take({parallel_abort_message(771, 772, 500, 5)});
  f.take(piece(771, false, {{771, row(8)}}));
  f.take({stream_abort_message(771, 799)});  // nothing of it was sent
  f.take(commit_of(771, 1'000));
  CHECK(f.rows() == std::vector<std::string>{"1|a", "5|a", "6|a", "8|a"});
  std::uint32_t ordinal = 0;
  for (const RecordedEvent& event : f.handler.events()) CHECK(event.ordinal == ordinal++);
}

TEST_CASE(
    "assembly: messages beside sub-transactions that were rolled back cannot be told apart: the "
    "transaction is read again as a whole") {
  const SubMessages with_message = {
      {771, described()}, {771, logical_message(true, 9, "p", "c")}, {772, row(1)}};
  for (const bool prepares : {false, true}) {
    Fixture f;
    f.take(piece(771, true, with_message));
    f.take({stream_abort_message(771, 772)});
    CHECK_FALSE(f.connected->assembly.read_whole_until());
    f.take(prepares ? Messages{stream_prepare_message(prepare_at(1'000, 771, "order-7"))}
                    : commit_of(771, 1'000));
    CHECK(f.connected->assembly.read_whole_until() == Lsn{1'010});
    CHECK(f.handler.transactions().empty());
    CHECK(f.handler.kept_count() == 0);
    CHECK(f.connected->assembly.position() == Lsn{100});
  }
  // One that is rolled back altogether does not matter.
  Fixture f;
  f.take(piece(771, true, with_message));
  f.take({stream_abort_message(771, 772), stream_abort_message(771, 771)});
  CHECK_FALSE(f.connected->assembly.read_whole_until());
  // Nor does a message that came after the rollback.
  f.take(piece(773, true, {{774, described()}, {774, row(1)}}));
  f.take({stream_abort_message(773, 774)});
  f.take(piece(773, false, {{773, logical_message(true, 9, "p", "c")}}));
  f.take(commit_of(773, 1'000));
  CHECK_FALSE(f.connected->assembly.read_whole_until());
  CHECK(f.handler.events().size() == 1);
}

TEST_CASE("assembly: a transaction that was rolled back leaves nothing") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.take({stream_abort_message(771, 771)});
  CHECK(f.handler.held_count() == 0);
  CHECK(f.handler.transactions().empty());
  // What it described is not known any more.
  f.take({begin_message(1'000, 5, 772)});
  CHECK(f.decode(row(2)).error().code == Code::corrupt);
}

TEST_CASE("assembly: all sub-transactions rolled back, what is left is a position") {
  Fixture f;
  f.take(piece(771, true, {{772, described()}, {772, row(1)}}));
  f.take({stream_abort_message(771, 772)});
  f.take(commit_of(771, 1'000));
  CHECK(f.handler.transactions().empty());
  CHECK(f.durable() == resume_at(1'010));
}

TEST_CASE("assembly: a description counts also when its sub-transaction was rolled back") {
  Fixture f;
  f.take(piece(771, true,
               {{772, type_message(77, "public", "mood")}, {772, described()}, {772, row(1)}}));
  f.take({stream_abort_message(771, 772)});
  f.take(piece(771, false, {{771, row(2)}}));
  f.take(commit_of(771, 1'000));
  CHECK(f.rows() == std::vector<std::string>{"2|a"});
  // And from the commit on for the whole connection.
  f.take(whole(773, 1'100, {row(3)}));
  CHECK(f.rows() == std::vector<std::string>{"2|a", "3|a"});
}

TEST_CASE("assembly: the catalog is asked at the commit, and only about what has rows then") {
  Fixture f;
  f.take(piece(771, true,
               {{771, described()},
                {771, row(1)},
                {772, described({{true, "id", int4}, {false, "lost", text}})},
                {772, row(2)}}));
  f.take({stream_abort_message(771, 772)});
  f.take(piece(771, false, {{771, described()}, {771, row(3)}}));
  CHECK(f.catalog.asked == 0);
  f.take(commit_of(771, 1'000));
  CHECK(f.rows() == std::vector<std::string>{"1|a", "3|a"});
  for (const RecordedEvent& event : f.handler.events())
    CHECK(event.schema.columns[1].name == "note");
}

TEST_CASE("assembly: a schema that changes inside of pieces is its own until the commit") {
  const std::vector<ColumnBytes> wider = {
      {true, "id", int4}, {false, "note", text}, {false, "more", text}};
  Fixture f;
  f.take(whole(770, 500, {described(), row(0)}));
  f.take(piece(771, true, {{771, described()}, {771, row(1)}, {771, described(wider)}}));
  f.take(piece(771, false, {{771, insert_message(orders, {"t2", "ta", "tb"})}}));
  f.take(whole(772, 900, {row(3)}));  // of the schema before
  f.take(commit_of(771, 1'000));
  f.take(whole(773, 1'100, {insert_message(orders, {"t4", "ta", "tb"})}));
  CHECK(f.rows() == std::vector<std::string>{"0|a", "3|a", "1|a", "2|a|b", "4|a|b"});
}

TEST_CASE("assembly: an older description of pieces does not replace a newer one") {
  // The publication's columns change without a lock on the table.
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.take(whole(772, 900, {described({{true, "id", int4}}), insert_message(orders, {"t2"})}));
  f.take(commit_of(771, 1'000));
  f.take(whole(773, 1'100, {insert_message(orders, {"t3"})}));
  CHECK(f.rows() == std::vector<std::string>{"2", "1|a", "3"});
}

TEST_CASE("assembly: progress is made between pieces, never within one") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  REQUIRE(f.connected->assembly.reached(Lsn{500}));
  CHECK(f.durable() == resume_at(500));
  f.take({stream_start_message(771, false)});
  CHECK(f.connected->assembly.in_transaction());
  REQUIRE(f.connected->assembly.reached(Lsn{600}));
  f.take({stream_stop_message()});
  CHECK(f.durable() == resume_at(500));
  CHECK_FALSE(f.connected->assembly.in_transaction());
}

TEST_CASE("assembly: a reconnect forgets every piece, and they come anew") {
  Fixture f;
  const Messages first = piece(771, true, {{771, described()}, {771, row(1)}});
  f.take(first);
  f.reconnect(resume_at(100));
  CHECK(f.handler.held_count() == 0);
  f.take(first + commit_of(771, 1'000));
  CHECK(f.rows() == std::vector<std::string>{"1|a"});
}

TEST_CASE("assembly: a message alone keeps its own place, also between pieces") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.take({logical_message(false, 500, "alone", "x")});
  CHECK(f.handler.transactions().size() == 1);
  f.take(commit_of(771, 1'000));
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 2);
  CHECK(transactions[0].position == encode(Lsn{500}));
  CHECK(transactions[0].events.at(0).type == EventType::message);
  // After a reconnect it would come again when it was not confirmed.
  f.reconnect(resume_at(500));
  f.take({logical_message(false, 500, "alone", "x")});
  CHECK(f.handler.transactions().size() == 2);
}

TEST_CASE("assembly: a prepared transaction comes at its commit, with its global id") {
  Fixture f;
  f.take(prepared(prepare_at(500, 771, "order-7"), {described(), row(1), row(2)}));
  CHECK(f.handler.transactions().empty());
  CHECK(f.handler.kept_count() == 1);
  PostgresResume between = f.durable();
  CHECK(between.end_lsn == Lsn{510});
  CHECK(between.kept.size() == 1);
  f.take(whole(772, 600, {row(3)}));
  CHECK(f.durable().kept == between.kept);

  f.take({commit_prepared_message(1'000, 1'010, 9, 771, "order-7")});
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 2);
  CHECK(transactions[1].id == "771");
  CHECK(transactions[1].global_id == "order-7");
  CHECK(transactions[0].global_id.empty());
  CHECK(transactions[1].position == encode(Lsn{1'000}));
  CHECK(transactions[1].commit_time == from_postgres_time(9));
  CHECK(f.rows() == std::vector<std::string>{"3|a", "1|a", "2|a"});
  CHECK(f.durable() == resume_at(1'010));
  CHECK(f.handler.kept_count() == 0);
}

TEST_CASE(
    "assembly: a prepared transaction outlives the connection, with what describes its rows") {
  Fixture f;
  f.take(whole(770, 400, {type_message(text, "public", "mood"), described(), row(0)}));
  f.take(prepared(prepare_at(500, 771, "order-7"), {row(1)}));  // described before
  f.reconnect(f.durable());
  f.take({commit_prepared_message(1'000, 1'010, 5, 771, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"0|a", "1|a"});
  CHECK(f.handler.events()[1].schema == f.handler.events()[0].schema);
  CHECK(f.handler.events()[1].schema.columns[1].type == "public.mood");
  // What it brought along is not known to this connection.
  f.take({begin_message(1'100, 5, 772)});
  CHECK(f.decode(row(2)).error().code == Code::corrupt);
}

TEST_CASE(
    "assembly: what is described inside of a prepared transaction counts at once, and after "
    "its rollback") {
  Fixture f;
  f.take(prepared(prepare_at(500, 771, "order-7"), {described(), row(1)}));
  f.take(whole(772, 600, {row(2)}));
  f.take({rollback_prepared_message(510, 700, 5, 771, "order-7")});
  CHECK(f.durable() == resume_at(700));
  CHECK(f.handler.kept_count() == 0);
  f.take(whole(773, 800, {row(3)}));
  CHECK(f.rows() == std::vector<std::string>{"2|a", "3|a"});
}

TEST_CASE(
    "assembly: a prepared transaction's older schema is announced, and then the newer again") {
  Fixture f;
  f.take(prepared(prepare_at(500, 771, "order-7"), {described(), row(1)}));
  f.take(whole(772, 600, {described({{true, "id", int4}}), insert_message(orders, {"t2"})}));
  f.take({commit_prepared_message(700, 710, 5, 771, "order-7")});
  f.take(whole(773, 800, {insert_message(orders, {"t3"})}));
  CHECK(f.rows() == std::vector<std::string>{"2", "1|a", "3"});
  CHECK(f.handler.schema_count() == 3);
}

TEST_CASE("assembly: a prepare that comes again is dropped") {
  Fixture f;
  const Messages sent = prepared(prepare_at(500, 771, "order-7"), {described(), row(1)});
  f.take(sent);
  f.reconnect(f.durable());
  f.take(sent);
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));  // or in pieces
  f.take({stream_prepare_message(prepare_at(500, 771, "order-7"))});
  CHECK(f.handler.kept_count() == 1);
  CHECK(f.handler.held_count() == 1);
  f.take({commit_prepared_message(1'000, 1'010, 5, 771, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"1|a"});
  CHECK(f.handler.held_count() == 0);
}

TEST_CASE("assembly: a prepare whose position was not stored is forgotten, and comes again") {
  Fixture f;
  const Messages sent = prepared(prepare_at(500, 771, "order-7"), {described(), row(1)});
  f.take(sent);
  f.reconnect(resume_at(100));
  CHECK(f.handler.kept_count() == 0);
  f.take(sent + Messages{commit_prepared_message(1'000, 1'010, 5, 771, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"1|a"});
}

TEST_CASE("assembly: a prepare older than what is stored is taken whole before its commit") {
  // Prepared before the slot had two_phase.
  Fixture f;
  f.take(whole(770, 400, {described(), row(0)}));
  f.take(prepared(prepare_at(50, 771, "order-7"), {row(1)}));
  CHECK(f.durable().end_lsn == Lsn{410});
  f.take({commit_prepared_message(1'000, 1'010, 5, 771, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"0|a", "1|a"});
}

TEST_CASE("assembly: a transaction in pieces can be prepared, without what it rolled back") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}, {772, row(2)}}));
  f.take({stream_abort_message(771, 772)});
  f.take({stream_prepare_message(prepare_at(500, 771, "order-7"))});
  f.take(piece(881, true, {}));
  f.take({stream_prepare_message(prepare_at(520, 881, "nothing"))});
  CHECK(f.durable().kept.size() == 2);
  f.reconnect(f.durable());
  f.take({commit_prepared_message(1'000, 1'010, 5, 771, "order-7")});
  f.take({commit_prepared_message(1'100, 1'110, 5, 881, "nothing")});
  CHECK(f.rows() == std::vector<std::string>{"1|a"});
  CHECK(f.durable() == resume_at(1'110));
}

TEST_CASE("assembly: what pieces described is known to the connection once they are prepared") {
  // Version 15 relies on it; later ones describe it anew.
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.take({stream_prepare_message(prepare_at(500, 771, "order-7"))});
  f.take(whole(772, 600, {row(2)}));
  f.take(prepared(prepare_at(700, 773, "order-8"), {row(3)}));
  f.take({commit_prepared_message(800, 810, 5, 773, "order-8")});
  CHECK(f.rows() == std::vector<std::string>{"2|a", "3|a"});
}

TEST_CASE("assembly: a global id is used again after its transaction ended, not before") {
  Fixture f;
  f.take(prepared(prepare_at(500, 771, "order-7"), {described(), row(1)}));
  f.take({commit_prepared_message(600, 610, 5, 771, "order-7")});
  f.take(prepared(prepare_at(700, 772, "order-7"), {row(2)}));
  const auto again = f.decode(begin_prepare_message(prepare_at(800, 773, "order-7")));
  CHECK(again.error().code == Code::corrupt);
  CHECK(again.error().what.find("order-7") != std::string::npos);
}

TEST_CASE("assembly: the end of another transaction of the same global id is not this one's") {
  Fixture f;
  f.reconnect(resume_at(100), Origins::none);
  f.take(prepared(prepare_at(500, 771, "order-7"), {described(), row(1)}));
  f.take({commit_prepared_message(600, 610, 5, 772, "order-7")});
  f.take({rollback_prepared_message(640, 650, 5, 773, "order-7")});
  CHECK(f.handler.transactions().empty());
  CHECK(f.durable().kept.size() == 1);
  f.take({commit_prepared_message(700, 710, 5, 771, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"1|a"});
  CHECK(f.durable() == resume_at(710));
}

TEST_CASE("assembly: the end of pieces that never came stops the source") {
  for (const std::string& end :
       {commit_of(771, 900).back(), stream_prepare_message(prepare_at(500, 771, "order-7"))}) {
    Fixture f;
    const auto ended = f.decode(end);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Code::corrupt);
    CHECK(ended.error().what.find("771") != std::string::npos);
  }
}

TEST_CASE("assembly: handing over ends when it is asked to stop, and nothing of it was handed on") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.connected->stop.request_stop();
  const auto stopped = f.decode(commit_of(771, 900).back());
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == Code::cancelled);
  CHECK(f.handler.transactions().empty());
}

TEST_CASE("assembly: a rollback of what was never sent is ignored, its commit is not") {
  Fixture f;
  f.take({rollback_prepared_message(400, 500, 5, 771, "order-7")});
  CHECK(f.durable() == resume_at(500));
  const auto committed = f.decode(commit_prepared_message(600, 610, 5, 772, "order-8"));
  CHECK(committed.error().code == Code::corrupt);
  CHECK(committed.error().what.find("order-8") != std::string::npos);
}

TEST_CASE(
    "assembly: where origins are left out, the halves of a prepared transaction may be, too") {
  Fixture f;
  f.reconnect(resume_at(100), Origins::none);
  f.take({commit_prepared_message(600, 610, 5, 772, "order-8")});
  f.take(prepared(prepare_at(700, 773, "order-7"), {described(), row(1)}));
  f.take(prepared(prepare_at(800, 774, "order-7"), {row(2)}));
  CHECK(f.handler.kept_count() == 1);
  f.take({commit_prepared_message(900, 910, 5, 774, "order-7")});
  CHECK(f.rows() == std::vector<std::string>{"2|a"});
  CHECK(f.durable() == resume_at(910));
}

TEST_CASE("assembly: a kept transaction that is gone stops the source, and says the way out") {
  FakeCatalog catalog;
  RecordingHandler handler;
  PostgresResume resume = resume_at(100);
  resume.kept = {5};
  ChangeDecoder decoder(resume, {}, catalog, handler);
  TransactionAssembly assembly(decoder, handler, Origins::any);
  const auto done = assembly.go_on(resume);
  CHECK(done.error().code == Code::corrupt);
  CHECK(done.error().what.find("full load") != std::string::npos);
}

TEST_CASE("assembly: messages out of order are corrupt") {
  const auto refused = [](const Messages& messages) {
    Fixture f;
    for (std::size_t i = 0; i + 1 < messages.size(); ++i) REQUIRE(f.decode(messages[i]));
    const auto done = f.decode(messages.back());
    return !done && done.error().code == Code::corrupt;
  };
  const std::string start = stream_start_message(771, true);
  const PrepareBytes prepare = prepare_at(500, 771, "order-7");
  const std::string begin_prepare = begin_prepare_message(prepare);
  CHECK(refused({stream_stop_message()}));
  CHECK(refused({stream_start_message(771, false)}));
  CHECK(refused({start, start}));
  CHECK(refused({start, stream_stop_message(), start}));
  CHECK(refused({start, commit_of(771, 1'000)[0]}));
  CHECK(refused({start, stream_abort_message(771, 771)}));
  CHECK(refused({start, stream_prepare_message(prepare)}));
  CHECK(refused({start, begin_prepare}));
  CHECK(refused({begin_message(1'000, 5, 1), start}));
  CHECK(refused({begin_message(1'000, 5, 1), commit_of(771, 1'000)[0]}));
  CHECK(refused({begin_message(1'000, 5, 1), begin_prepare}));
  CHECK(refused({prepare_message(prepare)}));
  CHECK(refused({begin_prepare, begin_prepare}));
  CHECK(refused({begin_prepare, begin_message(1'000, 5, 1)}));
  CHECK(refused({begin_prepare, commit_message(1'000, 1'010, 5)}));
  CHECK(refused({begin_prepare, start}));
  CHECK(refused({begin_prepare, prepare_message(prepare_at(500, 771, "order-8"))}));
  CHECK(refused({begin_prepare, prepare_message(prepare_at(501, 771, "order-7"))}));
  CHECK(refused({begin_prepare, row(1)}));                                // not described
  CHECK(refused({start, stream_stop_message(), commit_of(771, 99)[0]}));  // stored already
}

TEST_CASE("assembly: the handler's own error is passed on as it is, others say where") {
  Fixture f;
  f.take(piece(771, true, {{771, described()}, {771, row(1)}}));
  f.handler.fail_events_with("no space");
  const auto done = f.decode(commit_of(771, 1'000)[0]);
  CHECK(done.error().code == Code::disk_full);
  CHECK(done.error().what == "no space");

  Fixture other;
  other.take(
      piece(771, true, {{771, described()}, {771, insert_message(orders, {"tseven", "n"})}}));
  const auto unreadable = other.decode(commit_of(771, 1'000)[0]);
  CHECK(unreadable.error().what.find("at lsn 0/3E8: table public.orders") == 0);
  CHECK(other.decode("?").error().what.find("at lsn 0/4D: message of unknown type 0x3f") == 0);
}

// Messages of PostgreSQL 18 (protocol 4, streaming parallel, two_phase, and
// debug_logical_replication_streaming = immediate for all but the last transaction), in
// hexadecimal, one a line, of: an insert, one in a savepoint that is rolled back, an update in one
// that is released, a commit; an insert that is rolled back; a delete and a message, prepared as
// order-7 and committed; a truncate, prepared as order-8 and rolled back; an insert, prepared as
// order-9 and committed.
Messages golden_messages() {
  std::ifstream file(source_folder() / "tests/postgres/golden/pieces_18.hex");
  Messages messages;
  for (std::string line; std::getline(file, line);) {
    std::string& message = messages.emplace_back();
    for (std::size_t at = 0; at + 1 < line.size(); at += 2) {
      std::uint8_t byte = 0;
      std::from_chars(&line[at], &line[at] + 2, byte, 16);
      message.push_back(static_cast<char>(byte));
    }
  }
  REQUIRE(messages.size() == 40);
  return messages;
}

TEST_CASE("assembly: what a server really sent is read to the last byte") {
  Fixture f;
  f.take(golden_messages());
  const auto transactions = f.handler.transactions();
  REQUIRE(transactions.size() == 3);
  CHECK(transactions[0].global_id.empty());
  CHECK(transactions[0].position == encode(Lsn{0x1753178}));
  CHECK(transactions[1].global_id == "order-7");
  CHECK(transactions[2].global_id == "order-9");
  CHECK(f.durable() == resume_at(0x1754568));
  const auto events = f.handler.events();
  REQUIRE(events.size() == 5);
  CHECK(texts_of(*events[0].body) == "1|one|sad");
  CHECK(events[0].schema.columns[2].type == "public.mood");
  CHECK(events[1].type == EventType::update);
  CHECK(texts_of(*events[1].body) == "1|uno|sad");
  CHECK(events[2].type == EventType::remove);
  CHECK(events[3].type == EventType::message);
  CHECK(*events[3].body == "who");
  CHECK(texts_of(*events[4].body) == "4|four|sad");
  CHECK(f.handler.held_count() == 0);
}

TEST_CASE(
    "assembly: every prefix of what a server really sent stops it or waits for more, and nothing "
    "half is handed on") {
  const Messages messages = golden_messages();
  for (std::size_t cut = 0; cut < messages.size(); ++cut) {
    Fixture f;
    for (std::size_t i = 0; i < cut; ++i) REQUIRE(f.decode(messages[i]));
    const std::size_t before = f.handler.event_count();
    const std::string& message = messages[cut];
    for (std::size_t size = 0; size + 1 < message.size(); ++size) {
      Fixture g;
      for (std::size_t i = 0; i < cut; ++i) REQUIRE(g.decode(messages[i]));
      static_cast<void>(g.decode(message.substr(0, size)));
      CHECK(g.handler.event_count() == before);
    }
  }
}

// A transaction with savepoints inside of savepoints, some released and some rolled back: as a
// server sends it whole, and as it sends it in pieces.
class RandomTransaction {
 public:
  RandomTransaction(std::mt19937& random, std::uint32_t xid, bool prepare)
      : random_(random), xid_(xid), next_xid_(xid + 1), prepare_(prepare) {
    block(xid, 0);
  }

  // Those of sub-transactions that were not rolled back.
  Messages rows() const {
    Messages rows;
    for (const Change& change : changes_) {
      if (change.kind == Change::row && !rolled_back(change.sub)) rows.push_back(change.message);
    }
    return rows;
  }

  // What is sent of it next, a piece or an abort; nothing once all is.
  Messages next() {
    while (at_ < changes_.size() && changes_[at_].kind == Change::abort) {
      const std::uint32_t sub = changes_[at_++].sub;
      if (!sent_.contains(sub)) continue;
      described_ = false;
      return {stream_abort_message(xid_, sub)};
    }
    if (at_ == changes_.size()) {
      // The server begins what it sends in pieces also when nothing of it is left to send.
      return std::exchange(begun_, true) ? Messages{} : piece(xid_, true, {});
    }
    SubMessages messages;
    const std::size_t count = 1 + random_() % 5;
    while (messages.size() < count && at_ < changes_.size() && changes_[at_].kind == Change::row) {
      const Change& change = changes_[at_++];
      // The server knows of a rollback when it happened before it sends: then it sends nothing.
      if (known_rolled_back(change.sub)) continue;
      if (!std::exchange(described_, true)) messages.emplace_back(change.sub, described());
      messages.emplace_back(change.sub, change.message);
      sent_.insert(change.sub);
    }
    if (messages.empty()) return next();
    return piece(xid_, !std::exchange(begun_, true), messages);
  }
  bool done() const { return at_ == changes_.size() && begun_; }
  std::uint32_t xid() const { return xid_; }
  bool is_prepared() const { return prepare_; }

 private:
  struct Change {
    enum Kind : std::uint8_t { row, abort } kind;
    std::uint32_t sub;
    std::string message;
  };

  void block(std::uint32_t sub, int depth) {
    const auto statements = 1 + random_() % 6;
    for (std::size_t i = 0; i < statements; ++i) {
      if (depth < 4 && random_() % 3 == 0) {
        const std::uint32_t inner = next_xid_++;
        parent_[inner] = sub;
        block(inner, depth + 1);
        if (random_() % 2 == 0) roll_back(inner);
      } else {
        changes_.push_back({Change::row, sub, row(static_cast<int>(random_() % 1'000))});
      }
    }
  }
  // Each that was not rolled back before has an abort of its own, the inner ones first.
  void roll_back(std::uint32_t sub) {
    for (const auto& [inner, parent] : parent_) {
      if (parent == sub && !aborted_.contains(inner)) roll_back(inner);
    }
    aborted_.insert(sub);
    changes_.push_back({Change::abort, sub, {}});
  }
  bool rolled_back(std::uint32_t sub) const { return aborted_.contains(sub); }
  bool known_rolled_back(std::uint32_t sub) const {
    return rolled_back(sub) && !sent_.contains(sub) && sub % 2 == 0;
  }

  std::mt19937& random_;
  const std::uint32_t xid_;
  std::uint32_t next_xid_;
  const bool prepare_;
  std::map<std::uint32_t, std::uint32_t> parent_;
  std::set<std::uint32_t> aborted_;
  std::vector<Change> changes_;
  std::size_t at_ = 0;
  std::set<std::uint32_t> sent_;
  bool described_ = false;
  bool begun_ = false;
};

TEST_CASE("assembly: random transactions in pieces, side by side, are what they are whole") {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    Fixture streamed;
    Fixture plain;
    std::vector<std::unique_ptr<RandomTransaction>> open;
    std::uint32_t next_xid = 1'000;
    std::uint64_t lsn = 1'000;
    for (int left = 8; left > 0 || !open.empty();) {
      if (left > 0 && (open.empty() || random() % 4 == 0)) {
        --left;
        open.push_back(std::make_unique<RandomTransaction>(random, next_xid, random() % 3 == 0));
        next_xid += 1'000;
      }
      const std::size_t chosen = random() % open.size();
      RandomTransaction& transaction = *open[chosen];
      if (!transaction.done()) {
        streamed.take(transaction.next());
        continue;
      }
      const std::uint32_t xid = transaction.xid();
      const std::string gid = "g" + std::to_string(xid);
      if (transaction.is_prepared()) {
        streamed.take({stream_prepare_message(prepare_at(lsn, xid, gid))});
        lsn += 100;
        if (random() % 2 == 0 && open.size() == 1) streamed.reconnect(streamed.durable());
        streamed.take({commit_prepared_message(lsn, lsn + 10, 5, xid, gid)});
      } else {
        streamed.take(commit_of(xid, lsn));
      }
      plain.take(whole(xid, lsn, Messages{described()} + transaction.rows()));
      lsn += 100;
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
    const auto a = streamed.handler.transactions();
    const auto b = plain.handler.transactions();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) check_same(a[i], b[i]);
    CHECK(streamed.handler.held_count() == 0);
  }
}

TEST_CASE("assembly: no sequence of damaged messages crashes it") {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  const PrepareBytes prepare = prepare_at(500, 771, "order-7");
  const Messages messages = {begin_message(1'000, 5, 1),
                             commit_message(1'000, 1'010, 5),
                             described(),
                             row(1),
                             stream_start_message(771, true),
                             stream_start_message(771, false),
                             in_stream(771, described()),
                             in_stream(771, row(1)),
                             in_stream(772, row(1)),
                             in_stream(771, logical_message(true, 5, "a", "b")),
                             stream_stop_message(),
                             stream_abort_message(771, 772),
                             stream_abort_message(771, 771),
                             stream_commit_message(771, 1'000, 1'010, 5),
                             begin_prepare_message(prepare),
                             prepare_message(prepare),
                             stream_prepare_message(prepare),
                             commit_prepared_message(1'000, 1'010, 5, 771, "order-7"),
                             rollback_prepared_message(510, 600, 5, 771, "order-7")};
  for (int i = 0; i < 5'000; ++i) {
    Fixture f;
    for (int n = 0; n < 20; ++n) {
      std::string message = messages[random() % messages.size()];
      if (random() % 5 == 0) message[random() % message.size()] = static_cast<char>(random());
      if (!f.decode(message)) break;
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
