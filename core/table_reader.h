// Reading existing rows beside the stream: the contract between a database and the loads of
// ingest/. A table is read in chunks, each with a snapshot of its own that says which transactions
// it includes. By that, and by no comparison of places in the log (a commit is logged before it can
// be seen), ingest knows what the stream brought that a chunk does not show.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/source.h"

namespace tidelog {

// What is to be loaded.
struct TableToLoad {
  std::string table;  // "public.orders"
  std::string where;  // only these rows, as the database's SQL; empty: all
};

// One table. One thread, with a connection of its own.
class TableReader {
 public:
  // How its rows can be read.
  enum class Order : std::uint8_t {
    by_key,   // in chunks, in the order of a key that an index has
    whole,    // in one chunk; rows have keys, but no index to read them by
    keyless,  // in one chunk; rows have no keys
  };

  struct Snapshot {
    std::string transactions;  // those that it includes for sure, for TableReaders::includes
    std::string place;         // in the log, where it was taken: of the rows' events
    UnixMicros time;
  };

  // Takes a chunk. Everything is borrowed for the call.
  class Sink {
   public:
    virtual ~Sink() = default;
    // The chunk's snapshot was taken. No later one includes less.
    virtual void snapshot(const Snapshot& snapshot) = 0;
    // The table as the snapshot has it; once, before the first row.
    virtual Result<ChangeHandler::Version> schema(const Schema& schema) = 0;
    // A `load` event. False: there is room for no more, and the chunk ends here.
    virtual Result<bool> row(const EventBody& event) = 0;
  };

  struct Chunk {
    // For TableReaders::passed: behind everything in the log that the snapshot includes, also what
    // was shown before it was made sure of (a commit that does not wait for the disk).
    std::string end;
    std::string next;   // where the next chunk begins
    bool last = false;  // there is no more
  };

  virtual ~TableReader() = default;
  virtual Order order() const = 0;
  virtual std::uint64_t rows_estimated() const = 0;
  virtual std::uint64_t bytes_estimated() const = 0;
  // With the order by_key: places that divide the table into at most so many parts of about the
  // same size, in order. Nothing: it cannot be divided.
  virtual Result<std::vector<std::string>> divide(std::uint64_t parts_max) = 0;
  // At most `rows_max` rows, from the `next` of the chunk before on, up to the place `end` (empty:
  // from the first, to the last); with another order than by_key all of them.
  struct Range {
    std::string_view next;
    std::string_view end;
  };
  virtual Result<Chunk> read(const Range& range, std::uint64_t rows_max, Sink& sink) = 0;
  // The rows that have these keys now, in any order, up to where there is room for no more. A key
  // is as it is stored, with `schema`.
  struct StoredKey {
    std::string key;
    Schema schema;
  };
  virtual Result<Chunk> read_keys(std::span<const StoredKey> keys, Sink& sink) = 0;
};

// Any thread.
class TableReaders {
 public:
  virtual ~TableReaders() = default;
  // Every transaction that is open now has ended before the reader takes its first snapshot: that
  // waits for them. `stop` ends its waits with Code::cancelled. Code::misconfigured when the source
  // does not capture the table, or may not read it.
  virtual Result<std::unique_ptr<TableReader>> open(const TableToLoad& table,
                                                    std::stop_token stop) = 0;
  // Whether the snapshot shows what a transaction did, known by its id and position as the stream
  // brought them.
  struct Streamed {
    std::string_view id;
    std::string_view position;
  };
  virtual Result<bool> includes(std::string_view snapshot, const Streamed& transaction) const = 0;
  // Whether a stream that goes on at `resume` has brought everything before `place`.
  virtual Result<bool> passed(std::string_view resume, std::string_view place) const = 0;
};

}  // namespace tidelog
