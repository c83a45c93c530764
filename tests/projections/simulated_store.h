// SimulatedStore: a random life of a store on a FaultyDisk, one call after the other: sources and
// applications append, large transactions are staged, adopted and given up, readers read, segments
// are sealed, indexed, packed, compacted and cut, streams truncated and ended, rows erased, backups
// and snapshots made; appends and ends come in the middle of maintenance as well. All of it follows
// from one seed. SimulatedHistory is told before each call, so at every disk call it says what a
// crash may leave.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/schema.h"
#include "eventstore/event_store.h"
#include "eventstore/packing.h"
#include "eventstore/retention.h"
#include "eventstore/store_reader.h"
#include "tests/projections/simulated_history.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {

class SimulatedStore {
 public:
  SimulatedStore(std::uint64_t seed, FaultyDisk& disk);

  // The next operation; the first opens the store. The disk is sound, so an error is a fault of the
  // store.
  Status step();
  const std::string& doing() const { return doing_; }  // for whoever is told of an error
  const SimulatedHistory& history() const { return history_; }
  UnixMicros now() { return clock_.now(); }

 private:
  // What the database holds, as far as its next changes need it.
  struct Table {
    std::string source, stream;
    int version = 1;
    std::map<std::int64_t, std::size_t> lives;  // of the rows, by key
  };
  // An event and what a builder needs beside.
  struct Row {
    IssuedEvent event;
    SchemaId schema;
  };
  using Announced = std::set<SchemaId>;

  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::string secret();
  std::string some_text();
  std::string next_position();

  Status open();
  Status append_rows();
  Status append_position();
  Status append_request();
  Status repeat_request();
  Status stage();
  Status adopt();
  Status give_up_staged();
  Status read_on();
  Status read_all();
  Status seal();
  Status make_indexes();
  Status retain();
  Status erase();
  Status pack();
  Status back_up();
  Status snapshot();
  Status save_aggregate();
  Status change_stream();

  // Changes of rows.
  void announce(Table& table, Announced& announced, std::vector<Row>& rows);
  void change(Table& table, std::vector<Row>& rows);
  Row row_event(const Table& table, EventType type, std::int64_t id, std::size_t life);
  void give_values(Row& row, bool whole);
  std::int64_t free_id(const Table& table);
  static void number(std::vector<Row>& rows, std::size_t begin, const std::string& transaction,
                     UnixMicros now);

  std::string some_stream();
  StreamAppend some_part(const std::string& stream);
  Status ask(AppendRequest request);
  StreamRequest some_change(const std::string& stream, StreamLife life);
  void issue_change(const StreamRequest& request);
  Status ask(const StreamRequest& request, StreamLife life);
  Status check_aggregates_of_ended(const SimulatedHistory::Lives& lives);
  Status in_between(const std::string& but_for_stream);
  std::function<void()> sometimes_in_between(Status& status, std::string but_for_stream);
  Status settle();
  Result<Position> base_of(const std::string& stream);

  std::mt19937_64 random_;
  FaultyDisk& disk_;
  FakeClock clock_;
  SimulatedHistory history_;
  std::string doing_;
  std::vector<Table> tables_;
  SimulatedHistory::Rules rules_;
  std::size_t last_life_ = 0;
  std::int64_t next_staged_id_ = 1000;
  std::uint64_t appends_ = 0;
  std::uint64_t visits_ = 0;  // streams that were ended for ever

  std::unique_ptr<EventStore> store_;
  RetentionMemory memory_;
  PackingMemory packed_;
  std::optional<AppendRequest> last_request_;
  Position last_first_;
  std::unique_ptr<StoreReader> follower_;
  std::uint64_t follower_next_ = 0;
  struct Staged {
    std::size_t table = 0;
    std::unique_ptr<StagingWriter> writer;
    std::vector<Row> rows;
    Announced announced;
  };
  std::optional<Staged> staged_;
};

}  // namespace tidelog::testing
