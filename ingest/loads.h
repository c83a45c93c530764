// Loads: the loads of one source that go on beside its stream: those that were asked for, and those
// that an earlier program left open. ingest/ingest.h has one; a few threads work on them.
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
#include <vector>

#include "core/clock.h"
#include "core/source.h"
#include "core/table_reader.h"
#include "eventstore/event_store.h"
#include "ingest/reconciler.h"
#include "ingest/table_load.h"

namespace tidelog {

class IngestHandler;

struct LoadLimits {
  std::size_t parallel = 2;  // tables at the same time
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

  // A table to be loaded, again or for the first time; gives the load's number. Code::conflict when
  // it is being loaded.
  Result<std::uint64_t> request(const TableToLoad& table);
  // Tables that the source is about to capture: that they are to be loaded is on disk before
  // `capture` is called, and they are loaded once it has succeeded. For the thread of the stream,
  // while nothing streams.
  Status begin(const std::vector<std::string>& tables, IngestHandler& handler,
               const std::function<Status()>& capture);
  // What was loaded stays. Code::not_found when the table is not being loaded.
  Result<std::uint64_t> cancel(const std::string& table);
  std::vector<LoadProgress> progress() const;

  Reconciler& reconciler() { return reconciler_; }

 private:
  struct Entry {
    std::unique_ptr<TableLoad> load;
    std::stop_source stop;  // of this one alone
    bool is_taken = false;  // by a thread
    bool is_cancelled = false;
    bool has_ended = false;
  };

  // With the lock.
  Status recover();
  Result<LoadStep> begin_now(const std::string& table, IngestHandler& handler);
  bool is_open(const std::string& table) const;
  void move_to_end(const Entry& entry);
  Entry& add(LoadStep step, bool has_begun);
  Result<std::optional<LoadStep>> last_step(const std::string& stream);
  Result<LoadStep> first_step(const TableToLoad& table);
  Result<bool> is_not_known(const std::string& stream);
  void work(const std::stop_token& stop);
  Entry* take(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);

  EventStore& store_;
  Source& source_;
  const std::string name_;
  const LoadLimits limits_;
  Reconciler reconciler_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Entry> entries_;           // guarded by mutex_; the loads' own state by themselves
  bool is_recovered_ = false;          // guarded by mutex_
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace tidelog
