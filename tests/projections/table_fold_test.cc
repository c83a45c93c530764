#include "projections/table_fold.h"

#include "tests/projections/script.h"

namespace tidelog::testing {
namespace {

const Value one = std::int64_t{1};
const Value two = std::int64_t{2};
const Value three = std::int64_t{3};
const Value not_sent = Unchanged{};

Value text(std::string_view bytes) { return Text{bytes}; }
Value price(std::string_view digits) { return Decimal{digits}; }

}  // namespace

TEST_CASE("fold: rows are loaded, inserted, updated and deleted by key") {
  FoldScript script;
  script.apply(loaded(orders(), {one, text("a"), price("1.50")}));
  script.apply(added(orders(), {two, text("b"), Null{}}));
  script.apply(updated(orders(), {one, text("c"), price("2.00")}));
  CHECK(rows_of(script.fold) == Lines{"1|c|2.00", "2|b|NULL"});
  script.apply(removed(orders(), {two}));
  CHECK(rows_of(script.fold) == Lines{"1|c|2.00"});
  CHECK(script.fold.row_count() == 1);
  CHECK(script.fold.contradictions().count == 0);
}

TEST_CASE("fold: a row knows its last change") {
  FoldScript script;
  script.apply(added(orders(), {one, text("a"), Null{}}));
  script.apply(added(orders(), {two, text("b"), Null{}}));
  script.apply(updated(orders(), {one, text("c"), Null{}}));
  const auto row = must(script.fold.find(stored({one})));
  REQUIRE(row);
  CHECK(row->position == Position{2});
  CHECK(row->revision == Revision{2});
  CHECK(!must(script.fold.find(stored({three}))));
}

TEST_CASE("fold: rows come in the order of integer keys, not of their bytes") {
  FoldScript script;
  for (const std::int64_t id : {300, -5, 7, 100'000, 0, -300})
    script.apply(added(orders(), {id, Null{}, Null{}}));
  CHECK(rows_of(script.fold) == Lines{"-300|NULL|NULL", "-5|NULL|NULL", "0|NULL|NULL",
                                      "7|NULL|NULL", "300|NULL|NULL", "100000|NULL|NULL"});
}

TEST_CASE("fold: a value that was not sent is the one of the row before") {
  FoldScript script;
  script.apply(added(orders(), {one, text("large"), price("1.50")}));
  script.apply(updated(orders(), {one, not_sent, price("2.00")}));
  script.apply(updated(orders(), {one, not_sent, not_sent}));
  CHECK(rows_of(script.fold) == Lines{"1|large|2.00"});
}

TEST_CASE("fold: a row from before the history stays partial, and is no contradiction") {
  FoldScript script;
  script.apply(updated(orders(), {one, not_sent, price("2.00")}));
  script.apply(removed(orders(), {two}));
  CHECK(rows_of(script.fold) == Lines{"1|(unchanged)|2.00"});
  CHECK(script.fold.contradictions().count == 0);
  CHECK(script.fold.contradictions().before_history == 2);
}

TEST_CASE("fold: contradictions of a whole history are counted with their positions") {
  FoldScript script;
  script.apply(loaded(orders(), {one, text("a"), Null{}}));
  script.apply(updated(orders(), {two, text("b"), Null{}}));
  script.apply(removed(orders(), {three}));
  script.apply(added(orders(), {one, text("c"), Null{}}));
  const Contradictions& found = script.fold.contradictions();
  CHECK(found.count == 3);
  REQUIRE(found.first.size() == 3);
  CHECK(found.first[0].what == Contradiction::update_of_missing_row);
  CHECK(found.first[0].position == Position{1});
  CHECK(found.first[1].what == Contradiction::delete_of_missing_row);
  CHECK(found.first[2].what == Contradiction::insert_of_present_row);
  CHECK(rows_of(script.fold) == Lines{"1|c|NULL", "2|b|NULL"});
}

TEST_CASE("fold: a row that moves to another key keeps what was not sent") {
  FoldScript script;
  script.apply(added(orders(), {one, text("large"), price("1.50")}));
  script.apply(moved_away(orders(), {one}));
  script.apply(moved_here(orders(), {one}, {two, not_sent, price("2.00")}));
  CHECK(rows_of(script.fold) == Lines{"2|large|2.00"});
  CHECK(script.fold.contradictions().count == 0);
}

TEST_CASE("fold: a moved row is not filled in from another one's move") {
  FoldScript script;
  script.apply(added(orders(), {one, text("mine"), Null{}}));
  script.apply(moved_away(orders(), {one}));
  script.apply(moved_here(orders(), {three}, {two, not_sent, Null{}}));
  CHECK(rows_of(script.fold) == Lines{"2|(unchanged)|NULL"});
}

TEST_CASE("fold: truncate leaves no row, and what comes after is all there is") {
  FoldScript script;
  script.apply(added(orders(), {one, text("a"), Null{}}));
  script.apply(truncated());
  CHECK(rows_of(script.fold).empty());
  script.apply(removed(orders(), {one}));
  CHECK(script.fold.contradictions().count == 1);
}

TEST_CASE("fold: without a key a delete removes one equal row") {
  FoldScript script;
  for (int i = 0; i < 3; ++i) script.apply(added(log_lines(), {one, text("a")}));
  script.apply(added(log_lines(), {one, text("b")}));
  script.apply(removed_row(log_lines(), {one, text("a")}));
  CHECK(rows_of(script.fold) == Lines{"1|a", "1|a", "1|b"});
  CHECK(script.fold.row_count() == 3);
  script.apply(removed_row(log_lines(), {two, text("a")}));
  CHECK(script.fold.row_count() == 3);
  CHECK(script.fold.contradictions().before_history == 1);
}

TEST_CASE("fold: without a key an update replaces one equal row and fills in what was not sent") {
  FoldScript script;
  script.apply(added(log_lines(), {one, text("a")}));
  script.apply(added(log_lines(), {one, text("a")}));
  script.apply(updated_from(log_lines(), {one, text("a")}, {two, not_sent}));
  CHECK(rows_of(script.fold) == Lines{"1|a", "2|a"});
}

TEST_CASE("fold: without a key a change without the old row is corrupt") {
  FoldScript script;
  CHECK(script.try_apply(updated(log_lines(), {one, text("a")})).error().code == Code::corrupt);
}

TEST_CASE("fold: what older rows hold in a column that was added is not known, not null") {
  FoldScript script;
  Schema wider = orders();
  wider.columns.push_back(column("more", ValueKind::text));
  script.apply(added(orders(), {one, text("a"), Null{}}));
  script.apply(schema_change(wider));
  script.apply(added(wider, {two, text("b"), Null{}, text("x")}));
  CHECK(rows_of(script.fold) == Lines{"1|a|NULL|(unchanged)", "2|b|NULL|x"});
  script.apply(updated(wider, {one, not_sent, Null{}, text("y")}));
  CHECK(rows_of(script.fold) == Lines{"1|a|NULL|y", "2|b|NULL|x"});
}

TEST_CASE("fold: columns that were dropped or moved are found by name") {
  FoldScript script;
  const Schema other =
      table("orders", {column("price", ValueKind::decimal), column("id", ValueKind::int64, true)});
  script.apply(added(orders(), {one, text("a"), price("1.50")}));
  script.apply(schema_change(other));
  CHECK(rows_of(script.fold) == Lines{"1.50|1"});
  script.apply(updated(other, {not_sent, one}));
  CHECK(rows_of(script.fold) == Lines{"1.50|1"});
  CHECK(shown(must(script.fold.find(stored({one})))->row, other) == "1.50|1");
}

TEST_CASE("fold: rows follow the table's key to other columns") {
  FoldScript script;
  const Schema by_note =
      table("orders", {column("id", ValueKind::int64), column("note", ValueKind::text, true)});
  script.apply(loaded(orders(), {one, text("a"), Null{}}));
  script.apply(loaded(orders(), {two, text("b"), Null{}}));
  script.apply(schema_change(by_note));
  script.apply(updated(by_note, {three, text("b")}));
  script.apply(removed(by_note, {text("a")}));
  CHECK(rows_of(script.fold) == Lines{"3|b"});
  CHECK(script.fold.contradictions().count == 0);
}

TEST_CASE("fold: a key column that changes its kind keeps its rows") {
  FoldScript script;
  const Schema by_text =
      table("orders", {column("id", ValueKind::text, true), column("note", ValueKind::text)});
  script.apply(loaded(orders(), {one, text("a"), Null{}}));
  script.apply(updated(by_text, {text("1"), text("b")}));
  CHECK(rows_of(script.fold) == Lines{"1|b"});
  CHECK(script.fold.contradictions().count == 0);
}

TEST_CASE("fold: a row that does not have the table's new key is left out and counted") {
  FoldScript script;
  const Schema other = table("orders", {column("new_id", ValueKind::int64, true)});
  script.apply(loaded(orders(), {one, text("a"), Null{}}));
  script.apply(schema_change(other));
  CHECK(rows_of(script.fold).empty());
  REQUIRE(script.fold.contradictions().count == 1);
  CHECK(script.fold.contradictions().first[0].what == Contradiction::key_not_known);
}

TEST_CASE("fold: a table can lose its key and get one") {
  FoldScript script;
  const Schema keyless =
      table("orders", {column("id", ValueKind::int64), column("note", ValueKind::text)});
  script.apply(loaded(orders(), {one, text("a"), Null{}}));
  script.apply(added(keyless, {one, text("a")}));
  script.apply(removed_row(keyless, {one, text("a")}));
  CHECK(rows_of(script.fold) == Lines{"1|a"});
  script.apply(schema_change(orders()));
  script.apply(updated(orders(), {one, not_sent, price("3")}));
  CHECK(rows_of(script.fold) == Lines{"1|a|3"});
}

TEST_CASE("fold: without a key a row from before an added column is found by what is known of it") {
  FoldScript script;
  Schema wider = log_lines();
  wider.columns.push_back(column("c", ValueKind::int64));
  script.apply(loaded(log_lines(), {one, text("a")}));
  script.apply(loaded(log_lines(), {two, text("b")}));
  script.apply(removed_row(wider, {one, text("a"), three}));
  CHECK(rows_of(script.fold) == Lines{"2|b|(unchanged)"});
  CHECK(script.fold.contradictions().count == 0);
}

TEST_CASE("fold: an event that was stored undecoded ends what is known") {
  FoldScript script;
  Change undecoded = truncated();
  undecoded.type = EventType::undecoded;
  undecoded.schema = orders();
  const auto applied = script.try_apply(undecoded);
  REQUIRE(!applied);
  CHECK(applied.error().code == Code::unsupported);
  CHECK(applied.error().what.find("event 0 of shop.public.orders") == 0);
}

TEST_CASE("fold: a row cut short is corrupt") {
  FoldScript script;
  Change change = updated(orders(), {one, not_sent, Null{}});
  change.body->pop_back();
  CHECK(script.try_apply(change).error().code == Code::corrupt);
}

}  // namespace tidelog::testing
