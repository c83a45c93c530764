// The messages of pgoutput, protocol version 1 (Postgres manual, "Logical Replication Message
// Formats"). Pure functions from bytes to structs, one per message, called by the change decoder.
// Numbers are big-endian, strings end with a zero byte. Each reader takes the bytes after the
// message's letter and gives Code::corrupt for anything that is short, has bytes too many, or holds
// a flag that the manual does not know.
#pragma once

#include <cstdint>
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

struct LogicalMessage {
  bool transactional = false;
  Lsn lsn;  // the end of the message's own record, as pg_logical_emit_message() returns it
  std::string_view prefix;
  std::string_view content;
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

// What a letter that version 1 does not have stands for, "stream start"; empty when the manual has
// no such letter.
std::string_view name_of_later_message(char letter);

// Microseconds since 2000-01-01, the server's epoch, in ours.
UnixMicros from_postgres_time(std::int64_t micros);
std::int64_t to_postgres_time(UnixMicros time);

}  // namespace tidelog::postgres
