// SimulatedDatabase: a database as loads beside a stream meet it, for tests/ingest/load_model_test:
// transactions whose commit is logged first and seen later (or seen before it is sure to last),
// snapshots that show what can be seen, rows with a large value that an update leaves out when it
// did not change, and a log that is streamed behind all that. It knows what each table held after
// each commit of the log.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "core/table_reader.h"

namespace tidelog::testing {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

struct SimulatedRow {
  std::string small;
  std::string big;
  std::vector<std::string> more;  // columns that were added before it was last written
  bool operator==(const SimulatedRow&) const = default;
};
// By key; of a table without keys, by a number that nobody sees.
using SimulatedRows = std::map<std::int64_t, SimulatedRow>;

struct SimulatedTable {
  std::string name;  // "public.items"
  TableReader::Order order = TableReader::Order::by_key;
};

struct SimulatedOptions {
  std::vector<SimulatedTable> tables;
  std::int64_t keys = 24;      // of each table
  bool commits_early = false;  // some commits are seen before they are sure to last
  bool truncates = false;
  bool adds_columns = false;
  bool fails = false;  // connections break
  // Commits are seen as soon as they are logged, and no sooner streamed; of the last ones a
  // snapshot does not say that it shows them.
  bool is_standby = false;
};

// What the stream brings of one row, or of the table.
struct SimulatedChange {
  enum class Kind : std::uint8_t { insert, update, remove, move, truncate };
  Kind kind = Kind::insert;
  std::size_t table = 0;
  std::size_t columns_added = 0;  // the table's version
  std::int64_t key = 0;
  std::int64_t old_key = 0;  // of a move
  SimulatedRow row;          // the new one
  SimulatedRow before;       // the old one
  bool same_big = false;
};

// Any thread.
class SimulatedDatabase {
 public:
  SimulatedDatabase(SimulatedOptions options, std::uint64_t seed);

  // One step of what goes on: a transaction begins, changes rows, or comes nearer to its end.
  void step(Dice& dice);
  // Everything that is open ends, and the log is sure to last.
  void quiesce();
  // Waits for a change, but not for long.
  void rest(Dice& dice);

  // A source and its readers; the database outlives it.
  std::unique_ptr<Source> connect(std::uint64_t seed);

  const SimulatedOptions& options() const { return options_; }
  std::uint64_t log_end();
  Schema schema_of(std::size_t table, std::size_t columns_added) const;

  // For whoever checks a store, when nothing goes on: the transactions that changed rows, in the
  // order of the log, with how many events each has; the tables after each of them.
  struct Logged {
    std::string id;
    std::uint64_t events = 0;
    std::vector<SimulatedRows> after;
  };
  const std::vector<Logged>& logged() const { return logged_; }
  const std::vector<SimulatedRows>& at_start() const { return at_start_; }
  std::string trace() const;

 private:
  friend class SimulatedSource;
  friend class SimulatedReader;
  friend class SimulatedReaders;

  enum class Stage : std::uint8_t { open, logged, visible };
  struct Doing {
    std::uint64_t id = 0;
    Stage stage = Stage::open;
    bool early = false;  // its commit does not wait for the disk
    std::uint64_t commit = 0;
    std::uint64_t end = 0;
    std::vector<SimulatedChange> changes;
    std::map<std::size_t, std::set<std::int64_t>> locked;
    std::optional<std::size_t> exclusive;  // the table that it has for itself
    bool adds_column = false;
  };

  bool locked_by_other(const Doing& doing, std::size_t table, std::int64_t key) const;
  bool may_touch(const Doing& doing, std::size_t table) const;
  bool is_alone(const Doing& doing, std::size_t table) const;
  void begin(Dice& dice);
  void advance(std::size_t which, Dice& dice);
  void change(Doing& doing, Dice& dice);
  void change_table(Doing& doing, std::size_t table, Dice& dice);
  void change_row(Doing& doing, std::size_t table, Dice& dice);
  void insert(Doing& doing, std::size_t table, std::int64_t key, Dice& dice);
  void change_present(Doing& doing, std::size_t table, std::int64_t key, Dice& dice);
  void log(Doing& doing, Dice& dice);
  void show(Doing& doing);
  void abort(Doing& doing);
  static void apply(const SimulatedChange& change, std::vector<SimulatedRows>& tables);
  SimulatedRow new_row(std::size_t table, Dice& dice);
  std::string new_text(std::size_t table, Dice& dice, std::string_view what);
  std::string snapshot_text(std::size_t sure) const;
  void note(std::string what);

  const SimulatedOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t next_id_;
  std::int64_t next_hidden_key_ = 1000;
  std::uint64_t next_text_ = 1;
  std::uint64_t inserted_ = 1000;
  std::uint64_t flushed_ = 1000;
  std::vector<std::unique_ptr<Doing>> doing_;
  std::vector<SimulatedRows> seen_;         // by snapshots
  std::vector<SimulatedRows> current_;      // with what open transactions did
  std::vector<SimulatedRows> last_;         // by the log
  std::vector<std::size_t> columns_added_;  // with what open transactions did
  std::vector<std::size_t> columns_added_seen_;
  struct Streamed {
    std::string id;
    std::uint64_t commit = 0;
    std::uint64_t end = 0;
    std::vector<SimulatedChange> changes;
  };
  std::vector<Streamed> log_;
  std::vector<Logged> logged_;
  std::vector<SimulatedRows> at_start_;
  std::vector<std::string> trace_;
};

// The row as it is stored.
std::string encoded(const SimulatedRow& row, std::optional<std::int64_t> key,
                    std::size_t columns_added, bool without_big);

}  // namespace tidelog::testing
