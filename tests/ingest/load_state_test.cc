// How far loads are, as the steps in a store tell it.
#include <doctest/doctest.h>

#include <vector>

#include "core/load_step.h"
#include "eventstore/batch_builder.h"
#include "ingest/load_state.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

using Kind = LoadStep::Kind;

LoadStep step_of(Kind kind, std::uint64_t number = 1) {
  LoadStep step;
  step.kind = kind;
  step.number = number;
  step.table = "public.items";
  return step;
}

LoadStep chunk_of(std::uint64_t part, const std::string& next, std::uint64_t rows,
                  bool last = false) {
  LoadStep step = step_of(Kind::chunk);
  step.part = part;
  step.next = next;
  step.rows = rows;
  step.last = last;
  return step;
}

LoadStep division(const std::vector<std::string>& bounds) {
  LoadStep step = step_of(Kind::divided);
  step.bounds = bounds;
  return step;
}

// The state after these steps, each in a transaction of its own.
Result<LoadState> state_after(const std::vector<LoadStep>& steps) {
  FaultyDisk disk;
  FakeClock clock;
  const auto store = must(EventStore::open(disk, clock, "store", small_store()));
  for (const LoadStep& step : steps) {
    BatchBuilder batch;
    batch.begin({});
    const std::string body = encode(step);
    EventBody event;
    event.type = EventType::load_step;
    event.stream = store->stream("shop.public.items");
    event.body = body;
    batch.add(event);
    batch.commit();
    batch.set_source(store->source("shop"), "here");
    must(store->append(batch));
  }
  TRY(const auto all, read_loads(*must(store->reader()), "shop"));
  CHECK(must(read_loads(*must(store->reader()), "sho")).empty());
  return all.at("shop.public.items");
}

}  // namespace

TEST_CASE("load step: what is written is read, and no prefix of it is") {
  LoadStep step = chunk_of(3, "there", 700, true);
  step.where = "id > 3";
  step.fresh = true;
  step.chunk_rows = 20;
  step.bounds = {"a", "", "c"};
  step.reason = "because";
  const std::string bytes = encode(step);
  CHECK(must(read_load_step(bytes)) == step);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(read_load_step(std::string_view(bytes).substr(0, size)));
}

TEST_CASE("load state: each part goes on behind its own last chunk") {
  const LoadState state =
      must(state_after({step_of(Kind::begun), division({"g", "p"}), chunk_of(1, "k", 10),
                        chunk_of(0, "g", 5, true), chunk_of(1, "m", 25)}));
  CHECK_FALSE(state.has_ended());
  REQUIRE(state.parts.size() == 3);
  CHECK(state.parts[0].last);
  CHECK(state.parts[0].end == "g");
  CHECK(state.parts[1].next == "m");
  CHECK(state.parts[1].end == "p");
  CHECK(state.parts[2].next == "p");
  CHECK(state.parts[2].end.empty());
  CHECK(state.rows() == 30);
}

TEST_CASE("load state: a new load begins with nothing of the one before") {
  const LoadState state = must(state_after({step_of(Kind::begun), chunk_of(0, "k", 10),
                                            step_of(Kind::failed), step_of(Kind::begun, 2)}));
  CHECK(state.step.number == 2);
  CHECK_FALSE(state.has_ended());
  CHECK_FALSE(state.has_chunks());
}

TEST_CASE("load state: a load whose begin is no longer in the log is read from its begin again") {
  const LoadState state = must(state_after({chunk_of(0, "g", 5, true), chunk_of(1, "k", 10)}));
  CHECK_FALSE(state.has_ended());
  CHECK(state.step.number == 1);
  CHECK(state.step.table == "public.items");
  REQUIRE(state.parts.size() == 1);
  CHECK_FALSE(state.has_chunks());
  const LoadState divided = must(state_after({division({"g"}), chunk_of(0, "c", 5)}));
  CHECK(divided.step.table == "public.items");
  CHECK(divided.parts.size() == 1);
  CHECK_FALSE(divided.has_chunks());
}

TEST_CASE("load state: what was left out has ended, and chunks of no part are damage") {
  CHECK(must(state_after({step_of(Kind::left_out)})).has_ended());
  CHECK_FALSE(state_after({step_of(Kind::begun), chunk_of(1, "k", 10)}));
}

}  // namespace tidelog::testing
