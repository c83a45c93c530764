// Rows whose values come in binary form, through the assembly of transactions and the decoder.
#include <doctest/doctest.h>

#include "connectors/postgres/binary_mark.h"
#include "connectors/postgres/transaction_assembly.h"
#include "tests/postgres/fake_catalog.h"
#include "tests/postgres/messages.h"
#include "tests/support/recording_handler.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;
using Kind = TransformRule::Kind;
using Lines = std::vector<std::string>;

constexpr std::uint32_t box = 603;  // of a type that the catalog does not know to be read

std::string number(std::int32_t value) {
  std::string out = "b";
  put_be(out, value);
  return out;
}

std::string described(std::uint32_t last = text) {
  return relation_message(orders, "public", "orders", 'd',
                          {{true, "id", int4}, {false, "mail", text}, {false, "note", last}});
}

std::string inserted(std::int32_t id) {
  return insert_message(orders, {number(id), "bmail-secret", "bnote"});
}

struct Fixture {
  FakeCatalog catalog;
  RecordingHandler handler;
  std::unique_ptr<ChangeDecoder> decoder;
  std::unique_ptr<TransactionAssembly> assembly;

  explicit Fixture(std::vector<TransformRule> rules = {}) {
    catalog.transforms = std::move(rules);
    connect({PostgresResume::Phase::streaming, 42, 1, Lsn{100}, "tidelog_shop"}, true);
  }
  void connect(const PostgresResume& resume, bool is_binary) {
    decoder = std::make_unique<ChangeDecoder>(resume, TableChoice(), catalog, handler);
    if (is_binary) decoder->expect_binary();
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
  void reconnect_as_text() {
    REQUIRE(handler.idle());
    const auto resume = read_postgres_resume(handler.durable());
    REQUIRE(resume);
    connect(*resume, false);
  }
  Lines bodies() const {
    Lines all;
    for (const RecordedEvent& event : handler.events())
      all.push_back(texts_of(event.body.value_or("")));
    return all;
  }
};

const PrepareBytes prepare{2'000, 2'010, 5, 881, "early"};
const std::string commit_prepared = commit_prepared_message(4'000, 4'010, 5, 881, "early");

// The same as texts, which have the letter t.
std::vector<RecordedEvent> events_of(bool is_binary, std::vector<TransformRule> rules) {
  Fixture f(std::move(rules));
  const auto id = [&](std::int32_t value) {
    return is_binary ? number(value) : "t" + std::to_string(value);
  };
  const auto with = [&](std::string value) {
    value[0] = is_binary ? 'b' : 't';
    return value;
  };
  const auto row = [&](std::int32_t key) {
    return Lines{id(key), with("bmail-secret"), with("bnote")};
  };
  f.take({begin_message(1'000, 5, 771), described(), insert_message(orders, row(1)),
          update_message(orders, 'K', {id(1), "n", "n"}, {id(2), "n", "u"}),
          update_message(orders, 'O', row(2), {id(-2), with("bother"), "u"}),
          delete_message(orders, 'K', {id(-2), "n", "n"}), delete_message(orders, 'O', row(9)),
          commit_message(1'000, 1'010, 5)});
  return f.handler.events();
}

TEST_CASE("binary rows: rows, old rows and keys are what their texts give, with transforms too") {
  const std::vector<std::vector<TransformRule>> all_rules = {
      {},
      {{Kind::exclude, {"*.*.mail"}}},
      {{Kind::mask, {"*.*.mail"}}},
      {{Kind::shorten, {"*.*.note"}, {}, {}, 2}, {Kind::exclude, {"*.*.mail"}}},
      {{Kind::hash, {"*.*.id"}, {}, "a key of more than 16 bytes"}}};
  for (const auto& rules : all_rules) {
    const auto binary = events_of(true, rules);
    const auto texts = events_of(false, rules);
    REQUIRE(binary.size() == texts.size());
    CHECK(binary.size() == 7);
    for (std::size_t i = 0; i < binary.size(); ++i) {
      CAPTURE(i);
      CHECK(binary[i].type == texts[i].type);
      CHECK(binary[i].body == texts[i].body);
      CHECK(binary[i].key == texts[i].key);
      CHECK(binary[i].before == texts[i].before);
      CHECK(binary[i].schema == texts[i].schema);
    }
  }
}

TEST_CASE("binary rows: a value that is none stops, naming place, table, column and type") {
  Fixture f;
  f.take({begin_message(1'000, 5, 771), described()});
  const Status refused = f.decode(insert_message(orders, {"b\1", "n", "n"}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::corrupt);
  CHECK(refused.error().what ==
        "at lsn 0/4D: table public.orders, column id (integer): these 1 bytes are no value in "
        "binary form: 01; without `binary` the source reads texts");
}

TEST_CASE("binary rows: of a column that is masked no byte is shown") {
  Fixture f({{Kind::mask, {"*.*.id"}}});
  f.catalog.primary_key = "note";
  f.take(
      {begin_message(1'000, 5, 771), relation_message(orders, "public", "orders", 'f',
                                                      {{true, "id", int4}, {true, "note", text}})});
  const Status refused = f.decode(insert_message(orders, {"bsecret", "bnote"}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("column id") != std::string::npos);
  CHECK(refused.error().what.find("7365") == std::string::npos);
}

TEST_CASE("binary rows: a type that cannot be read ends the stream before any row of it") {
  Fixture f;
  CHECK(f.decoder->unreadable().empty());
  f.take({begin_message(1'000, 5, 771), described(box)});
  CHECK_FALSE(f.decode(inserted(1)));
  CHECK(f.decoder->unreadable() == "the column note of public.orders is of the type box");
  CHECK(f.handler.events().empty());

  Fixture in_pieces;
  in_pieces.take({stream_start_message(771, true)});
  CHECK_FALSE(in_pieces.decode(in_stream(771, described(box))));
  CHECK_FALSE(in_pieces.decoder->unreadable().empty());

  Fixture prepared;
  prepared.take({begin_prepare_message(prepare), described(box)});
  CHECK_FALSE(prepared.decode(inserted(1)));
  CHECK_FALSE(prepared.decoder->unreadable().empty());
}

TEST_CASE("binary rows: a column that is left out may be of any type") {
  Fixture f({{Kind::exclude, {"*.*.note"}}});
  f.take({begin_message(1'000, 5, 771), described(box), inserted(1),
          commit_message(1'000, 1'010, 5), stream_start_message(772, true),
          in_stream(772, described(box)), in_stream(772, inserted(2)), stream_stop_message(),
          stream_commit_message(772, 3'000, 3'010, 5)});
  CHECK(f.bodies() == Lines{"1|mail-secret", "2|mail-secret"});
}

TEST_CASE("binary rows: in pieces and prepared, and read as text by the time of their commit") {
  Fixture f;
  f.take({stream_start_message(771, true), in_stream(771, described()), in_stream(771, inserted(1)),
          stream_stop_message(), stream_commit_message(771, 1'000, 1'010, 5),
          begin_prepare_message(prepare), described(), inserted(2), prepare_message(prepare)});
  f.reconnect_as_text();
  f.take({commit_prepared, begin_message(5'000, 5, 9), described(),
          insert_message(orders, {"t3", "n", "n"}), commit_message(5'000, 5'010, 5)});
  CHECK(f.bodies() == Lines{"1|mail-secret|note", "2|mail-secret|note", "3|NULL|NULL"});
}

TEST_CASE("binary rows: what was prepared before there were transforms is changed by them") {
  Fixture f;
  f.take({begin_prepare_message(prepare), described(), inserted(2), prepare_message(prepare)});
  f.catalog.transforms = {{Kind::mask, {"*.*.mail"}, "-"}, {Kind::exclude, {"*.*.note"}}};
  f.reconnect_as_text();
  f.take({commit_prepared});
  CHECK(f.bodies() == Lines{"2|-"});
}

TEST_CASE("binary rows: what is held under transforms is held as texts, and the rest as it came") {
  Fixture f({{Kind::mask, {"*.*.mail"}, "-"}});
  f.take({begin_prepare_message(prepare), described(), inserted(2), prepare_message(prepare)});
  f.reconnect_as_text();
  f.take({commit_prepared});
  CHECK(f.bodies() == Lines{"2|-|note"});
}

TEST_CASE("binary rows: nothing is taken in binary form that was not asked for") {
  Fixture f;
  f.connect({PostgresResume::Phase::streaming, 42, 1, Lsn{100}, "tidelog_shop"}, false);
  f.take({begin_message(1'000, 5, 771), described()});
  const Status refused = f.decode(inserted(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
  CHECK(f.decoder->unreadable().empty());
}

TEST_CASE("binary rows: the mark of held rows is no message of the server, and says all it must") {
  Fixture f;
  const BinaryMark mark{orders, {{BinaryForm::int32}, {BinaryForm::array, BinaryForm::text, 25}}};
  const std::string message = message_of(mark);
  CHECK_FALSE(f.decode(message));
  const auto read = read_binary_mark(message);
  REQUIRE(read);
  CHECK(*read == mark);
  for (std::size_t size = 0; size < message.size(); ++size)
    CHECK_FALSE(read_binary_mark(message.substr(0, size)));
  CHECK_FALSE(read_binary_mark(message + "\1"));
  std::string unknown = message;
  unknown[7] = static_cast<char>(binary_form_max + 1);
  CHECK_FALSE(read_binary_mark(unknown));
  CHECK_FALSE(f.decoder->note_binary(message));  // of a relation that was not described
}

}  // namespace
}  // namespace tidelog::testing
