// TableLoad: the load of one table beside the stream, from its first step or from where an earlier
// program ended, on a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "core/load_step.h"
#include "core/table_reader.h"
#include "eventstore/event_store.h"
#include "ingest/reconciler.h"

namespace tidelog {

// What an operator sees of it.
struct LoadProgress {
  enum class State : std::uint8_t { waiting, loading, ended, failed, cancelled };
  State state = State::waiting;
  std::uint64_t number = 0;  // of the load, in its table
  std::string table;
  std::string where;
  std::uint64_t rows = 0;
  std::uint64_t rows_estimated = 0;
  std::string problem;  // what it waits for, or why it failed
};
std::string_view name_of(LoadProgress::State state);

// run() on one thread, progress() on any. Everything given must outlive it.
class TableLoad {
 public:
  // `last` is the last step that is in the store, or the first one, which is not.
  TableLoad(EventStore& store, Reconciler& reconciler, TableReaders& readers,
            const std::string& source, LoadStep last, bool has_begun);

  // Until it has ended, which includes that it failed, in which case the error is a step, too.
  // Anything else is an error: Code::cancelled on `stop`, or what action_for retries.
  Status run(const std::stop_token& stop);
  // The next run ends it for good. For the thread of run().
  Status cancel(const std::stop_token& stop);
  LoadProgress progress() const;
  void set_state(LoadProgress::State state, std::string problem);

 private:
  class Building;
  using StoredKey = TableReader::StoredKey;
  Status load(const std::stop_token& stop);
  Status open(const std::stop_token& stop);
  Status load_rows(const std::stop_token& stop);
  Status complete_rows(const std::stop_token& stop);
  Result<Position> find_begin();
  struct Incomplete {
    std::map<std::string, SchemaId, std::less<>> keys;
    std::map<SchemaId, Schema> schemas;
  };
  Result<Incomplete> find_incomplete(Position& from, const Incomplete* before);
  Status load_keys(const std::vector<StoredKey>& keys, const std::stop_token& stop);
  Result<Reconciler::Outcome> place_chunk(LoadPart& part, const std::stop_token& stop);
  Status place_step(LoadStep step, const std::stop_token& stop);
  void begin_chunk(LoadPart& part) const;

  EventStore& store_;
  Reconciler& reconciler_;
  TableReaders& readers_;
  const StreamId stream_;
  const std::string stream_name_;
  LoadStep last_;
  bool has_begun_;
  std::unique_ptr<TableReader> reader_;
  std::uint64_t rows_max_ = 0;  // of the next chunk

  mutable std::mutex mutex_;
  LoadProgress progress_;  // guarded by mutex_
};

}  // namespace tidelog
