// The messages of pgoutput, protocol versions 1 to 4 (Postgres manual, "Logical Replication Message
// Formats"). Pure functions from bytes to structs, one per message, called by the change decoder
// and the assembly of transactions. Numbers are big-endian, strings end with a zero byte. Each
// reader takes the bytes after the message's letter and gives Code::corrupt for anything that is
// short, has bytes too many, or holds a flag that the manual does not know. Between the start and
// the stop of a streamed piece, relations, types, rows, truncates and messages have a u32 xid
// behind their letter, which is not theirs to read: see strip_xid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog::postgres {

struct Begin {
  Lsn commit_lsn;  // of the commit record that ends this transaction
  UnixMicros commit_time;
  std::uint32_t xid = 0;
};

struct Commit {
  Lsn commit_lsn;
  Lsn end_lsn;  // behind the commit record: where the next transaction's may begin
  UnixMicros commit_time;
};

struct Origin {
  Lsn commit_lsn;  // on the server that the transaction came from
  std::string_view name;
};

struct RelationColumn {
  bool key = false;  // part of the replica identity
  std::string name;
  std::uint32_t type = 0;
  std::int32_t type_modifier = -1;
};

struct Relation {
  std::uint32_t oid = 0;
  std::string schema;
  std::string table;
  ReplicaIdentity identity = ReplicaIdentity::primary_key;
  std::vector<RelationColumn> columns;
};

struct Type {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
};

struct TupleColumn {
  enum class State : std::uint8_t { null, unchanged, text, binary };
  State state = State::null;
  std::string_view bytes;  // of text and binary; borrowed from the message
};
using Tuple = std::vector<TupleColumn>;

enum class OldRow : std::uint8_t { none, key, full };

// An insert, update or delete. Reused from message to message, so that a row costs no allocation.
struct RowChange {
  std::uint32_t relation = 0;
  OldRow old_kind = OldRow::none;
  Tuple old_row;
  Tuple new_row;
};

struct Truncate {
  std::vector<std::uint32_t> relations;
  bool cascade = false;
  bool restart_identity = false;
};

// A heartbeat is a message of no transaction with just this.
inline constexpr std::string_view heartbeat_prefix = "tidelog";
inline constexpr std::string_view heartbeat_content = "heartbeat";

struct LogicalMessage {
  bool transactional = false;
  Lsn lsn;  // the end of the message's own record, as pg_logical_emit_message() returns it
  std::string_view prefix;
  std::string_view content;
};

// What follows until the stop is a piece of a transaction in progress.
struct StreamStart {
  std::uint32_t xid = 0;
  bool first = false;  // the transaction's first piece
};

struct StreamCommit {
  std::uint32_t xid = 0;
  Commit commit;
};

// The sub-transaction was rolled back; or the whole one, when it is itself.
struct StreamAbort {
  std::uint32_t xid = 0;
  std::uint32_t sub_xid = 0;
  std::optional<Lsn> lsn;  // of the abort; of a parallel stream alone
};

// Prepared for a two-phase commit: begun, done, done after it was streamed.
struct Prepare {
  Lsn prepare_lsn;
  Lsn end_lsn;
  UnixMicros time;
  std::uint32_t xid = 0;
  std::string gid;
};

struct CommitPrepared {
  Commit commit;
  std::uint32_t xid = 0;
  std::string gid;
};

struct RollbackPrepared {
  Lsn prepare_end_lsn;
  Lsn end_lsn;  // behind the record of the rollback
  std::uint32_t xid = 0;
  std::string gid;
};

Result<Begin> read_begin(ByteReader in);
Result<Commit> read_commit(ByteReader in);
Result<Origin> read_origin(ByteReader in);
Result<Relation> read_relation(ByteReader in);
Result<Type> read_type(ByteReader in);
Status read_insert(ByteReader in, RowChange& change);
Status read_update(ByteReader in, RowChange& change);
Status read_delete(ByteReader in, RowChange& change);
Result<Truncate> read_truncate(ByteReader in);
Result<LogicalMessage> read_message(ByteReader in);
Result<StreamStart> read_stream_start(ByteReader in);
Status read_stream_stop(ByteReader in);
Result<StreamCommit> read_stream_commit(ByteReader in);
Result<StreamAbort> read_stream_abort(ByteReader in);
Result<Prepare> read_begin_prepare(ByteReader in);
Result<Prepare> read_prepare(ByteReader in);  // also of a stream
Result<CommitPrepared> read_commit_prepared(ByteReader in);
Result<RollbackPrepared> read_rollback_prepared(ByteReader in);

// A message of a streamed piece, taken apart: the sub-transaction that it belongs to, and the
// message as it would be without a stream.
struct StreamedMessage {
  std::uint32_t xid = 0;
  std::string_view letter;  // these two, one after the other, are the message
  std::string_view rest;
  bool operator==(const StreamedMessage&) const = default;
};
Result<StreamedMessage> strip_xid(std::string_view message);

// The relations that a row or truncate message (with its letter) is about; of any other message
// none.
Result<std::vector<std::uint32_t>> relations_of(std::string_view message);

// Microseconds since 2000-01-01, the server's epoch, in ours.
UnixMicros from_postgres_time(std::int64_t micros);
std::int64_t to_postgres_time(UnixMicros time);

}  // namespace tidelog::postgres
