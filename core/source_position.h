// Source positions: where in its own log a database was. To the store they are opaque bytes; this
// file is the one that knows them, so that the pipeline in between does not care which database it
// has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// The first byte of every stored source position.
enum class SourcePositionKind : std::uint8_t { postgres_lsn = 1, postgres_resume = 2 };

// Where a Postgres source goes on: stored with every batch, confirmed to the server once durable.
struct PostgresResume {
  enum class Phase : std::uint8_t {
    beginning = 1,  // our slot may exist but nothing was stored of it: drop it, and make it anew
    streaming = 2,  // everything up to end_lsn is stored
  };
  Phase phase = Phase::beginning;
  std::uint64_t system_id = 0;  // IDENTIFY_SYSTEM: which server this is
  std::uint32_t timeline = 0;
  Lsn end_lsn;  // the last stored commit's end: START_REPLICATION from here
  std::string slot;
  // Prepared transactions that are kept and have not ended: their ids (core/held_transaction.h).
  std::vector<std::uint64_t> kept = {};
  Lsn consistent = {};      // where our slot began: no confirmed position of it is before that
  bool is_standby = false;  // whether the server that was read last is one
  bool operator==(const PostgresResume&) const = default;
};

// kind 2 | u8 phase | be64 system id | be32 timeline | be64 end lsn | slot name, which has no zero
// | [u8 0 | be64 consistent | u8 standby: 0 or 1 | (be64 id of a kept transaction)*], which is
// there when it says anything
std::string encode(const PostgresResume& resume);
Result<PostgresResume> read_postgres_resume(std::string_view bytes);

// kind 1 | be64 lsn: a transaction's commit record, or a message's own record.
std::string encode(Lsn lsn);
Result<Lsn> read_postgres_lsn(std::string_view bytes);

// "16/B374D848", as Postgres prints it.
std::string print_lsn(Lsn lsn);
Result<Lsn> parse_lsn(std::string_view text);

// For people: "lsn 0/16B3748", or "beginning", or the bytes in hexadecimal when the kind is
// unknown.
std::string print_source_position(std::string_view bytes);

}  // namespace tidelog
