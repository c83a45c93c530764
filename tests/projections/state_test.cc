#include "projections/state.h"

#include "projections/history.h"
#include "tests/projections/script.h"

namespace tidelog::testing {
namespace {

const std::string stream = "shop.public.orders";
const Value one = std::int64_t{1};
const Value two = std::int64_t{2};
const Value three = std::int64_t{3};
const Value not_sent = Unchanged{};

Value text(std::string_view bytes) { return Text{bytes}; }

Lines state(StoreScript& script, Position end) {
  return rows_of(*must(state_at(*script.reader(), stream, end, nullptr)));
}

// "update 1|a|NULL" for each version of the row with that id.
Lines history(StoreScript& script, const Value& id) {
  auto reader = script.reader();
  Lines lines;
  must(history_of(*reader, stream, stored({id}), reader->durable(),
                  [&](const RowVersion& version) -> Status {
                    std::string line(name_of(version.event.type));
                    if (version.row) line += " " + shown(*version.row, *version.schema);
                    lines.push_back(line);
                    return {};
                  }));
  return lines;
}

}  // namespace

TEST_CASE("state: at each position it is what was committed before, of that stream alone") {
  StoreScript script;
  const Position inserted =
      script.commit({added(orders(), {one, text("a"), Null{}}),
                     added(log_lines(), {one, text("x")}).of("shop.public.lines")});
  const Position updated_at = script.commit({updated(orders(), {one, not_sent, Decimal{"1.5"}})});
  const Position deleted = script.commit({removed(orders(), {one})});
  CHECK(state(script, Position{0}).empty());
  CHECK(state(script, inserted) == Lines{"1|a|NULL"});
  CHECK(state(script, updated_at) == Lines{"1|a|1.5"});
  CHECK(state(script, deleted).empty());
}

TEST_CASE("state: a stream that is not there is named, with those that are") {
  StoreScript script;
  script.commit({added(orders(), {one, Null{}, Null{}})});
  const auto state = state_at(*script.reader(), "shop.public.order", Position{1}, nullptr);
  REQUIRE(!state);
  CHECK(state.error().code == Code::not_found);
  CHECK(state.error().what == "no stream shop.public.order; there are: shop.public.orders");
}

TEST_CASE("history: every version of one row, whole") {
  StoreScript script;
  script.commit(
      {loaded(orders(), {one, text("a"), Null{}}), loaded(orders(), {two, text("b"), Null{}})});
  script.commit({updated(orders(), {one, not_sent, Decimal{"1"}}),
                 updated(orders(), {two, text("c"), Null{}})});
  script.commit({removed(orders(), {one})});
  CHECK(history(script, one) == Lines{"load 1|a|NULL", "update 1|a|1", "delete"});
  CHECK(history(script, three).empty());
}

TEST_CASE("history: a row that moves is followed from both of its keys") {
  StoreScript script;
  script.commit({added(orders(), {one, text("large"), Null{}})});
  script.commit(
      {moved_away(orders(), {one}), moved_here(orders(), {one}, {two, not_sent, Decimal{"1"}})});
  script.commit(
      {moved_away(orders(), {two}), moved_here(orders(), {two}, {three, not_sent, Decimal{"2"}})});
  CHECK(history(script, one) == Lines{"insert 1|large|NULL", "delete", "insert 2|large|1"});
  CHECK(history(script, two) == Lines{"insert 2|large|1", "delete", "insert 3|large|2"});
  CHECK(history(script, three) == Lines{"insert 3|large|2"});
}

TEST_CASE("history: a truncate ends the row if it was there") {
  StoreScript script;
  script.commit({added(orders(), {one, text("a"), Null{}})});
  script.commit({truncated()});
  script.commit({truncated()});
  CHECK(history(script, one) == Lines{"insert 1|a|NULL", "truncate"});
}

TEST_CASE("history: rows without a key have none") {
  StoreScript script;
  script.commit({added(log_lines(), {one, text("a")}).of(stream)});
  auto reader = script.reader();
  const auto visited = history_of(*reader, stream, "", reader->durable(),
                                  [](const RowVersion&) { return Status{}; });
  REQUIRE(!visited);
  CHECK(visited.error().code == Code::misconfigured);
}

}  // namespace tidelog::testing
