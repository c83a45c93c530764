#include "projections/sqlite_target.h"

#include <cmath>
#include <limits>

#include "projections/replay.h"
#include "tests/projections/script.h"
#include "tests/projections/sqlite_file.h"

namespace tidelog::testing {
namespace {

const Value one = std::int64_t{1};
const Value two = std::int64_t{2};
const Value three = std::int64_t{3};
const Value not_sent = Unchanged{};

Value text(std::string_view bytes) { return Text{bytes}; }

// A replay of everything into the file.
void replay_into(StoreScript& script, const SqliteFile& file) {
  auto reader = script.reader();
  auto target = must(SqliteTarget::open(file.path()));
  ReplayOptions options;
  options.end = reader->durable();
  must(replay(*reader, *target, options, nullptr, {}));
}

struct Replayed {
  explicit Replayed(const std::vector<std::vector<Change>>& transactions) {
    for (const auto& changes : transactions) script.commit(changes);
    replay_into(script, file);
  }
  StoreScript script;
  SqliteFile file;
};

}  // namespace

TEST_CASE("sqlite: rows are inserted, updated and deleted by key") {
  const Replayed done(
      {{loaded(orders(), {one, text("it's"), Decimal{"1.50"}}),
        added(orders(), {two, Null{}, Null{}})},
       {updated(orders(), {one, text("b"), Decimal{"2.00"}}), removed(orders(), {two})},
       {added(orders(), {three, text(""), Null{}})}});
  CHECK(done.file.rows("orders") == Lines{"1|'b'|'2.00'", "3|''|NULL"});
}

TEST_CASE("sqlite: no value is changed by the type of its column") {
  const Schema all =
      table("orders", {column("id", ValueKind::int64, true), column("u", ValueKind::uint64),
                       column("d", ValueKind::decimal), column("f", ValueKind::float64),
                       column("g", ValueKind::float32), column("t", ValueKind::text),
                       column("b", ValueKind::bytes), column("y", ValueKind::boolean),
                       column("w", ValueKind::date), column("j", ValueKind::json),
                       column("i", ValueKind::bits)});
  const std::string_view zero_byte("a\0b", 3);
  const Replayed done(
      {{added(all,
              {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max(),
               Decimal{"12345678901234567890.10"}, 0.1, 0.5F, text("1.0"), Bytes{zero_byte}, true,
               Date{2026, 11, 24, Infinity::none}, Json{"{\"a\": 1}"}, Bits{4, "\xf0"}}),
        added(all, {std::numeric_limits<std::int64_t>::max(), std::uint64_t{7}, Decimal{"NaN"},
                    std::nan(""), -std::numeric_limits<float>::infinity(), text("007"), Bytes{""},
                    false, Date{0, 0, 0, Infinity::positive}, Json{"1.0"},
                    Bits{1, std::string_view("\0", 1)}})}});
  CHECK(done.file.rows("orders") ==
        Lines{"-9223372036854775808|'18446744073709551615'|'12345678901234567890.10'|0.1|0.5|'1.0'|"
              "X'610062'|1|"
              "'2026-11-24'|'{\"a\": 1}'|'1111'",
              "9223372036854775807|7|'NaN'|'NaN'|-Inf|'007'|X''|0|'infinity'|'1.0'|'0'"});
}

TEST_CASE("sqlite: a value that was not sent stays") {
  const Replayed done({{added(orders(), {one, text("large"), Decimal{"1"}})},
                       {updated(orders(), {one, not_sent, Null{}})}});
  CHECK(done.file.rows("orders") == Lines{"1|'large'|NULL"});
  CHECK(done.file.rows("tidelog_not_known").empty());
}

TEST_CASE("sqlite: what nobody knows is NULL, and noted") {
  const Replayed done({{updated(orders(), {one, not_sent, Decimal{"1"}})}});
  CHECK(done.file.rows("orders") == Lines{"1|NULL|'1'"});
  CHECK(done.file.rows("tidelog_not_known") == Lines{"1|'shop.public.orders'|'one row'|'note\n'"});
}

TEST_CASE("sqlite: a row that moves to another key keeps what was not sent") {
  const Replayed done(
      {{added(orders(), {one, text("large"), Null{}}),
        added(orders(), {three, text("other"), Null{}})},
       {moved_away(orders(), {one}), moved_here(orders(), {one}, {two, not_sent, Decimal{"1"}})}});
  CHECK(done.file.rows("orders") == Lines{"2|'large'|'1'", "3|'other'|NULL"});
}

TEST_CASE("sqlite: a first half of a move whose second half did not come is a delete") {
  const Replayed done(
      {{added(orders(), {one, text("a"), Null{}}), added(orders(), {two, text("b"), Null{}})},
       {moved_away(orders(), {one})},
       {moved_away(orders(), {two}), added(orders(), {three, text("c"), Null{}})}});
  CHECK(done.file.rows("orders") == Lines{"3|'c'|NULL"});
}

TEST_CASE("sqlite: truncate leaves no row") {
  const Replayed done({{added(orders(), {one, text("a"), Null{}})},
                       {truncated(), added(orders(), {two, Null{}, Null{}})}});
  CHECK(done.file.rows("orders") == Lines{"2|NULL|NULL"});
}

TEST_CASE("sqlite: without a key a delete and an update take one equal row") {
  const Replayed done(
      {{added(log_lines(), {one, text("a")}), added(log_lines(), {one, text("a")}),
        added(log_lines(), {one, Null{}}), added(log_lines(), {two, text("b")})},
       {removed_row(log_lines(), {one, text("a")}), removed_row(log_lines(), {one, Null{}})},
       {updated_from(log_lines(), {two, text("b")}, {three, not_sent})}});
  CHECK(done.file.rows("lines") == Lines{"1|'a'", "3|'b'"});
}

TEST_CASE("sqlite: composite and text keys") {
  const Schema schema =
      table("orders", {column("a", ValueKind::text, true), column("b", ValueKind::int64),
                       column("c", ValueKind::decimal, true)});
  const Replayed done({{added(schema, {text("x"), one, Decimal{"1.0"}}),
                        added(schema, {text("x"), two, Decimal{"1.00"}}),
                        added(schema, {text("X"), three, Decimal{"1.0"}})},
                       {removed(schema, {text("x"), Decimal{"1.00"}}),
                        updated(schema, {text("X"), one, Decimal{"1.0"}})}});
  CHECK(done.file.rows("orders") == Lines{"'X'|1|'1.0'", "'x'|1|'1.0'"});
}

TEST_CASE("sqlite: a schema alone makes its empty table, also one without columns") {
  const Replayed done(
      {{schema_change(orders()), schema_change(table("nothing", {})).of("shop.public.nothing")}});
  CHECK(done.file.rows("orders").empty());
  CHECK(done.file.rows("nothing").empty());
}

TEST_CASE("sqlite: an added column is NULL in older rows, and noted") {
  Schema wider = orders();
  wider.columns.push_back(column("more", ValueKind::text));
  const Replayed done({{added(orders(), {one, text("a"), Null{}})},
                       {added(wider, {two, text("b"), Null{}, text("x")})}});
  CHECK(done.file.rows("orders") == Lines{"1|'a'|NULL|NULL", "2|'b'|NULL|'x'"});
  CHECK(done.file.rows("tidelog_not_known") ==
        Lines{"2|'shop.public.orders'|'all before'|'more\n'"});
}

TEST_CASE("sqlite: columns that are dropped, moved or change their type keep their values") {
  const Schema other =
      table("orders", {column("price", ValueKind::text), column("id", ValueKind::int64, true)});
  const Replayed done(
      {{added(orders(), {one, text("a"), Decimal{"1.50"}})}, {added(other, {text("x"), two})}});
  CHECK(done.file.rows("orders") == Lines{"'1.50'|1", "'x'|2"});
}

TEST_CASE("sqlite: a table can lose its key and get one") {
  const Schema keyless =
      table("orders", {column("id", ValueKind::int64), column("note", ValueKind::text)});
  const Replayed done({{added(orders(), {one, text("a"), Null{}})},
                       {added(keyless, {one, text("a")}), added(keyless, {two, text("b")})},
                       {removed_row(keyless, {one, text("a")})},
                       {updated(orders(), {one, text("c"), not_sent})}});
  CHECK(done.file.rows("orders") == Lines{"1|'c'|NULL", "2|'b'|NULL"});
}

TEST_CASE(
    "sqlite: without a key a row from before an added column is found by what is known of it") {
  Schema wider = log_lines();
  wider.columns.push_back(column("c", ValueKind::int64));
  const Replayed done({{added(log_lines(), {one, text("a")}), added(log_lines(), {two, text("b")})},
                       {removed_row(wider, {one, text("a"), three})}});
  CHECK(done.file.rows("lines") == Lines{"2|'b'|NULL"});
}

TEST_CASE("sqlite: the first stream of a table's name gets it, later ones longer names") {
  Schema archived = orders();
  archived.table_schema = "archive";
  Schema capital = orders();
  capital.table = "ORDERS";
  const Replayed done({{added(orders(), {one, Null{}, Null{}})},
                       {added(archived, {two, Null{}, Null{}}).of("shop.archive.orders")},
                       {added(capital, {three, Null{}, Null{}}).of("shop.public.ORDERS")},
                       {added(table("sqlite_x", orders().columns), {one, Null{}, Null{}})
                            .of("shop.public.sqlite_x")}});
  CHECK(done.file.rows("orders") == Lines{"1|NULL|NULL"});
  CHECK(done.file.rows("archive.orders") == Lines{"2|NULL|NULL"});
  CHECK(done.file.rows("public.ORDERS") == Lines{"3|NULL|NULL"});
  CHECK(done.file.rows("public.sqlite_x") == Lines{"1|NULL|NULL"});
}

TEST_CASE("sqlite: column names that SQLite cannot tell apart get a number") {
  const Schema schema =
      table("orders", {column("id", ValueKind::int64, true), column("A\"x", ValueKind::int64),
                       column("a\"x", ValueKind::int64)});
  const Replayed done({{added(schema, {one, two, three})}});
  CHECK(done.file.rows("orders") == Lines{"1|2|3"});
  CHECK(done.file.query("SELECT \"a\"\"x_2\" FROM orders") == Lines{"3"});
}

TEST_CASE("sqlite: a table without a key may have a column rowid") {
  const Schema schema =
      table("lines", {column("rowid", ValueKind::int64), column("b", ValueKind::text)});
  const Replayed done({{added(schema, {one, text("a")}), added(schema, {one, text("a")})},
                       {removed_row(schema, {one, text("a")})}});
  CHECK(done.file.rows("lines") == Lines{"1|'a'"});
}

TEST_CASE("sqlite: a database of somebody else is refused and left alone") {
  const SqliteFile file;
  file.query("CREATE TABLE mine (a)");
  const auto target = SqliteTarget::open(file.path());
  REQUIRE(!target);
  CHECK(target.error().code == Code::misconfigured);
  CHECK(file.query("SELECT count(*) FROM sqlite_master") == Lines{"1"});
  CHECK(file.query("PRAGMA journal_mode") == Lines{"delete"});
}

TEST_CASE("sqlite: a file that is no database is refused") {
  const SqliteFile file;
  file.write(
      "this is text, long enough to be no header of a database; this is text, long enough, and so "
      "on and on");
  const auto target = SqliteTarget::open(file.path());
  REQUIRE(!target);
  CHECK(target.error().code == Code::misconfigured);
}

TEST_CASE("sqlite: a file of a newer layout is refused") {
  const SqliteFile file;
  must(SqliteTarget::open(file.path()));
  file.query("PRAGMA user_version = 99");
  const auto target = SqliteTarget::open(file.path());
  REQUIRE(!target);
  CHECK(target.error().code == Code::unsupported);
}

TEST_CASE("sqlite: two replays into one file do not mix") {
  StoreScript script;
  const SqliteFile file;
  script.commit({added(orders(), {one, Null{}, Null{}})});
  auto late = must(SqliteTarget::open(file.path()));
  must(late->begin({}));
  replay_into(script, file);
  Event gap;
  gap.type = EventType::gap;
  const auto applied = late->apply(gap, nullptr);
  REQUIRE(!applied);
  CHECK(applied.error().code == Code::conflict);
}

}  // namespace tidelog::testing
