#include "connectors/postgres/pgoutput.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/postgres/messages.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

// Decodes by letter, as the change decoder does; only whether it worked counts.
Status read_any(std::string_view message) {
  ByteReader in(message);
  RowChange change;
  switch (in.be<char>()) {
    case 'B':
      TRY_DO(read_begin(in));
      return {};
    case 'C':
      TRY_DO(read_commit(in));
      return {};
    case 'O':
      TRY_DO(read_origin(in));
      return {};
    case 'R':
      TRY_DO(read_relation(in));
      return {};
    case 'Y':
      TRY_DO(read_type(in));
      return {};
    case 'I':
      return read_insert(in, change);
    case 'U':
      return read_update(in, change);
    case 'D':
      return read_delete(in, change);
    case 'T':
      TRY_DO(read_truncate(in));
      return {};
    case 'M':
      TRY_DO(read_message(in));
      return {};
    case 'S':
      TRY_DO(read_stream_start(in));
      return {};
    case 'E':
      return read_stream_stop(in);
    case 'c':
      TRY_DO(read_stream_commit(in));
      return {};
    case 'A':
      TRY_DO(read_stream_abort(in));
      return {};
    case 'b':
      TRY_DO(read_begin_prepare(in));
      return {};
    case 'P':
    case 'p':
      TRY_DO(read_prepare(in));
      return {};
    case 'K':
      TRY_DO(read_commit_prepared(in));
      return {};
    case 'r':
      TRY_DO(read_rollback_prepared(in));
      return {};
    default:
      return fail(Code::unsupported, "letter");
  }
}

const PrepareBytes prepared{0x16B3700, 0x16B3728, 700'000'000'000'000, 771, "order-7"};

std::vector<std::string> golden_messages() {
  return {
      begin_message(0x16B3748, 700'000'000'000'000, 771),
      commit_message(0x16B3748, 0x16B3778, 700'000'000'000'000),
      origin_message(0x1000, "other"),
      relation_message(16'400, "public", "orders", 'd',
                       {{true, "id", 23}, {false, "note", 1043, 24}}),
      relation_message(1, "", "pg_things", 'f', {}),
      type_message(16'500, "public", "mood"),
      insert_message(16'400, {"t1", "n", "u", "tsome text", "b\1\2"}),
      update_message(16'400, 0, {}, {"t1", "tnew"}),
      update_message(16'400, 'K', {"t1", "n"}, {"t2", "tnew"}),
      update_message(16'400, 'O', {"t1", "told"}, {"t1", "tnew"}),
      delete_message(16'400, 'K', {"t1", "n"}),
      delete_message(16'400, 'O', {"t1", "told"}),
      truncate_message(3, {16'400, 16'401}),
      logical_message(true, 0x2000, "audit", "hello"),
      logical_message(false, 0x2000, "", std::string("\0\1", 2)),
      stream_start_message(771, true),
      stream_stop_message(),
      stream_commit_message(771, 0x16B3748, 0x16B3778, 700'000'000'000'000),
      stream_abort_message(771, 772),
      begin_prepare_message(prepared),
      prepare_message(prepared),
      stream_prepare_message(prepared),
      commit_prepared_message(0x16B3748, 0x16B3778, 700'000'000'000'000, 771, "order-7"),
      rollback_prepared_message(0x16B3700, 0x16B3778, 700'000'000'000'000, 771, "order-7"),
  };
}

ByteReader behind_letter(const std::string& message) {
  return ByteReader(std::string_view(message).substr(1));
}

TEST_CASE("pgoutput: a begin's golden bytes") {
  const std::string bytes("B\0\0\0\0\1\x6B\x37\x48\0\2\x7C\xA5\x7A\x70\x40\0\0\0\3\3", 21);
  const auto begin = read_begin(behind_letter(bytes));
  REQUIRE(begin);
  CHECK(begin->commit_lsn.value == 0x16B3748);
  CHECK(begin->commit_time.value == 0x0002'7CA5'7A70'4000 + 946'684'800'000'000);
  CHECK(begin->xid == 771);
}

TEST_CASE("pgoutput: an insert's golden bytes") {
  const std::string bytes(
      "I\0\0\x40\x10N\0\3t\0\0\0\1"
      "7nu",
      16);
  RowChange change;
  REQUIRE(read_insert(behind_letter(bytes), change));
  CHECK(change.relation == 16'400);
  CHECK(change.old_kind == OldRow::none);
  REQUIRE(change.new_row.size() == 3);
  CHECK(change.new_row[0].state == TupleColumn::State::text);
  CHECK(change.new_row[0].bytes == "7");
  CHECK(change.new_row[1].state == TupleColumn::State::null);
  CHECK(change.new_row[2].state == TupleColumn::State::unchanged);
}

TEST_CASE("pgoutput: a commit has its record's place and its end") {
  const auto commit = read_commit(behind_letter(commit_message(0x100, 0x130, 5)));
  REQUIRE(commit);
  CHECK(commit->commit_lsn.value == 0x100);
  CHECK(commit->end_lsn.value == 0x130);
  CHECK(commit->commit_time.value == 946'684'800'000'005);
}

TEST_CASE("pgoutput: a relation has its columns, keys and modifiers") {
  const auto relation = read_relation(behind_letter(
      relation_message(9, "Größe", "a.b", 'i', {{true, "id", 20}, {false, "n", 1700, 655'366}})));
  REQUIRE(relation);
  CHECK(relation->oid == 9);
  CHECK(relation->schema == "Größe");
  CHECK(relation->table == "a.b");
  CHECK(relation->identity == ReplicaIdentity::index);
  REQUIRE(relation->columns.size() == 2);
  CHECK(relation->columns[0].key);
  CHECK_FALSE(relation->columns[1].key);
  CHECK(relation->columns[1].type_modifier == 655'366);
}

TEST_CASE("pgoutput: an empty schema name is pg_catalog") {
  CHECK(read_relation(behind_letter(relation_message(9, "", "t", 'd', {})))->schema ==
        "pg_catalog");
  CHECK(read_type(behind_letter(type_message(9, "", "t")))->schema == "pg_catalog");
}

TEST_CASE("pgoutput: every replica identity is known, and no other letter") {
  const auto identity_of = [](char letter) {
    return read_relation(behind_letter(relation_message(1, "s", "t", letter, {})));
  };
  CHECK(identity_of('d')->identity == ReplicaIdentity::primary_key);
  CHECK(identity_of('i')->identity == ReplicaIdentity::index);
  CHECK(identity_of('f')->identity == ReplicaIdentity::full);
  CHECK(identity_of('n')->identity == ReplicaIdentity::nothing);
  CHECK(identity_of('x').error().code == Code::corrupt);
}

TEST_CASE("pgoutput: an update tells the three kinds of old row apart") {
  const std::string none = update_message(1, 0, {}, {"t1"});
  const std::string key = update_message(1, 'K', {"t0"}, {"t1"});
  const std::string full = update_message(1, 'O', {"t2"}, {"t1"});
  RowChange change;
  REQUIRE(read_update(behind_letter(none), change));
  CHECK(change.old_kind == OldRow::none);
  REQUIRE(read_update(behind_letter(key), change));
  CHECK(change.old_kind == OldRow::key);
  CHECK(change.old_row[0].bytes == "0");
  REQUIRE(read_update(behind_letter(full), change));
  CHECK(change.old_kind == OldRow::full);
  CHECK(change.old_row[0].bytes == "2");
  CHECK(change.new_row[0].bytes == "1");
}

TEST_CASE("pgoutput: a delete has the old key or the old row, and no new one") {
  RowChange change;
  REQUIRE(read_delete(behind_letter(delete_message(1, 'K', {"t1", "n"})), change));
  CHECK(change.old_kind == OldRow::key);
  REQUIRE(read_delete(behind_letter(delete_message(1, 'O', {"t1", "t2"})), change));
  CHECK(change.old_kind == OldRow::full);
  CHECK(change.new_row.empty());
  CHECK(read_delete(behind_letter(delete_message(1, 'N', {"t1"})), change).error().code ==
        Code::corrupt);
}

TEST_CASE("pgoutput: a truncate's options and tables") {
  const auto truncate = read_truncate(behind_letter(truncate_message(2, {7, 8})));
  REQUIRE(truncate);
  CHECK_FALSE(truncate->cascade);
  CHECK(truncate->restart_identity);
  CHECK(truncate->relations == std::vector<std::uint32_t>{7, 8});
}

TEST_CASE("pgoutput: a message is of its transaction or of none") {
  const std::string bytes = logical_message(true, 0x77, "audit", "who");
  const auto message = read_message(behind_letter(bytes));
  REQUIRE(message);
  CHECK(message->transactional);
  CHECK(message->lsn.value == 0x77);
  CHECK(message->prefix == "audit");
  CHECK(message->content == "who");
  CHECK_FALSE(read_message(behind_letter(logical_message(false, 1, "", "")))->transactional);
}

TEST_CASE("pgoutput: an origin and a type carry their names") {
  const std::string origin = origin_message(5, "other");
  CHECK(read_origin(behind_letter(origin))->name == "other");
  CHECK(read_type(behind_letter(type_message(16'500, "public", "mood")))->name == "mood");
}

TEST_CASE("pgoutput: flags that the manual does not know are corrupt") {
  std::string commit = commit_message(1, 2, 3);
  commit[1] = 1;
  CHECK(read_any(commit).error().code == Code::corrupt);
  CHECK(read_any(truncate_message(4, {1})).error().code == Code::corrupt);
  std::string message = logical_message(true, 1, "", "");
  message[1] = 2;
  CHECK(read_any(message).error().code == Code::corrupt);
}

TEST_CASE("pgoutput: every prefix of a golden message is corrupt") {
  for (const std::string& message : golden_messages()) {
    REQUIRE(read_any(message));
    for (std::size_t size = 1; size < message.size(); ++size) {
      CAPTURE(message[0]);
      CAPTURE(size);
      const auto result = read_any(std::string_view(message).substr(0, size));
      REQUIRE_FALSE(result);
      CHECK(result.error().code == Code::corrupt);
    }
  }
}

TEST_CASE("pgoutput: a byte too many is corrupt") {
  for (const std::string& message : golden_messages()) {
    CAPTURE(message[0]);
    REQUIRE_FALSE(read_any(message + "x"));
  }
}

TEST_CASE("pgoutput: no flipped bit crashes a decoder") {
  for (const std::string& message : golden_messages()) {
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
      std::string flipped = message;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      static_cast<void>(read_any(flipped));
    }
  }
}

TEST_CASE("pgoutput: no random bytes crash a decoder") {
  std::mt19937 random(static_cast<unsigned>(test_seed()));
  constexpr std::string_view letters = "BCORYIUDTMSEcAbPpKr";
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(1, letters[random() % letters.size()]);
    const std::size_t size = random() % 40;
    for (std::size_t n = 0; n < size; ++n)
      bytes.push_back(static_cast<char>(random() % 4 == 0 ? random() : 0));
    static_cast<void>(read_any(bytes));
  }
}

TEST_CASE("pgoutput: a piece says whose it is, and whether it is the first") {
  const auto first = read_stream_start(behind_letter(stream_start_message(771, true)));
  REQUIRE(first);
  CHECK(first->xid == 771);
  CHECK(first->first);
  CHECK_FALSE(read_stream_start(behind_letter(stream_start_message(771, false)))->first);
}

TEST_CASE("pgoutput: an abort names the sub-transaction, and in a parallel stream its place") {
  const auto abort = read_stream_abort(behind_letter(stream_abort_message(771, 773)));
  REQUIRE(abort);
  CHECK(abort->xid == 771);
  CHECK(abort->sub_xid == 773);
  CHECK_FALSE(abort->lsn);
  const std::string message = parallel_abort_message(771, 773, 0x16B3748, 5);
  const auto parallel = read_stream_abort(behind_letter(message));
  REQUIRE(parallel);
  CHECK(parallel->lsn == Lsn{0x16B3748});
  for (std::size_t size = 10; size < message.size(); ++size)
    CHECK_FALSE(read_any(message.substr(0, size)));
}

TEST_CASE(
    "pgoutput: a prepared transaction has its places, its xid and its gid at each of its ends") {
  const auto prepare = read_prepare(behind_letter(prepare_message(prepared)));
  REQUIRE(prepare);
  CHECK(prepare->prepare_lsn == Lsn{0x16B3700});
  CHECK(prepare->end_lsn == Lsn{0x16B3728});
  CHECK(prepare->xid == 771);
  CHECK(prepare->gid == "order-7");
  const auto committed =
      read_commit_prepared(behind_letter(commit_prepared_message(1, 2, 3, 771, "order-7")));
  REQUIRE(committed);
  CHECK(committed->commit.commit_lsn == Lsn{1});
  CHECK(committed->commit.end_lsn == Lsn{2});
  CHECK(committed->gid == "order-7");
  const auto rolled_back =
      read_rollback_prepared(behind_letter(rollback_prepared_message(1, 2, 3, 771, "order-7")));
  REQUIRE(rolled_back);
  CHECK(rolled_back->prepare_end_lsn == Lsn{1});
  CHECK(rolled_back->end_lsn == Lsn{2});
  CHECK(rolled_back->gid == "order-7");
}

TEST_CASE("pgoutput: a message of a piece is the message without its xid") {
  const std::string message = insert_message(16'400, {"t1", "n"});
  const std::string streamed = in_stream(773, message);
  const auto stripped = strip_xid(streamed);
  REQUIRE(stripped);
  CHECK(stripped->xid == 773);
  CHECK(std::string(stripped->letter) + std::string(stripped->rest) == message);
  for (std::size_t size = 0; size < 5; ++size) CHECK_FALSE(strip_xid(streamed.substr(0, size)));
}

TEST_CASE("pgoutput: a row or truncate names its relations, and nothing else does") {
  using Oids = std::vector<std::uint32_t>;
  CHECK(*relations_of(insert_message(7, {"t1"})) == Oids{7});
  CHECK(*relations_of(delete_message(8, 'K', {"t1"})) == Oids{8});
  CHECK(*relations_of(truncate_message(0, {7, 8})) == Oids{7, 8});
  CHECK(relations_of(logical_message(true, 1, "a", "b"))->empty());
  CHECK_FALSE(relations_of("I\1"));
}

TEST_CASE("pgoutput: server time and Unix time convert both ways, at the extremes too") {
  CHECK(from_postgres_time(0).value == 946'684'800'000'000);
  CHECK(to_postgres_time(from_postgres_time(-12'345)) == -12'345);
  for (const std::int64_t extreme : {INT64_MIN, INT64_MAX}) {
    CHECK(to_postgres_time(from_postgres_time(extreme)) == extreme);
  }
}

}  // namespace
}  // namespace tidelog::testing
