#include "projections/key_state.h"

#include <random>
#include <set>

#include "projections/row_shape.h"
#include "tests/projections/hostile_history.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

const std::string stream = "shop.public.orders";

std::string line_of(const std::optional<KeyedRow>& row, KeyState& state, const Schema& shape) {
  if (!row) return "none";
  std::string bytes;
  must(put_reshaped(bytes, {row->row, must(state.schema(row->schema))}, shape));
  return shown(bytes, shape) + " at " + std::to_string(row->position.value) + " " +
         std::to_string(row->revision.value);
}

std::string line_of(const std::optional<TableRow>& row) {
  if (!row) return "none";
  return shown(row->row, *row->schema) + " at " + std::to_string(row->position.value) + " " +
         std::to_string(row->revision.value);
}

void make(StoreScript& script, Position end) {
  const auto lock = must(StateDirectory(script.disk, "store").lock("a test"));
  must(make_snapshot(*script.reader(), {stream, end, 2000}, nullptr, {}));
}

}  // namespace

TEST_CASE("key state: each key at every position of a hostile history is what the fold has there") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  std::mt19937 random(seed);
  StoreScript script;
  HostileTable orders(stream, seed, true);
  std::vector<Position> ends;
  for (int i = 0; i < 60; ++i) {
    const std::vector<Change> changes = orders.transaction();
    if (!changes.empty()) ends.push_back(script.commit(changes));
  }
  for (const Position end : ends) {
    if (random() % 12 == 0) make(script, end);
  }
  auto state = must(KeyState::open(script.disk, "store", stream, nullptr));
  const auto reader = script.reader();
  std::set<std::string> keys;
  while (const Event* event = must(reader->next())) {
    if (event->key) keys.insert(std::string(*event->key));
  }
  // At any event, not only between transactions.
  for (std::uint64_t position = 0; position <= ends.back().value; position += 1 + random() % 4) {
    CAPTURE(position);
    const auto plain = script.reader();
    const auto fold = plain_fold(*plain, stream, Position{position});
    const Schema* schema = must(state->schema_at(Position{position}));
    CHECK((schema == nullptr) == (fold->schema() == nullptr));
    if (schema == nullptr) continue;
    CHECK(*schema == *fold->schema());
    for (const std::string& key : keys) {
      if (random() % 4 != 0) continue;
      const auto row = state->row_at(key, Position{position});
      if (!schema->has_key()) {
        REQUIRE(!row);
        CHECK(row.error().code == Code::misconfigured);
        continue;
      }
      CHECK(line_of(must(row), *state, *schema) == line_of(must(fold->find(key))));
    }
  }
}

TEST_CASE("key state: a row that changed its key a thousand times, never sent whole, is whole") {
  StoreScript script;
  const Value note = Text{"kept"};
  std::vector<Change> changes = {added(orders(), {std::int64_t{0}, note, Decimal{"1.5"}})};
  for (std::int64_t i = 0; i < 1000; ++i) {
    const Value from = i % 7;
    const Value to = (i + 1) % 7;
    changes.push_back(moved_away(orders(), {from}));
    changes.push_back(moved_here(orders(), {from}, {to, Unchanged{}, Unchanged{}}));
  }
  const Position end = script.commit(changes);
  auto state = must(KeyState::open(script.disk, "store", stream, nullptr));
  const auto row = must(state->row_at(stored({std::int64_t{1000 % 7}}), end));
  REQUIRE(row);
  CHECK(shown(row->row, orders()) == "6|kept|1.5");
}

}  // namespace tidelog::testing
