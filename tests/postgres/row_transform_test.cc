#include "connectors/postgres/row_transform.h"

#include <doctest/doctest.h>

#include "connectors/postgres/transaction_assembly.h"
#include "tests/postgres/fake_catalog.h"
#include "tests/postgres/messages.h"
#include "tests/support/recording_handler.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;
using Kind = TransformRule::Kind;
using Rules = std::vector<TransformRule>;
using Lines = std::vector<std::string>;

const std::string key = "a key of more than 16 bytes";

TransformRules parsed(const Rules& rules) {
  auto result = TransformRules::parse(rules);
  REQUIRE_MESSAGE(result, result.error().what);
  return *std::move(result);
}

// What becomes of public.people's column: "hashed", "left out", ….
std::string becomes(const Rules& rules, std::string_view column,
                    std::string_view table = "people") {
  const TransformRules all = parsed(rules);
  const TransformRules::Decision decision = all.of("public", table, column);
  CHECK((decision.transform != nullptr) == changes_values(decision.kind));
  return decision.is_left_out ? "left out" : std::string(name_of(decision.kind));
}

TEST_CASE(
    "transform rules: the first that fits a column decides, so that an earlier keep exempts") {
  const Rules rules = {{Kind::keep, {"public.people.note_public"}},
                       {Kind::shorten, {"public.people.note_*"}, {}, {}, 5},
                       {Kind::mask, {"*.*.note_*", "public.*.phone"}},
                       {Kind::exclude, {"public.people.phone", "public.people.password"}}};
  CHECK(becomes(rules, "note_public") == "kept");
  CHECK(becomes(rules, "note_private") == "shortened");
  CHECK(becomes(rules, "note_private", "items") == "masked");
  CHECK(becomes(rules, "phone") == "masked");
  CHECK(becomes(rules, "password") == "left out");
  CHECK(becomes(rules, "name") == "none");
  CHECK(becomes({}, "name") == "none");
}

TEST_CASE("transform rules: include leaves out the others of its tables, and later rules decide") {
  const Rules rules = {{Kind::keep, {"public.people.city"}},
                       {Kind::include, {"public.people.id", "public.people.mail"}},
                       {Kind::hash, {"*.*.mail"}, {}, key}};
  CHECK(becomes(rules, "id") == "none");
  CHECK(becomes(rules, "mail") == "hashed");
  CHECK(becomes(rules, "city") == "kept");
  CHECK(becomes(rules, "name") == "left out");
  CHECK(becomes(rules, "name", "items") == "none");
}

TEST_CASE("transform rules: a column is named with schema and table, in quotes where needed") {
  CHECK(becomes({{Kind::mask, {R"(public."people"."a.b")"}}}, "a.b") == "masked");
  CHECK(becomes({{Kind::mask, {R"(public.people."*")"}}}, "x") == "none");
  for (const char* text : {"mail", "people.mail", "public.people.", "public.people.\"x"}) {
    CAPTURE(text);
    const auto refused = TransformRules::parse({{Kind::mask, {text}}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::misconfigured);
  }
  CHECK_FALSE(TransformRules::parse({{Kind::hash, {"a.b.c"}, {}, "short"}}));
}

const Rules rules_of_orders = {{Kind::hash, {"public.orders.id"}, {}, key},
                               {Kind::mask, {"public.orders.mail"}, "-"},
                               {Kind::exclude, {"public.orders.card"}},
                               {Kind::shorten, {"public.orders.note"}, {}, {}, 2}};

std::string hash_of(std::string_view text) {
  auto transform = ValueTransform::hash(key);
  REQUIRE(transform);
  std::string out;
  REQUIRE(transform->put(out, text));
  return out;
}

std::string described() {
  return relation_message(orders, "public", "orders", 'd',
                          {{true, "id", int4},
                           {false, "card", text},
                           {false, "mail", text},
                           {false, "note", text},
                           {false, "plain", text}});
}

std::string inserted(const std::string& id) {
  return insert_message(orders, {"t" + id, "tcard-secret", "tmail-secret", "tnote-secret", "tx"});
}

std::string stored(const std::string& id) { return hash_of(id) + "|-|no|x"; }

struct Fixture {
  FakeCatalog catalog;
  RecordingHandler handler;
  std::unique_ptr<ChangeDecoder> decoder;
  std::unique_ptr<TransactionAssembly> assembly;

  explicit Fixture(Rules rules = rules_of_orders) {
    catalog.transforms = std::move(rules);
    connect({PostgresResume::Phase::streaming, 42, 1, Lsn{100}, "tidelog_shop"});
  }
  void connect(const PostgresResume& resume) {
    decoder = std::make_unique<ChangeDecoder>(resume, TableChoice(), catalog, handler);
    assembly = std::make_unique<TransactionAssembly>(*decoder, handler, Origins::any);
    REQUIRE(assembly->go_on(resume));
  }
  Status decode(const std::string& message) {
    return assembly->decode(message, {Lsn{77}, UnixMicros{77}});
  }
  void take(const Lines& messages) {
    for (const std::string& message : messages) {
      const Status done = decode(message);
      REQUIRE_MESSAGE(done, done.error().what);
    }
  }
  void reconnect() {
    REQUIRE(handler.idle());
    const auto resume = read_postgres_resume(handler.durable());
    REQUIRE(resume);
    connect(*resume);
  }
  Lines bodies() const {
    Lines all;
    for (const RecordedEvent& event : handler.events())
      all.push_back(texts_of(event.body.value_or("")));
    return all;
  }
};

TEST_CASE("transforms: rows, old rows and keys are changed before they are handed on") {
  Fixture f;
  f.take({begin_message(1'000, 5, 771), described(), inserted("1"),
          update_message(orders, 'K', {"t1", "n", "n", "n", "n"},
                         {"t2", "u", "tmail-secret", "u", "ty"}),
          update_message(orders, 'O', {"t2", "tcard-secret", "tmail-secret", "tnote-secret", "ty"},
                         {"t2", "u", "n", "u", "tz"}),
          delete_message(orders, 'K', {"t2", "n", "n", "n", "n"}),
          commit_message(1'000, 1'010, 5)});
  const auto events = f.handler.events();
  REQUIRE(events.size() == 5);
  CHECK(f.bodies() ==
        Lines{stored("1"), "", hash_of("2") + "|-|(unchanged)|y", hash_of("2") + "|NULL|no|z", ""});
  CHECK(texts_of(*events[0].key) == hash_of("1"));
  CHECK(texts_of(*events[1].key) == hash_of("1"));
  CHECK(events[1].moved);
  CHECK(texts_of(events[2].before) == hash_of("1"));
  CHECK(texts_of(events[3].before) == hash_of("2") + "|-|no|y");
  CHECK(texts_of(*events[4].key) == hash_of("2"));
}

TEST_CASE("transforms: the schema says what became of each column") {
  Fixture f;
  f.take(
      {begin_message(1'000, 5, 771), described(), inserted("1"), commit_message(1'000, 1'010, 5)});
  const Schema schema = f.handler.events().at(0).schema;
  CHECK(schema.left_out == Lines{"card"});
  REQUIRE(schema.columns.size() == 4);
  CHECK(schema.columns[0].key);
  CHECK(schema.columns[0].kind == ValueKind::text);
  CHECK(schema.columns[0].type == "integer");
  CHECK(schema.columns[0].transform == Transform::hashed);
  CHECK(schema.columns[0].transform_detail == *key_fingerprint(key));
  CHECK(schema.columns[1].transform == Transform::masked);
  CHECK(schema.columns[1].transform_detail == "-");
  CHECK(schema.columns[2].transform == Transform::shortened);
  CHECK(schema.columns[2].transform_detail == "2");
  CHECK(schema.columns[3].transform == Transform::none);
}

TEST_CASE("transforms: a key is stored, as it is or hashed") {
  for (const TransformRule& rule : Rules{{Kind::exclude, {"*.*.id"}},
                                         {Kind::mask, {"*.*.id"}},
                                         {Kind::shorten, {"*.*.id"}, {}, {}, 3},
                                         {Kind::include, {"*.*.note"}}}) {
    Fixture f({rule});
    REQUIRE(f.decode(begin_message(1'000, 5, 771)));
    REQUIRE(f.decode(described()));
    const Status refused = f.decode(inserted("1"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::misconfigured);
    CHECK(refused.error().what.find("the column id of public.orders is part of the key") !=
          std::string::npos);
  }
}

TEST_CASE("transforms: a message is held with nothing of what is not to be stored") {
  const TransformRules rules = parsed(rules_of_orders);
  const std::string bytes = described();
  const auto read = read_relation(ByteReader(std::string_view(bytes).substr(1)));
  REQUIRE(read);
  const auto transform = RowTransform::of(rules, *read);
  REQUIRE(transform);
  const Lines old_row = {"t4711", "tcard-secret", "tmail-secret", "tnote-secret", "tx"};
  for (const std::string& message :
       {inserted("4711"), update_message(orders, 'O', old_row, old_row),
        update_message(orders, 0, {}, {"t4711", "u", "n", "tnote-secret", "u"}),
        delete_message(orders, 'K', {"t4711", "n", "n", "n", "n"}),
        delete_message(orders, 'O', old_row)}) {
    const auto held = held_message(message, *transform);
    REQUIRE(held);
    CHECK(held->find("secret") == std::string::npos);
    CHECK(held->find("4711") == std::string::npos);
    CHECK(held->find(hash_of("4711")) != std::string::npos);
    CHECK(held->front() == message.front());
    for (std::size_t size = 1; size < message.size(); ++size)
      CHECK_FALSE(held_message(message.substr(0, size), *transform));
  }
}

TEST_CASE("transforms: in pieces and prepared, over a reconnect too, rows are changed once") {
  Fixture f;
  const PrepareBytes small{2'000, 2'010, 5, 881, "small"};
  const PrepareBytes large{3'000, 3'010, 5, 882, "large"};
  f.take({stream_start_message(771, true), in_stream(771, described()),
          in_stream(771, inserted("1")), in_stream(772, inserted("2")), stream_stop_message(),
          stream_abort_message(771, 772), stream_commit_message(771, 1'000, 1'010, 5)});
  f.take({begin_prepare_message(small), described(), inserted("3"), prepare_message(small)});
  f.take({stream_start_message(882, true), in_stream(882, described()),
          in_stream(882, inserted("4")), stream_stop_message(), stream_prepare_message(large)});
  f.reconnect();
  f.take({commit_prepared_message(4'000, 4'010, 5, 881, "small"),
          commit_prepared_message(5'000, 5'010, 5, 882, "large")});
  CHECK(f.bodies() == Lines{stored("1"), stored("3"), stored("4")});
}

TEST_CASE("transforms: what was prepared under other ones stops, and goes on when they are back") {
  Fixture f;
  const PrepareBytes prepare{2'000, 2'010, 5, 881, "early"};
  f.take({begin_prepare_message(prepare), described(), inserted("3"), prepare_message(prepare)});
  const std::string commit = commit_prepared_message(4'000, 4'010, 5, 881, "early");
  for (const Rules& others :
       {Rules(), Rules{{Kind::exclude, {"*.*.card"}}}, Rules{{Kind::mask, {"*.*.mail"}, "+"}}}) {
    f.catalog.transforms = others;
    f.reconnect();
    const Status refused = f.decode(commit);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::misconfigured);
    CHECK(refused.error().what.find("put them back") != std::string::npos);
  }
  f.catalog.transforms = rules_of_orders;
  f.reconnect();
  f.take({commit});
  CHECK(f.bodies() == Lines{stored("3")});
}

TEST_CASE("transforms: what was prepared before there were any is changed when it is stored") {
  Fixture f{Rules()};
  const PrepareBytes prepare{2'000, 2'010, 5, 881, "early"};
  f.take({begin_prepare_message(prepare), described(), inserted("3"), prepare_message(prepare)});
  f.catalog.transforms = rules_of_orders;
  f.reconnect();
  f.take({commit_prepared_message(4'000, 4'010, 5, 881, "early")});
  CHECK(f.bodies() == Lines{stored("3")});
}

TEST_CASE("transforms: a value in binary form is refused, as its text is not known") {
  Fixture f;
  f.take({begin_message(1'000, 5, 771), described()});
  const Status refused = f.decode(insert_message(orders, {"t1", "n", "bsecret", "n", "tx"}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
  CHECK(refused.error().what.find("the column mail of public.orders") != std::string::npos);
  CHECK(refused.error().what.find("secret") == std::string::npos);
}

TEST_CASE("transforms: of tables that are not captured nothing is looked at in pieces") {
  Fixture f;
  auto choice = parse_table_choice({"public.others"}, {});
  REQUIRE(choice);
  f.decoder = std::make_unique<ChangeDecoder>(
      PostgresResume{PostgresResume::Phase::streaming, 42, 1, Lsn{100}, "tidelog_shop"},
      *std::move(choice), f.catalog, f.handler);
  f.assembly = std::make_unique<TransactionAssembly>(*f.decoder, f.handler, Origins::any);
  f.catalog.transforms = {{Kind::mask, {"not a column"}}};  // which fails when it is asked for
  f.take({stream_start_message(771, true), in_stream(771, described()),
          in_stream(771, inserted("1")), stream_stop_message(),
          stream_commit_message(771, 1'000, 1'010, 5)});
  CHECK(f.bodies().empty());
}

TEST_CASE("transforms: the mark of held rows is no message of the server") {
  Fixture f;
  const std::string mark(1, transformed_mark);
  CHECK_FALSE(f.decode(mark + "\0\0\0\1"));
  REQUIRE(f.decode(stream_start_message(771, true)));
  const Status refused = f.decode(mark + std::string(8, '\0'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
}

}  // namespace
}  // namespace tidelog::testing
