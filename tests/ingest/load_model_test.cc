// Loads beside a stream against a simulated database (simulated_database.h): whatever happens
// meanwhile, the store ends up with what the database holds, and with every transaction once.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/load_step.h"
#include "ingest/ingest.h"
#include "projections/state.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/ingest/simulated_database.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using State = LoadProgress::State;

constexpr auto patience = std::chrono::seconds(30);

SimulatedOptions some_options(Dice& dice) {
  constexpr TableReader::Order orders[] = {TableReader::Order::by_key, TableReader::Order::by_key,
                                           TableReader::Order::whole, TableReader::Order::keyless};
  SimulatedOptions options;
  options.tables.push_back({"public.items", orders[dice.below(4)]});
  if (dice.one_in(3)) options.tables.push_back({"public.other", orders[dice.below(4)]});
  options.keys = 6 + static_cast<std::int64_t>(dice.below(30));
  options.commits_early = dice.one_in(3);
  options.truncates = dice.one_in(3);
  options.adds_columns = dice.one_in(3);
  options.fails = dice.one_in(2);
  options.is_standby = !options.commits_early && dice.one_in(4);
  return options;
}

// -- what the store says --

// Key (empty without one) and values; a column that was added later as it is, or "?".
std::multimap<std::string, std::string> rows_of(const TableFold& fold) {
  std::multimap<std::string, std::string> rows;
  must(fold.for_each([&](const TableRow& row) -> Status {
    const auto values = must(read_row(row.row, row.schema->columns.size()));
    std::string key;
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto& value = values[i].variant();
      if (const auto* const number = std::get_if<std::int64_t>(&value)) {
        key = std::to_string(*number);
      } else if (const auto* const known = std::get_if<Text>(&value)) {
        text += fmt::format("{}|", known->text);
      } else {
        text += "?|";
      }
    }
    rows.emplace(key, text);
    return {};
  }));
  return rows;
}

bool is_like(const std::string& found, const SimulatedRow& row, std::size_t columns_added) {
  std::string known = row.small + "|" + row.big + "|";
  for (std::size_t i = 0; i < columns_added; ++i) {
    if (i < row.more.size()) {
      known += row.more[i] + "|";
      continue;
    }
    // What the database gives old rows is not in the log.
    const std::string unknown = known + "?|";
    known += found.starts_with(unknown) ? "?|" : fmt::format("default{}|", i);
  }
  return found == known;
}

std::string print(const SimulatedRow& row) {
  return fmt::format("{}|{}|{}", row.small, row.big, fmt::join(row.more, "|"));
}

// What differs; empty: nothing.
std::string difference(const TableFold& fold, const SimulatedRows& expected, bool is_keyed) {
  const std::size_t fixed = is_keyed ? 3 : 2;
  const std::size_t columns = fold.schema() == nullptr ? 0 : fold.schema()->columns.size() - fixed;
  auto found = rows_of(fold);
  std::string all;
  for (const auto& [key, row] : expected) {
    const auto [first, last] = found.equal_range(is_keyed ? std::to_string(key) : "");
    const auto same = std::find_if(
        first, last, [&](const auto& one) { return is_like(one.second, row, columns); });
    if (same == last) {
      all += fmt::format("\n   missing {}: {}", key, print(row));
    } else {
      found.erase(same);
    }
  }
  for (const auto& [key, text] : found) all += fmt::format("\n   wrong {}: {}", key, text);
  return all;
}

// Reads the whole store, and knows at each place what it must have come to.
class StoreCheck {
 public:
  StoreCheck(const SimulatedDatabase& database, StoreReader& reader)
      : database_(database), reader_(reader) {
    for (std::size_t i = 0; i < database.options().tables.size(); ++i) {
      tables_.push_back({"shop." + database.options().tables[i].name,
                         TableFold([this](SchemaId id) { return reader_.schema(id); })});
    }
  }

  std::string run() {
    while (const Event* const event = must(reader_.next())) {
      if (event->transaction.id != transaction_) end_transaction();
      if (is_row_event(event->type) || event->type == EventType::truncate) see_change(*event);
      for (Table& table : tables_) {
        if (event->stream_name == table.stream) see_table(table, *event);
      }
    }
    end_transaction();
    if (delivered_ != database_.logged().size())
      problems_ += fmt::format("\n{} transactions of {}", delivered_, database_.logged().size());
    for (std::size_t i = 0; i < tables_.size(); ++i) see_end(i);
    return problems_;
  }

 private:
  struct Table {
    std::string stream;
    TableFold fold;
    bool has_begun = false;    // a load did
    bool was_emptied = false;  // so that every row is known
    bool has_ended = false;    // a load did
  };

  void see_change(const Event& event) {
    if (event.transaction.id.empty()) return;  // of a load
    transaction_ = event.transaction.id;
    ++events_;
  }

  void end_transaction() {
    if (transaction_.empty()) return;
    const auto& logged = database_.logged();
    if (delivered_ >= logged.size() || logged[delivered_].id != transaction_) {
      problems_ += fmt::format("\ntransaction {} is number {}", transaction_, delivered_);
    } else if (logged[delivered_].events != events_) {
      problems_ += fmt::format("\ntransaction {} has {} events of {}", transaction_, events_,
                               logged[delivered_].events);
    }
    ++delivered_;
    transaction_.clear();
    events_ = 0;
  }

  void see_table(Table& table, const Event& event) {
    if (auto applied = table.fold.apply(event); !applied) problems_ += "\n" + applied.error().what;
    if (event.type == EventType::truncate) table.was_emptied = true;
    if (event.type != EventType::load_step) return;
    const LoadStep step = must(read_load_step(*event.body));
    const auto number = static_cast<std::size_t>(&table - tables_.data());
    // One that begins anew forgets what was known.
    if (step.kind == LoadStep::Kind::begun && step.fresh)
      table.has_ended = table.was_emptied = false;
    if (step.kind == LoadStep::Kind::ended) {
      table.has_ended = true;
      check(number, table.fold, fmt::format("at the end of load {}", step.number));
    }
    table.has_begun = table.has_begun || step.kind == LoadStep::Kind::begun;
    const bool may_be_complete = table.has_ended || table.was_emptied || !table.has_begun;
    if (table.fold.loading() ? table.has_ended : !may_be_complete) {
      problems_ += fmt::format("\nat event {}: {} says that it {} complete", event.position.value,
                               table.stream, table.has_ended ? "is not" : "is");
    }
  }

  void see_end(std::size_t number) {
    Table& table = tables_[number];
    if (!table.has_ended) problems_ += "\n" + table.stream + ": no load ended";
    check(number, table.fold, "in the end");
    const auto state = must(state_at(reader_, table.stream, reader_.durable(), nullptr));
    check(number, *state, "in its state");
    if (!database_.options().commits_early && table.fold.contradictions().count != 0) {
      const auto& first = table.fold.contradictions().first.front();
      problems_ +=
          fmt::format("\n{}: {} contradictions, first at event {}: {}", table.stream,
                      table.fold.contradictions().count, first.position.value, name_of(first.what));
    }
  }

  void check(std::size_t number, const TableFold& fold, const std::string& where) {
    const auto& all =
        delivered_ == 0 ? database_.at_start() : database_.logged()[delivered_ - 1].after;
    const bool is_keyed = database_.options().tables[number].order != TableReader::Order::keyless;
    const std::string wrong = difference(fold, all[number], is_keyed);
    if (!wrong.empty())
      problems_ += fmt::format("\n{} {}, after {} transactions:{}", tables_[number].stream, where,
                               delivered_, wrong);
  }

  const SimulatedDatabase& database_;
  StoreReader& reader_;
  std::vector<Table> tables_;
  std::string transaction_;
  std::uint64_t events_ = 0;
  std::size_t delivered_ = 0;
  std::string problems_;
};

std::string print_events(StoreReader& reader) {
  std::string all;
  must(reader.seek(Position{0}));
  while (const Event* const event = must(reader.next())) {
    all += fmt::format("{} {} {} tx {}", event->position.value, event->stream_name,
                       name_of(event->type), event->transaction.id);
    if (event->type == EventType::load_step)
      all += ": " + print_load_step(must(read_load_step(*event->body)));
    if (is_row_event(event->type)) {
      all += event->moved ? " moved" : "";
      const Schema& schema = *must(reader.schema(event->schema));
      if (event->key)
        all += fmt::format(" key {}",
                           std::get<std::int64_t>(must(read_row(*event->key, 1))[0].variant()));
      if (event->body) {
        for (const Value& value : must(read_row(*event->body, schema.columns.size()))) {
          const auto* const text = std::get_if<Text>(&value.variant());
          all += fmt::format(" {}", text == nullptr ? "?" : text->text);
        }
      }
    }
    all += "\n";
  }
  return all;
}

// -- one run --

class Model {
 public:
  explicit Model(std::uint64_t seed)
      : dice_(seed), database_(some_options(dice_), seed), clock_(real_clock()) {}

  // What is wrong; empty: nothing.
  std::string run() {
    for (std::uint64_t steps = dice_.below(60); steps > 0; --steps) database_.step(dice_);
    for (std::uint64_t lives = dice_.one_in(2) ? dice_.below(4) : 0; lives > 0; --lives) {
      live(false);
      disk_ = dice_.one_in(2) ? disk_.after_kill()
                              : disk_.after_power_loss(Survives::some, dice_.below(1000));
    }
    live(true);
    const auto reader = must(StoreReader::open(disk_, "store"));
    std::string problems = problems_ + StoreCheck(database_, *reader).run();
    if (!problems.empty())
      problems += "\n" + database_.trace() + print_events(*must(StoreReader::open(disk_, "store")));
    return problems;
  }

 private:
  // One program, until it is stopped or dies; the last one until everything is there.
  void live(bool is_last) {
    StoreOptions options = small_store();
    options.segment_bytes = 1 << 16;
    auto store = must(EventStore::open(disk_, *clock_, "store", options));
    const auto source = database_.connect(dice_.below(UINT32_MAX));
    Ingest ingest(*store, *source, *clock_, ingest_options());
    std::atomic<bool> has_ended = false;
    std::jthread thread([&](const std::stop_token& stop) {
      static_cast<void>(ingest.run(stop));
      has_ended = true;
    });
    arm_disk(is_last);
    const std::uint64_t steps = dice_.below(400);
    for (std::uint64_t i = 0; i < steps && !has_ended; ++i) go_on(ingest);
    if (is_last) finish(ingest, *store);
  }

  IngestOptions ingest_options() {
    IngestOptions options;
    options.name = "shop";
    options.transaction_bytes_max = dice_.one_in(2) ? 100 : 4096;
    options.batch_bytes = dice_.one_in(2) ? 200 : 4096;
    options.progress_interval = {};
    options.retry_min = options.retry_max = std::chrono::milliseconds(1);
    options.loads.retry_after = std::chrono::milliseconds(1);
    options.loads.parallel = 1 + dice_.below(4);
    if (dice_.one_in(2)) options.loads.table.part_bytes = 1 << 20;
    options.loads.table.parts_max = 1 + dice_.below(6);
    if (dice_.one_in(2)) options.loads.table.chunk_bytes = 1 + dice_.below(60);
    if (dice_.one_in(3)) options.loads.held_bytes_max = 600 + dice_.below(2000);
    return options;
  }

  void arm_disk(bool is_last) {
    const std::uint64_t call = disk_.call_count() + dice_.below(300);
    if (!is_last && dice_.one_in(3)) {
      disk_.crash_at(call, dice_.below(600));
    } else if (dice_.one_in(3)) {
      disk_.fail_at(call, FaultyDisk::Repeat::once, Code::disk_full, dice_.below(600));
    }
  }

  void go_on(Ingest& ingest) {
    database_.step(dice_);
    if (dice_.one_in(2)) database_.rest(dice_);
    const auto& tables = database_.options().tables;
    const std::string& table = tables[dice_.below(tables.size())].name;
    // Either may be refused.
    if (dice_.one_in(40)) static_cast<void>(ingest.loads().request({table, ""}, dice_.one_in(3)));
    if (dice_.one_in(100)) static_cast<void>(ingest.loads().cancel(table));
  }

  void finish(Ingest& ingest, EventStore& store) {
    const auto end = clock_->steady() + patience;
    std::uint64_t steps = 0;
    while (!loads_ended(ingest)) {
      if (++steps < 1000) {
        database_.step(dice_);
      } else {
        database_.quiesce();
      }
      database_.rest(dice_);
      if (clock_->steady() > end) return give_up(ingest, "the loads do not end");
    }
    for (std::uint64_t more = dice_.below(30); more > 0; --more) database_.step(dice_);
    database_.quiesce();
    while (!is_whole(store)) {
      database_.rest(dice_);
      if (clock_->steady() > end) return give_up(ingest, "the stream does not end");
    }
  }

  bool loads_ended(Ingest& ingest) {
    const auto loads = ingest.loads().progress();
    for (const SimulatedTable& table : database_.options().tables) {
      const auto load = std::ranges::find(loads, table.name, &LoadProgress::table);
      if (load == loads.end() || load->state == State::cancelled)
        static_cast<void>(ingest.loads().request({table.name, ""}, false));
      if (load == loads.end() || load->state != State::ended) return false;
    }
    return true;
  }

  bool is_whole(EventStore& store) {
    const std::string stored = store.source_position("shop");
    return !stored.empty() &&
           must(read_postgres_resume(stored)).end_lsn.value >= database_.log_end();
  }

  void give_up(Ingest& ingest, const std::string& problem) {
    problems_ += "\n" + problem + "; ingest: " + std::string(name_of(ingest.progress().state)) +
                 " " + ingest.progress().problem;
    for (const LoadProgress& load : ingest.loads().progress())
      problems_ += fmt::format("\n{} {} {}", load.table, name_of(load.state), load.problem);
  }

  Dice dice_;
  SimulatedDatabase database_;
  std::unique_ptr<Clock> clock_;
  FaultyDisk disk_;
  std::string problems_;
};

std::uint64_t wanted_seeds() {
  std::uint64_t wanted = 200;
  if (const char* given = std::getenv("TIDELOG_LOAD_SEEDS"))
    std::from_chars(given, given + std::string_view(given).size(), wanted);
  return wanted;
}

}  // namespace

TEST_SUITE("threads") {
  TEST_CASE("loads: beside any stream, the store ends up with what the database holds") {
    const std::uint64_t first = test_seed();
    for (std::uint64_t seed = first; seed < first + wanted_seeds(); ++seed) {
      const std::string problems = Model(seed).run();
      INFO("TIDELOG_TEST_SEED=" << seed);
      REQUIRE_MESSAGE(problems.empty(), problems);
    }
  }
}

}  // namespace tidelog::testing
