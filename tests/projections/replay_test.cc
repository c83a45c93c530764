#include "projections/replay.h"

#include <functional>

#include "projections/snapshots.h"
#include "projections/sqlite_target.h"
#include "tests/projections/script.h"
#include "tests/projections/sqlite_file.h"

namespace tidelog::testing {
namespace {

const Value one = std::int64_t{1};
const Value two = std::int64_t{2};

Value text(std::string_view bytes) { return Text{bytes}; }

// Records what it is told, fails at a chosen call, and keeps only what was committed, as a target
// must.
class FakeTarget : public Target {
 public:
  Result<Checkpoint> begin(const std::vector<std::string>&) override {
    accepted_ = positions;
    return checkpoint;
  }
  Status apply(const Event& event, const Schema*) override {
    if (calls_left-- == 0) return fail(Code::failed, "killed");
    accepted_.push_back(event.position.value);
    return {};
  }
  Status commit(const Checkpoint& reached) override {
    if (calls_left-- == 0) return fail(Code::failed, "killed");
    checkpoint = reached;
    positions = accepted_;
    commits.push_back(reached.next.value);
    return {};
  }

  Checkpoint checkpoint;
  std::vector<std::uint64_t> positions;  // that are durable
  std::vector<std::uint64_t> commits;
  std::uint64_t calls_left = ~std::uint64_t{0};

 private:
  std::vector<std::uint64_t> accepted_;
};

ReplayOptions up_to(Position end, std::uint64_t commit_events = 100'000) {
  ReplayOptions options;
  options.end = end;
  options.commit_events = commit_events;
  return options;
}

Result<ReplayProgress> run(StoreScript& script, Target& target, const ReplayOptions& options) {
  auto reader = script.reader();
  return replay(*reader, target, options, nullptr, {});
}

// Transactions of three events each, at 1, 4, 7 …; position 0 is the schema's.
Position fill(StoreScript& script, int transactions) {
  Position end;
  for (std::int64_t i = 0; i < transactions; ++i) {
    end = script.commit({added(orders(), {3 * i, text("a"), Null{}}),
                         added(orders(), {3 * i + 1, text("b"), Null{}}),
                         removed(orders(), {3 * i})});
  }
  return end;
}

std::vector<std::uint64_t> all_positions(std::uint64_t end) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 0; i < end; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("replay: a target that dies at any call gets every event once") {
  StoreScript script;
  const Position end = fill(script, 10);
  for (std::uint64_t call = 0;; ++call) {
    CAPTURE(call);
    FakeTarget target;
    target.calls_left = call;
    const auto first = run(script, target, up_to(end, 4));
    const bool died = !first;
    target.calls_left = ~std::uint64_t{0};
    if (died) must(run(script, target, up_to(end, 4)));
    CHECK(target.positions == all_positions(end.value));
    if (!died) break;
  }
}

TEST_CASE("replay: commits are at the ends of transactions only") {
  StoreScript script;
  const Position end = fill(script, 4);
  FakeTarget target;
  must(run(script, target, up_to(end, 1)));
  CHECK(target.commits == std::vector<std::uint64_t>{4, 7, 10, 13});
}

TEST_CASE("replay: only the streams that were asked for, and a checkpoint beyond the others") {
  StoreScript script;
  script.commit({added(log_lines(), {one, text("x")}).of("shop.public.lines")});
  const Position end = script.commit({added(orders(), {one, Null{}, Null{}})});
  FakeTarget target;
  ReplayOptions options = up_to(end);
  options.streams = {"shop.public.lines"};
  must(run(script, target, options));
  CHECK(target.positions == std::vector<std::uint64_t>{0, 1});
  CHECK(target.checkpoint.next == end);
}

TEST_CASE("replay: a stream that is not there is not found") {
  StoreScript script;
  ReplayOptions options = up_to(fill(script, 1));
  options.streams = {"shop.public.order"};
  FakeTarget target;
  CHECK(run(script, target, options).error().code == Code::not_found);
}

TEST_CASE("replay: a new target can begin later, at a whole transaction") {
  StoreScript script;
  ReplayOptions options = up_to(fill(script, 3));
  options.from = Position{5};  // in the middle of the second
  FakeTarget target;
  must(run(script, target, options));
  CHECK(target.positions == std::vector<std::uint64_t>{4, 5, 6, 7, 8, 9});
  CHECK(run(script, target, options).error().code == Code::misconfigured);
}

TEST_CASE("replay: a target that holds more than was asked for is refused") {
  StoreScript script;
  const Position end = fill(script, 3);
  FakeTarget target;
  must(run(script, target, up_to(end)));
  CHECK(run(script, target, up_to(Position{4})).error().code == Code::misconfigured);
}

TEST_CASE("replay: an end that is no transaction's end, or beyond the store's, is refused") {
  StoreScript script;
  const Position end = fill(script, 3);
  FakeTarget target;
  CHECK(run(script, target, up_to(Position{5})).error().code == Code::misconfigured);
  CHECK(run(script, target, up_to(end + std::uint64_t{1})).error().code == Code::misconfigured);
}

TEST_CASE("replay: a target of another store is refused") {
  StoreScript script;
  StoreScript other;
  const Position end = fill(script, 3);
  fill(other, 3);
  FakeTarget target;
  must(run(script, target, up_to(end)));
  CHECK(run(other, target, up_to(end)).error().code == Code::conflict);
}

TEST_CASE(
    "replay: a target that has passed the store's end, or another history of it, is refused") {
  StoreScript script;
  const Position end = fill(script, 3);
  FakeTarget target;
  must(run(script, target, up_to(end)));
  FakeTarget beyond = target;
  beyond.checkpoint.next = end + std::uint64_t{7};
  CHECK(run(script, beyond, up_to(end)).error().code == Code::conflict);
  FakeTarget diverged = target;
  diverged.checkpoint.last_event = "shop.public.orders 8 1";
  CHECK(run(script, diverged, up_to(end)).error().code == Code::conflict);
}

TEST_CASE("replay: a stop is between transactions, and what was applied is committed") {
  StoreScript script;
  const Position end = fill(script, 3);
  auto reader = script.reader();
  FakeTarget target;
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = replay(*reader, target, up_to(end), nullptr, stop.get_token());
  CHECK(stopped.error().code == Code::cancelled);
  must(run(script, target, up_to(end)));
  CHECK(target.positions == all_positions(end.value));
}

TEST_CASE("replay: progress says where it began, how far it is and what it met") {
  StoreScript script;
  fill(script, 2);
  Change gap = truncated();
  gap.type = EventType::gap;
  gap.schema = orders();
  gap.body = "why";
  const Position end = script.commit({gap});
  FakeTarget target;
  const auto progress = must(run(script, target, up_to(end)));
  CHECK(progress.start == Position{0});
  CHECK(progress.position == end);
  CHECK(progress.event_count == 8);
  CHECK(progress.gap_count == 1);
}

TEST_CASE("replay: retention that cuts what is being read stops it, and the next goes on") {
  StoreScript script;
  const Position end = fill(script, 4);
  // Keeps nothing until the store has cut the history behind the reader's back.
  class CutMeanwhile : public FakeTarget {
   public:
    explicit CutMeanwhile(std::function<void()> cut) : cut_(std::move(cut)) {}
    Status apply(const Event& event, const Schema* schema) override {
      if (event.position == Position{6}) cut_();
      return FakeTarget::apply(event, schema);
    }

   private:
    std::function<void()> cut_;
  };
  CutMeanwhile target([&] {
    const auto lock = StateDirectory(script.disk, "store").lock("a test");
    REQUIRE(lock);
    const auto made = make_base_snapshot(*script.reader(), {"shop.public.orders", end}, {});
    REQUIRE(made);
  });
  const auto cut = run(script, target, up_to(end));
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == Code::conflict);
  CHECK(target.positions.empty());
  const auto again = run(script, target, up_to(end));
  REQUIRE_MESSAGE(again, again.error().what);
  CHECK(target.checkpoint.next == end);
}

TEST_CASE("replay: a SQLite file of other streams is refused") {
  StoreScript script;
  const SqliteFile file;
  ReplayOptions options = up_to(fill(script, 1));
  auto all = must(SqliteTarget::open(file.path()));
  must(run(script, *all, options));
  all.reset();
  options.streams = {"shop.public.orders"};
  auto some = must(SqliteTarget::open(file.path()));
  CHECK(run(script, *some, options).error().code == Code::conflict);
}

}  // namespace tidelog::testing
