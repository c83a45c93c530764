#include "connectors/postgres/pgoutput.h"

namespace tidelog::postgres {

namespace {

constexpr std::int64_t postgres_epoch_micros = 946'684'800'000'000;  // 2000-01-01 in Unix time

// Wraps around instead of overflowing: the number is the network's.
std::int64_t add_wrapping(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

UnixMicros read_time(ByteReader& in) { return from_postgres_time(in.be<std::int64_t>()); }

Lsn read_lsn(ByteReader& in) { return Lsn{in.be<std::uint64_t>()}; }

// A byte of flags, of which only those in `known` may be set.
std::uint8_t read_flags(ByteReader& in, std::uint8_t known) {
  const auto flags = in.be<std::uint8_t>();
  if ((flags & ~known) != 0) in.fail();
  return flags;
}

void expect(ByteReader& in, char letter) {
  if (in.be<char>() != letter) in.fail();
}

// pgoutput leaves the schema empty when it is pg_catalog.
std::string read_schema_name(ByteReader& in) {
  const std::string_view name = in.cstr();
  return std::string(name.empty() ? "pg_catalog" : name);
}

ReplicaIdentity read_identity(ByteReader& in) {
  const char letter = in.be<char>();
  if (letter == 'd') return ReplicaIdentity::primary_key;
  if (letter == 'i') return ReplicaIdentity::index;
  if (letter == 'f') return ReplicaIdentity::full;
  if (letter != 'n') in.fail();
  return ReplicaIdentity::nothing;
}

// u8 flags (1: key) | cstr name | u32 type oid | i32 type modifier
constexpr std::size_t column_bytes_min = 10;
RelationColumn read_column(ByteReader& in) {
  RelationColumn column;
  column.key = read_flags(in, 1) != 0;
  column.name = in.cstr();
  column.type = in.be<std::uint32_t>();
  column.type_modifier = in.be<std::int32_t>();
  return column;
}

// u32 length | bytes
std::string_view read_value_bytes(ByteReader& in) { return in.bytes(in.be<std::uint32_t>()); }

// u8 state: 'n' null, 'u' unchanged, 't' text, 'b' binary; the last two with a value
TupleColumn read_tuple_column(ByteReader& in) {
  const char state = in.be<char>();
  if (state == 't') return {TupleColumn::State::text, read_value_bytes(in)};
  if (state == 'n') return {TupleColumn::State::null, {}};
  if (state == 'u') return {TupleColumn::State::unchanged, {}};
  if (state == 'b') return {TupleColumn::State::binary, read_value_bytes(in)};
  in.fail();
  return {};
}

// u16 n | n * column
void read_tuple(ByteReader& in, Tuple& tuple) {
  tuple.resize(in.count<std::uint16_t>(1));
  for (TupleColumn& column : tuple) column = read_tuple_column(in);
}

// 'K' tuple of the key | 'O' tuple of the whole old row
OldRow read_old_row(ByteReader& in, char letter, Tuple& tuple) {
  if (letter != 'K' && letter != 'O') in.fail();
  read_tuple(in, tuple);
  return letter == 'K' ? OldRow::key : OldRow::full;
}

Commit read_commit_rest(ByteReader& in) {
  Commit commit;
  read_flags(in, 0);
  commit.commit_lsn = read_lsn(in);
  commit.end_lsn = read_lsn(in);
  commit.commit_time = read_time(in);
  return commit;
}

Prepare read_prepare_rest(ByteReader& in) {
  Prepare prepare;
  prepare.prepare_lsn = read_lsn(in);
  prepare.end_lsn = read_lsn(in);
  prepare.time = read_time(in);
  prepare.xid = in.be<std::uint32_t>();
  prepare.gid = in.cstr();
  return prepare;
}

}  // namespace

UnixMicros from_postgres_time(std::int64_t micros) {
  return {add_wrapping(micros, postgres_epoch_micros)};
}

std::int64_t to_postgres_time(UnixMicros time) {
  return add_wrapping(time.value, -postgres_epoch_micros);
}

// 'B' | u64 commit lsn | i64 commit time | u32 xid
Result<Begin> read_begin(ByteReader in) {
  Begin begin;
  begin.commit_lsn = read_lsn(in);
  begin.commit_time = read_time(in);
  begin.xid = in.be<std::uint32_t>();
  return in.finish(begin, "begin");
}

// 'C' | u8 flags (none yet) | u64 commit lsn | u64 end lsn | i64 commit time
Result<Commit> read_commit(ByteReader in) { return in.finish(read_commit_rest(in), "commit"); }

// 'O' | u64 commit lsn on the origin | cstr name
Result<Origin> read_origin(ByteReader in) {
  Origin origin;
  origin.commit_lsn = read_lsn(in);
  origin.name = in.cstr();
  return in.finish(origin, "origin");
}

// 'R' | u32 oid | cstr schema | cstr table | u8 replica identity | u16 n | n * column
Result<Relation> read_relation(ByteReader in) {
  Relation relation;
  relation.oid = in.be<std::uint32_t>();
  relation.schema = read_schema_name(in);
  relation.table = in.cstr();
  relation.identity = read_identity(in);
  relation.columns.resize(in.count<std::uint16_t>(column_bytes_min));
  for (RelationColumn& column : relation.columns) column = read_column(in);
  return in.finish(std::move(relation), "relation");
}

// 'Y' | u32 oid | cstr schema | cstr name
Result<Type> read_type(ByteReader in) {
  Type type;
  type.oid = in.be<std::uint32_t>();
  type.schema = read_schema_name(in);
  type.name = in.cstr();
  return in.finish(std::move(type), "type");
}

// 'I' | u32 relation | 'N' | tuple
Status read_insert(ByteReader in, RowChange& change) {
  change.relation = in.be<std::uint32_t>();
  change.old_kind = OldRow::none;
  change.old_row.clear();
  expect(in, 'N');
  read_tuple(in, change.new_row);
  TRY_DO(in.finish(true, "insert"));
  return {};
}

// 'U' | u32 relation | ('K' or 'O' | tuple) or nothing | 'N' | tuple
Status read_update(ByteReader in, RowChange& change) {
  change.relation = in.be<std::uint32_t>();
  change.old_kind = OldRow::none;
  change.old_row.clear();
  const char letter = in.be<char>();
  if (letter != 'N') {
    change.old_kind = read_old_row(in, letter, change.old_row);
    expect(in, 'N');
  }
  read_tuple(in, change.new_row);
  TRY_DO(in.finish(true, "update"));
  return {};
}

// 'D' | u32 relation | 'K' or 'O' | tuple
Status read_delete(ByteReader in, RowChange& change) {
  change.relation = in.be<std::uint32_t>();
  change.new_row.clear();
  change.old_kind = read_old_row(in, in.be<char>(), change.old_row);
  TRY_DO(in.finish(true, "delete"));
  return {};
}

// 'T' | u32 n | u8 options (1: cascade, 2: restart identity) | n * u32 relation
Result<Truncate> read_truncate(ByteReader in) {
  Truncate truncate;
  const auto count = in.be<std::uint32_t>();
  const std::uint8_t options = read_flags(in, 3);
  if (in.remaining() / sizeof(std::uint32_t) < count) in.fail();
  truncate.cascade = (options & 1) != 0;
  truncate.restart_identity = (options & 2) != 0;
  truncate.relations.resize(in.failed() ? 0 : count);
  for (std::uint32_t& relation : truncate.relations) relation = in.be<std::uint32_t>();
  return in.finish(std::move(truncate), "truncate");
}

// 'M' | u8 flags (1: transactional) | u64 lsn | cstr prefix | u32 length | bytes
Result<LogicalMessage> read_message(ByteReader in) {
  LogicalMessage message;
  message.transactional = read_flags(in, 1) != 0;
  message.lsn = read_lsn(in);
  message.prefix = in.cstr();
  message.content = read_value_bytes(in);
  return in.finish(message, "message");
}

// 'S' | u32 xid | u8 first piece (1)
Result<StreamStart> read_stream_start(ByteReader in) {
  StreamStart start;
  start.xid = in.be<std::uint32_t>();
  start.first = read_flags(in, 1) != 0;
  return in.finish(start, "stream start");
}

// 'E'
Status read_stream_stop(ByteReader in) {
  TRY_DO(in.finish(true, "stream stop"));
  return {};
}

// 'c' | u32 xid | as commit
Result<StreamCommit> read_stream_commit(ByteReader in) {
  StreamCommit commit;
  commit.xid = in.be<std::uint32_t>();
  commit.commit = read_commit_rest(in);
  return in.finish(commit, "stream commit");
}

// 'A' | u32 xid | u32 xid of the sub-transaction | (u64 abort lsn | i64 abort time) or nothing
Result<StreamAbort> read_stream_abort(ByteReader in) {
  StreamAbort abort;
  abort.xid = in.be<std::uint32_t>();
  abort.sub_xid = in.be<std::uint32_t>();
  if (in.remaining() != 0) {
    abort.lsn = read_lsn(in);
    read_time(in);
  }
  return in.finish(abort, "stream abort");
}

// 'b' | u64 prepare lsn | u64 end lsn | i64 prepare time | u32 xid | cstr gid
Result<Prepare> read_begin_prepare(ByteReader in) {
  return in.finish(read_prepare_rest(in), "begin prepare");
}

// 'P' or 'p' | u8 flags (none yet) | as begin prepare
Result<Prepare> read_prepare(ByteReader in) {
  read_flags(in, 0);
  return in.finish(read_prepare_rest(in), "prepare");
}

// 'K' | as commit | u32 xid | cstr gid
Result<CommitPrepared> read_commit_prepared(ByteReader in) {
  CommitPrepared prepared;
  prepared.commit = read_commit_rest(in);
  prepared.xid = in.be<std::uint32_t>();
  prepared.gid = in.cstr();
  return in.finish(std::move(prepared), "commit prepared");
}

// 'r' | u8 flags (none yet) | u64 prepare end lsn | u64 rollback end lsn | i64 prepare time |
// i64 rollback time | u32 xid | cstr gid
Result<RollbackPrepared> read_rollback_prepared(ByteReader in) {
  RollbackPrepared rollback;
  read_flags(in, 0);
  rollback.prepare_end_lsn = read_lsn(in);
  rollback.end_lsn = read_lsn(in);
  read_time(in);
  read_time(in);
  rollback.xid = in.be<std::uint32_t>();
  rollback.gid = in.cstr();
  return in.finish(std::move(rollback), "rollback prepared");
}

// letter | u32 xid | rest
Result<StreamedMessage> strip_xid(std::string_view message) {
  ByteReader in(message);
  StreamedMessage streamed;
  streamed.letter = in.bytes(1);
  streamed.xid = in.be<std::uint32_t>();
  streamed.rest = in.rest();
  return in.finish(streamed, "a message of a stream");
}

Result<std::vector<std::uint32_t>> relations_of(std::string_view message) {
  ByteReader in(message);
  const char letter = in.be<char>();
  if (letter == 'T') {
    TRY(Truncate truncate, read_truncate(in));
    return std::move(truncate.relations);
  }
  if (letter != 'I' && letter != 'U' && letter != 'D') return std::vector<std::uint32_t>();
  const auto relation = in.be<std::uint32_t>();
  in.rest();
  return in.finish(std::vector<std::uint32_t>{relation}, "row");
}

}  // namespace tidelog::postgres
