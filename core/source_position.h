// Source positions: where in its own log a database was. To the store they are opaque bytes; this
// file is the one that knows them, so that the pipeline in between does not care which database it
// has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// The first byte of every stored source position.
enum class SourcePositionKind : std::uint8_t {
  postgres_lsn = 1,
  postgres_resume = 2,
  mysql_resume = 3,
  mysql_gtid = 4,
  mysql_place = 5,
};

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

// A place in a binlog of MySQL or MariaDB: where an event begins, or a file ends.
struct BinlogPlace {
  std::string file;
  std::uint64_t offset = 4;  // 4: of a file's first event
  bool operator==(const BinlogPlace&) const = default;
};

// Where a MySQL or MariaDB source goes on: stored with every batch.
struct MysqlResume {
  enum class Phase : std::uint8_t {
    beginning = 1,  // nothing was stored of it
    streaming = 2,  // everything that `executed` has is stored
  };
  enum class Make : std::uint8_t { mysql = 1, mariadb = 2 };
  // Of all transactions so far: a set of GTIDs as MySQL prints it, or a position of GTIDs as
  // MariaDB does.
  struct Gtids {
    std::string text;
    bool operator==(const Gtids&) const = default;
  };
  // Of a server whose transactions have no GTIDs: where the next one begins.
  struct Place {
    BinlogPlace place;
    // Seconds since 1970 when the file was begun, as its first event says; 0: not known. Another
    // file of the same name has another.
    std::uint32_t file_time = 0;
    bool operator==(const Place&) const = default;
  };

  Phase phase = Phase::beginning;
  Make make = Make::mysql;
  std::string server;        // which it is: server_uuid of MySQL, server_id of MariaDB
  std::uint64_t tables = 0;  // what the configuration captured when the stream began, as a hash
  std::variant<Gtids, Place> executed = {};
  // XA transactions that are kept and have not ended: their ids (core/held_transaction.h).
  std::vector<std::uint64_t> kept = {};
  bool operator==(const MysqlResume&) const = default;
};

// kind 3 | u8 phase | u8 make | be64 tables | sized server | be32 count, be64 id of each kept
// transaction | u8 form, and of 1, gtids: text; of 2, place: be64 offset | be32 time | file
std::string encode(const MysqlResume& resume);
Result<MysqlResume> read_mysql_resume(std::string_view bytes);

// Of a transaction: kind 4 | its GTID as the server prints it. Not empty.
std::string encode_gtid(std::string_view gtid);
Result<std::string> read_gtid(std::string_view bytes);
// Of one without: kind 5 | be64 offset | file. Where its first event begins.
std::string encode(const BinlogPlace& place);
Result<BinlogPlace> read_binlog_place(std::string_view bytes);

// "binlog.000003:1234"
std::string print_binlog_place(const BinlogPlace& place);

// For people: "lsn 0/16B3748", "gtids 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "binlog
// binlog.000003:1234", or "loading", or the bytes in hexadecimal when the kind is unknown.
std::string print_source_position(std::string_view bytes);

}  // namespace tidelog
