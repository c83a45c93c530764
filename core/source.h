// The contract between a database and the pipeline. connectors/ implement Source and TableReaders
// (core/table_reader.h); ingest/ implements ChangeHandler and drives them. Neither knows the other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/held_transaction.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// Takes what a source decodes, in commit order. Every string_view is only borrowed for the call.
// One thread. An error from any call ends the stream; the source passes it on unchanged.
class ChangeHandler {
 public:
  virtual ~ChangeHandler() = default;
  virtual Status begin(const Transaction& transaction) = 0;
  // The stream's schema from here on: "public.orders" without the source's name. Returns the ids to
  // put into its rows. A version that differs from the last known one becomes a schema event of the
  // open transaction.
  struct Version {
    StreamId stream;
    SchemaId schema;
  };
  virtual Result<Version> schema(std::string_view table, const Schema& schema) = 0;
  virtual Status event(const EventBody& event) = 0;
  // A logical message's stream: "{source}.$source", which holds the source's own events.
  virtual Result<StreamId> source_stream() = 0;
  // A table as the newest schema of its stream says.
  struct KnownTable {
    StreamId stream;
    std::string table;  // "public.orders"
    Schema schema;
  };
  virtual std::optional<KnownTable> known_table(std::string_view table) = 0;
  virtual std::optional<KnownTable> known_table(std::uint32_t table_id) = 0;
  // All of a schema, or database, that have not ended.
  virtual std::vector<KnownTable> known_tables(std::string_view table_schema) = 0;
  // The stream of a table that is captured, whether or not anything came of it.
  virtual StreamId stream_of(std::string_view table) = 0;
  // In the open transaction: what was known of the table is over, as `reason` says: a truncate, and
  // a schema that says `ended`. A load of it ends. `ordinal` is that of what says so.
  virtual Status end_table(const KnownTable& table, std::string_view reason,
                           std::uint32_t ordinal) = 0;
  // In the open transaction: a load of the table ends, if one is open, as the table is no more.
  virtual Status end_load(std::string_view table, std::string_view reason) = 0;
  // In the open transaction: the table has rows that the stream did not bring, which are loaded.
  virtual Status begin_load(std::string_view table) = 0;
  // The transaction is whole; `resume` is where to go on after it. Accepted, not yet durable.
  virtual Status commit(std::string_view resume) = 0;
  // No transaction is open, and nothing before `resume` is missing: a position alone.
  virtual Status progress(std::string_view resume) = 0;
  // No input is waiting: make what was accepted durable.
  virtual Status idle() = 0;
  // The newest resume position that is on disk, to be confirmed to the database. Empty: none yet.
  virtual std::string durable() = 0;

  // Transactions that have not ended (core/held_transaction.h). They are forgotten with the
  // connection: a source that gets them again from the database need do nothing more.
  virtual Result<std::unique_ptr<HeldTransaction>> hold() = 0;
  // One that the database will not send again, because it is prepared and a resume position behind
  // it is going to be stored: on disk when this returns, with the source's words about it. From
  // here on, and until it has ended, every resume position lists its id.
  virtual Status keep(HeldTransaction& held, std::string_view about) = 0;
  // What was kept, by the ids in the resume position that the stream goes on from, in their order.
  // Whatever else this source kept has ended, or will be sent again, and is forgotten.
  // Code::corrupt when one is missing or damaged.
  virtual Result<std::vector<std::unique_ptr<HeldTransaction>>> kept(
      const std::vector<std::uint64_t>& ids) = 0;
  // The last call with a resume position no longer listed it: it is forgotten once that is durable.
  virtual void release(std::unique_ptr<HeldTransaction> held) = 0;
};

class TableReaders;

// What `source status` and the operator see of the server's side.
struct SourceProgress {
  std::string server_position;  // the end of the database's log, encoded
  std::uint64_t lag_bytes = 0;  // log not yet durable here
  // What the server keeps of its log for us; none: nothing is kept, or there is no such thing.
  std::optional<std::uint64_t> retained_bytes = {};
  std::string wal_status = {};  // Postgres: of the slot; empty: there is none
  // Postgres: what may be written until the slot may be lost; none: there is no such limit.
  std::optional<std::uint64_t> safe_wal_bytes = {};
};

// One database. One thread, but for the stop token.
class Source {
 public:
  virtual ~Source() = default;
  // Connects and checks that `stored` (empty: nothing stored yet) can be continued: server
  // identity, settings, rights, publication, slot. Says whether the stream goes on, or has to be
  // begun first. Errors name the statement that mends them.
  enum class Next : std::uint8_t { begin, stream };
  virtual Result<Next> prepare(std::string_view stored) = 0;
  // The position to store before begin() makes anything on the server that would be ours to drop;
  // also once prepare() has found the history lost. Empty: prepare() has not come to a server.
  virtual std::string beginning_position() const = 0;
  // Drops what an interrupted begin left on the server, and makes the database keep its log for us.
  struct Begun {
    std::string resume;               // where the stream begins
    std::vector<std::string> tables;  // "public.orders": those that it brings
  };
  virtual Result<Begun> begin() = 0;
  // Of tables that are captured, or are about to be, in their order.
  virtual Result<std::vector<Schema>> describe(const std::vector<std::string>& tables) = 0;
  // Streams everything after `stored` until `stop` (returns ok) or an error. Confirms
  // handler.durable() as it moves.
  virtual Status stream(std::string_view stored, ChangeHandler& handler, std::stop_token stop) = 0;
  // After stream() has failed at a transaction, with everything before it handed on: the position
  // that goes on behind it. Empty: it failed for another reason.
  virtual std::string behind_failure() const { return {}; }

  // After prepare() said `stream`: tables that the configuration names or takes by pattern, and of
  // which the database sends nothing yet. capture() makes it send them, from the next stream() on.
  virtual Result<std::vector<std::string>> new_tables() = 0;
  virtual Status capture(const std::vector<std::string>& tables) = 0;

  // For loads beside the stream (core/table_reader.h). Any thread.
  virtual TableReaders& table_readers() = 0;
  // Makes stream() call handler.idle() soon, also when nothing comes. Any thread.
  virtual void wake() = 0;
};

}  // namespace tidelog
