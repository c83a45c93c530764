#include "projections/complete_rows.h"

#include <random>

#include "tests/projections/hostile_history.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

const std::string stream = "shop.public.orders";

std::string line_of(const std::optional<TableRow>& row) {
  return row ? shown(row->row, *row->schema) : "none";
}

std::string body_of(const Event& event, const Schema& schema) {
  return event.body ? shown(*event.body, schema) : "none";
}

std::string before_of(const Event& event, const Schema& schema) {
  return event.before_kind == Before::row ? shown(event.before, schema) : "none";
}

bool is_row(const Event& event) {
  return event.type == EventType::insert || event.type == EventType::update ||
         event.type == EventType::load || event.type == EventType::remove;
}

StoreScript& write_history(StoreScript& script, std::uint32_t seed) {
  std::mt19937 random(seed);
  HostileTable orders(stream, seed, true);
  HostileTable lines("shop.public.lines", seed + 1, false);
  for (int i = 0; i < 60; ++i) {
    std::vector<Change> changes = orders.transaction();
    for (Change& change : lines.transaction()) changes.push_back(std::move(change));
    if (changes.empty()) continue;
    const Position end = script.commit(changes);
    if (random() % 15 != 0) continue;
    const auto lock = must(StateDirectory(script.disk, "store").lock("a test"));
    must(make_snapshot(*script.reader(), {stream, end, 2000}, nullptr, {}));
  }
  return script;
}

// Each event of the keyed stream, beside the fold of all before it.
void check_complete(StoreScript& script, std::uint64_t cache_bytes, Position from,
                    std::mt19937* leaves_out) {
  const auto reader = script.reader();
  const auto plain = script.reader();
  const auto fold = plain_fold(*plain, stream, from);
  plain->read_until(Position{UINT64_MAX});
  reader->only_streams({stream});
  must(reader->seek(from));
  CompleteRows complete(*reader, {cache_bytes}, nullptr);
  while (const Event* event = must(reader->next())) {
    CAPTURE(event->position.value);
    must(plain->next());  // so that the fold's reader knows the same schemas
    const bool in_window = !leaves_out || (*leaves_out)() % 4 != 0;
    Event schema_part = *event;  // so that rows are shown in the event's version
    schema_part.type = EventType::schema;
    must(fold->apply(schema_part));
    const Schema* schema = fold->schema();
    const bool keyed = is_row(*event) && schema->has_key();
    const std::string old = keyed ? line_of(must(fold->find(*event->key))) : "";
    must(fold->apply(*event));
    if (!in_window) continue;
    const Event* whole = must(complete.complete(*event));
    CHECK(whole->position == event->position);
    if (!keyed) continue;
    if (event->body) {
      CHECK(body_of(*whole, *schema) == line_of(must(fold->find(*event->key))));
    }
    const bool has_before = event->type == EventType::update || event->type == EventType::remove;
    CHECK(before_of(*whole, *schema) == (has_before ? old : "none"));
  }
}

}  // namespace

TEST_CASE("complete rows: at every position they are what the fold holds, with any cache") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  StoreScript script;
  write_history(script, seed);
  for (const std::uint64_t cache_bytes : {0, 400, 1500, 1 << 20}) {
    CAPTURE(cache_bytes);
    check_complete(script, cache_bytes, Position{0}, nullptr);
  }
}

TEST_CASE("complete rows: they do not depend on where reading begins, or on events left out") {
  const auto seed = static_cast<std::uint32_t>(test_seed());
  std::mt19937 random(seed);
  StoreScript script;
  write_history(script, seed);
  const std::uint64_t end = script.reader()->durable().value;
  for (int i = 0; i < 6; ++i) {
    const Position from = must(script.reader()->end_through(Position{random() % end}));
    CAPTURE(from.value);
    check_complete(script, random() % 2000, from, nullptr);
    check_complete(script, random() % 2000, from, &random);
  }
}

TEST_CASE(
    "complete rows: without a key the row before, which is logged whole, has what is missing") {
  StoreScript script;
  const std::string lines = "shop.public.lines";
  const Schema schema = [] {
    Schema full = log_lines();
    full.identity = ReplicaIdentity::full;
    return full;
  }();
  const Value one = std::int64_t{1};
  const Value text = Text{"x"};
  script.commit({added(schema, {one, text}).of(lines),
                 updated_from(schema, {one, text}, {std::int64_t{2}, Unchanged{}}).of(lines)});
  const auto reader = script.reader();
  CompleteRows complete(*reader, {}, nullptr);
  std::string last;
  while (const Event* event = must(reader->next())) {
    const Event* whole = must(complete.complete(*event));
    if (whole->type == EventType::update) last = shown(*whole->body, schema);
  }
  CHECK(last == "2|x");
}

}  // namespace tidelog::testing
