// Loads: the loads of one source that go on beside its stream: the first ones of all its tables,
// those that were asked for, and those that an earlier program left open. ingest/ingest.h has one;
// a few threads work on them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "core/schema.h"
#include "core/source.h"
#include "core/table_reader.h"
#include "eventstore/event_store.h"
#include "ingest/change_handler.h"
#include "ingest/reconciler.h"
#include "ingest/table_load.h"

namespace tidelog {

// What is done about the rows that a table has before it is captured.
struct FirstLoad {
  enum class What : std::uint8_t {
    rows,
    schema,   // only which columns there are
    nothing,  // until somebody asks for a load
  };
  What what = What::rows;
  std::string where;  // only these rows, as the database's SQL; empty: all
};

struct LoadLimits {
  std::size_t parallel = 2;  // readers at the same time, each of a table or of a part of one
  TableLoadLimits table;
  std::chrono::steady_clock::duration retry_after = std::chrono::seconds(1);
  // Of each table, of what the stream brought and no snapshot shows yet: some 100,000 rows.
  std::size_t held_bytes_max = 32 << 20;
};

// Any thread, unless a method says otherwise. Everything given must outlive it.
class Loads {
 public:
  Loads(EventStore& store, Source& source, std::string name, const LoadLimits& limits);
  ~Loads();

  // The stream begins: the loads go on with it. For the thread of the stream.
  Status start();
  // Ends the threads. What was not placed by then is read again by the next program.
  void stop();

  // A table to be loaded, again or for the first time; gives the load's number. `anew`: it begins
  // with a truncate, as the rows that are known can no longer be found. Code::conflict when it is
  // being loaded.
  Result<std::uint64_t> request(const TableToLoad& table, bool anew);
  // Tables that the source captures from here on: `store` puts what their streams go on with into
  // the store, and returns once they are captured; then they are loaded. What was known of them
  // before is forgotten, as changes in between are not. `anew`: so is an open load that has no rows
  // yet; otherwise it goes on, as a run that was killed before they were captured has left it. For
  // the thread of the stream, while nothing streams.
  struct Begin {
    std::string table;
    FirstLoad load;
    std::optional<Schema> schema;  // if only that is wanted
  };
  Status begin(const std::vector<Begin>& tables, bool anew,
               const std::function<Status(const std::vector<Beginning>&)>& store);
  // The first step of a load that begins in the stream itself, of a table that is another one from
  // there on, or known under another name; it is loaded after look_again().
  Result<LoadStep> step_anew(const std::string& table, const FirstLoad& load);
  // The step that the table's load was begun with, if it is open.
  Result<std::optional<LoadStep>> open_step(const std::string& table);
  // Which loads are open is what the store says. For the thread of the stream, while nothing
  // streams.
  void look_again();
  // What was loaded stays. Code::not_found when the table is not being loaded.
  Result<std::uint64_t> cancel(const std::string& table);
  std::vector<LoadProgress> progress() const;

  Reconciler& reconciler() { return reconciler_; }

 private:
  struct Entry {
    std::string table;
    std::shared_ptr<TableLoad> load;  // shared with those who help
    std::stop_source stop;            // of this one alone
    bool is_taken = false;            // by a thread
    bool is_cancelled = false;
    bool has_ended = false;
  };

  // A thread's next work. Nothing: it is over.
  struct Job {
    Entry* entry = nullptr;                // to be run; nobody else does
    std::shared_ptr<TableLoad> to_help{};  // instead
  };

  // With the lock.
  Status recover();
  Entry* open_of(const std::string& table);
  bool goes_on(const std::string& table, bool anew);
  void forget(const std::string& table);
  void forget_old();
  Entry& add(LoadState state, bool has_begun);
  void tell_of_help();
  Result<LoadStep> first_step(const TableToLoad& table);
  void work(const std::stop_token& stop);
  void run(Entry& entry, std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  Job take(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);

  EventStore& store_;
  Source& source_;
  const std::string name_;
  const LoadLimits limits_;
  Reconciler reconciler_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Entry> entries_;  // guarded by mutex_; the loads' own state by themselves
  std::unordered_map<std::string, std::list<Entry>::iterator> by_table_;  // guarded by mutex_
  std::size_t ended_ = 0;              // guarded by mutex_; of the entries
  bool is_recovered_ = false;          // guarded by mutex_
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace tidelog
