// Reconciler: where the rows of a load meet the stream. A load reads a table in chunks, each with a
// snapshot of its own, while the stream goes on. A chunk is put between two transactions of the
// stream, once that has brought everything that the chunk's snapshot includes. By then it has
// brought more, too: what it brought that the snapshot does not include is applied to the chunk, so
// that its rows are those of the place in the log where they stand. Nothing of the stream is
// dropped, and nothing is compared but what a snapshot includes.
//
// A table may have several readers at the same time, each of a part of it.
//
// The threads of the loads hand parts in, the stream's thread places them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/load_step.h"
#include "core/table_reader.h"
#include "eventstore/batch_builder.h"
#include "eventstore/staging.h"
#include "ingest/streamed_changes.h"

namespace tidelog {

// One of the readers of a table, as the reconciler knows it.
using ReaderId = std::uint64_t;

// A step of a load on its way into the log: in one transaction its rows, if it has any, and then
// the step itself, which is added where it is placed.
struct LoadPart {
  LoadStep step;
  StreamId stream;
  bool is_all = false;  // there is nothing else in the table: the load ends with this chunk

  // Of a chunk.
  ReaderId reader = 0;
  TableReader::Snapshot snapshot;
  std::string end;  // see TableReader::Chunk
  Schema schema;
  SchemaId schema_id;  // 0: it has no rows
  TableReader::Order order = TableReader::Order::by_key;
  BatchBuilder batch;                     // its rows, in an open transaction
  std::unique_ptr<StagingWriter> staged;  // instead, with another order
  std::vector<Correction> corrections;    // decided where it is placed
};

// Adds what was decided, and the step, to the part's transaction.
Status end_load_part(LoadPart& part);

class Reconciler {
 public:
  enum class Outcome : std::uint8_t {
    placed,
    again,   // what the stream brought meanwhile does not say enough: read the chunk again
    reopen,  // some of it was missed: open the reader again, then read again
  };

  // `wake` makes the stream's thread call between(). All must outlive it.
  // `held_bytes_max`: of one table, of what a snapshot may not show.
  Reconciler(const TableReaders& readers, SchemaOf schema_of, std::function<void()> wake,
             std::size_t held_bytes_max)
      : readers_(readers),
        schema_of_(std::move(schema_of)),
        wake_(std::move(wake)),
        held_bytes_max_(held_bytes_max) {}

  // -- the threads of the loads --

  // Begins to remember what the stream brings for this table; before a reader is opened.
  ReaderId watch(StreamId stream);
  void forget(StreamId stream, ReaderId reader);
  // The reader's newest one, of which its next chunk is read: what the newest of every reader
  // includes need not be remembered.
  void took_snapshot(StreamId stream, ReaderId reader, const TableReader::Snapshot& snapshot);
  // Waits until the part is in the store, or cannot be put there as it is. Code::cancelled on
  // `stop`.
  Result<Outcome> place(LoadPart& part, const std::stop_token& stop);

  // -- the stream's thread --

  void begin(const Transaction& transaction);
  void see(const EventBody& event) {
    if (is_watching_ && watched_here_.contains(event.stream)) remember(event);
  }
  Status commit();
  void roll_back();
  // Transactions that were handed over did not become durable: the stream will bring them again.
  void comes_again();
  // Between transactions, with everything before `resume` handed over: `put` takes each part that
  // is ready.
  bool has_work() const { return is_waited_for_.load(std::memory_order_acquire); }
  Status between(std::string_view resume, const std::function<Status(LoadPart&)>& put);

 private:
  struct Waiting {
    LoadPart* part;
    std::optional<Outcome> outcome;
  };
  struct Reader {
    std::string snapshot;     // the newest; empty: none yet
    bool must_begin = false;  // something was missed: it must be opened again
  };
  struct Watched {
    std::map<ReaderId, Reader> readers;
    std::vector<StreamedTransaction> transactions;
    std::size_t bytes = 0;
  };
  struct Open {
    StreamedTransaction transaction;
    std::size_t bytes = 0;
  };

  void remember(const EventBody& event);
  Status keep(Watched& watched, Open open);
  Result<bool> includes(const std::string& snapshot, const StreamedTransaction& transaction) const;
  Result<bool> is_shown(const Watched& watched, const StreamedTransaction& transaction) const;
  Status prune(Watched& watched);
  static void begin_anew(Watched& watched);
  Result<std::optional<Outcome>> decide(LoadPart& part, std::string_view resume);
  Result<bool> has_shape_of(const LoadPart& part, SchemaId schema) const;
  Result<Outcome> correct(LoadPart& part, const Watched& watched);
  void answer(Waiting& waiting, Outcome outcome);

  const TableReaders& readers_;
  const SchemaOf schema_of_;
  const std::function<void()> wake_;
  const std::size_t held_bytes_max_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any answered_;
  std::vector<Waiting*> waiting_;
  absl::flat_hash_map<StreamId, Watched> watched_;
  ReaderId last_reader_ = 0;
  std::atomic<bool> is_waited_for_{false};     // waiting_ is not empty
  std::atomic<bool> is_watching_anew_{false};  // watched_ has other streams than watched_here_

  // The stream's thread's.
  bool is_watching_ = false;
  absl::flat_hash_set<StreamId> watched_here_;
  std::string id_;        // of the open transaction
  std::string position_;  // and where it is
  absl::flat_hash_map<StreamId, Open> open_;
};

}  // namespace tidelog
