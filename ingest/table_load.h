// TableLoad: the load of one table beside the stream, from its first step or from where an earlier
// program ended. A large table is divided into parts, so that several threads can work on it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/load_step.h"
#include "core/table_reader.h"
#include "eventstore/event_store.h"
#include "ingest/load_state.h"
#include "ingest/reconciler.h"

namespace tidelog {

// What an operator sees of it.
struct LoadProgress {
  enum class State : std::uint8_t { waiting, loading, ended, failed, cancelled };
  State state = State::waiting;
  std::uint64_t number = 0;  // of the load, in its table
  std::string table;
  std::string where;
  bool is_asked_for = false;  // by somebody who waits for it
  std::uint64_t rows = 0;
  std::uint64_t rows_estimated = 0;
  std::string problem;  // what it waits for, or why it failed
};
std::string_view name_of(LoadProgress::State state);

struct TableLoadLimits {
  // A chunk is held in memory, and delays the stream's transactions while it is written.
  std::uint64_t chunk_bytes = 4 << 20;
  std::uint64_t first_rows = 5'000;  // of the first chunk at most, when little is known yet
  // A larger table is divided, so that several readers can work on it.
  std::uint64_t part_bytes = 16 * chunk_bytes;
  std::uint64_t parts_max = 256;
};

// run() on one thread, help() on others beside it, the rest on any. Everything given must outlive
// it.
class TableLoad {
 public:
  // `state`: what is in the store; or, if it has not begun, only its first step, which is not.
  // `on_divided` is called once help is wanted.
  TableLoad(EventStore& store, Reconciler& reconciler, TableReaders& readers,
            const std::string& source, LoadState state, bool has_begun,
            const TableLoadLimits& limits, std::function<void()> on_divided);

  // Until it has ended, which includes that it failed, in which case the error is a step, too.
  // Anything else is an error: Code::cancelled on `stop`, or what action_for retries.
  Status run(const std::stop_token& stop);
  // The next run ends it for good. For the thread of run().
  Status cancel(const std::stop_token& stop);
  bool wants_help() const;
  // Loads parts of the table until none is left. What goes wrong is left to run().
  void help(const std::stop_token& stop);
  LoadProgress progress() const;
  // Whether rows of it are in the store.
  bool has_chunks() const;
  // Before it has begun. `forgets`: the rows that are known go as it begins.
  void set_asked_for(bool forgets);
  void set_state(LoadProgress::State state, std::string problem);

 private:
  class Building;
  class Reading;
  struct Helping;
  using StoredKey = TableReader::StoredKey;
  Status load(const std::stop_token& stop);
  Status divide(Reading& reading, const std::stop_token& stop);
  Status load_all_parts(Reading& reading, const std::stop_token& stop);
  Status load_free_parts(Reading& reading, const std::stop_token& stop);
  Status load_part(std::size_t number, Reading& reading, const std::stop_token& stop);
  std::optional<std::size_t> take_part();
  void give_back(std::size_t part);
  void end_help();
  Status complete_rows(Reading& reading, const std::stop_token& stop);
  Result<Position> find_begin();
  struct Incomplete {
    std::map<std::string, SchemaId, std::less<>> keys;
    std::map<SchemaId, Schema> schemas;
  };
  Result<Incomplete> find_incomplete(Position& from, const Incomplete* before);
  Status load_keys(std::span<const StoredKey> keys, Reading& reading, const std::stop_token& stop);
  void begin_chunk(LoadPart& part, std::size_t number, const Reading& reading);
  Result<Reconciler::Outcome> place_chunk(LoadPart& part, Reading& reading,
                                          const std::stop_token& stop);
  Status place_step(const LoadStep& step, const std::stop_token& stop, bool forgets);
  void note_chunk(const LoadPart& placed);
  void wait_to_read_again(Reading& reading, const std::stop_token& stop);

  EventStore& store_;
  Reconciler& reconciler_;
  TableReaders& readers_;
  const std::string source_;
  const StreamId stream_;
  const std::string stream_name_;
  const TableLoadLimits limits_;
  const std::function<void()> on_divided_;
  bool has_begun_;
  bool forgets_ = false;  // set before a thread works on it

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  LoadState state_;
  std::vector<bool> taken_;  // parts that a thread works on
  std::size_t helpers_ = 0;
  bool wants_help_ = false;
  std::stop_source help_stop_;
  LoadProgress progress_;
};

}  // namespace tidelog
