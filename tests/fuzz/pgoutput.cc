// What a Postgres server sends: frames of the replication stream, and pgoutput's messages in them.
#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/xlogdata.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::postgres;

TIDELOG_FUZZ_TARGET(pgoutput) {
  static_cast<void>(read_frame(input));
  if (input.empty()) return;
  const ByteReader in(input.substr(1));
  RowChange change;
  static_cast<void>(read_begin(in));
  static_cast<void>(read_commit(in));
  static_cast<void>(postgres::read_origin(in));
  static_cast<void>(read_relation(in));
  static_cast<void>(read_type(in));
  static_cast<void>(read_insert(in, change));
  static_cast<void>(read_update(in, change));
  static_cast<void>(read_delete(in, change));
  static_cast<void>(read_truncate(in));
  static_cast<void>(read_message(in));
  static_cast<void>(read_stream_start(in));
  static_cast<void>(read_stream_stop(in));
  static_cast<void>(read_stream_commit(in));
  static_cast<void>(read_stream_abort(in));
  static_cast<void>(read_begin_prepare(in));
  static_cast<void>(read_prepare(in));
  static_cast<void>(read_commit_prepared(in));
  static_cast<void>(read_rollback_prepared(in));
  static_cast<void>(relations_of(input));
  static_cast<void>(strip_xid(input));
}
