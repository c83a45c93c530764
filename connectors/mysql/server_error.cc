#include "connectors/mysql/server_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

struct Meaning {
  unsigned number;
  Code code;
};

constexpr Meaning meanings[] = {
    {1040, Code::unavailable},    // too many connections
    {1042, Code::unavailable},    // the server cannot resolve our name
    {1043, Code::unavailable},    // bad handshake
    {1044, Code::misconfigured},  // access denied to a database
    {1045, Code::misconfigured},  // wrong user or password
    {1049, Code::misconfigured},  // unknown database
    {1053, Code::unavailable},    // shutting down
    {1054, Code::misconfigured},  // unknown column, as in a condition of a load
    {1064, Code::misconfigured},  // syntax, as above
    {1129, Code::misconfigured},  // host is blocked
    {1130, Code::misconfigured},  // host may not connect
    {1142, Code::misconfigured},  // rights
    {1143, Code::misconfigured},
    {1146, Code::misconfigured},  // no such table
    {1152, Code::unavailable},    // aborted connection
    {1203, Code::unavailable},    // too many connections of this user
    {1205, Code::unavailable},    // lock wait
    {1213, Code::unavailable},    // deadlock
    {1226, Code::unavailable},    // a user's limit
    {1227, Code::misconfigured},
    {1251, Code::misconfigured},  // authentication
    {1317, Code::unavailable},    // interrupted
    {1412, Code::unavailable},    // the table was altered since the snapshot
    {1524, Code::misconfigured},
    {1820, Code::misconfigured},  // the password has expired
    {1862, Code::misconfigured},
    {1927, Code::unavailable},  // killed
    {1969, Code::unavailable},  // MariaDB: a time limit for statements
    {2000, Code::unavailable},
    {2001, Code::unavailable},
    {2002, Code::unavailable},
    {2003, Code::unavailable},
    {2005, Code::unavailable},  // unknown host: also while a name
                                // server is away
    {2006, Code::unavailable},
    {2012, Code::unavailable},
    {2013, Code::unavailable},
    {2055, Code::unavailable},
    {2059, Code::misconfigured},  // the library has no such way to
                                  // authenticate
    {2061, Code::misconfigured},
    {3024, Code::unavailable},    // a time limit for statements
    {3118, Code::misconfigured},  // account locked
    {3159, Code::misconfigured},  // the server wants TLS
    {3955, Code::misconfigured},
    {4031, Code::unavailable},  // the server ended an idle connection
    {4052, Code::conflict},     // MariaDB: another reader came with our server id
    {4151, Code::misconfigured},
};

// The server says all that goes wrong with a dump by one number; the texts tell it apart. Of MySQL
// 5.7 to 9.x ("master" or "source", "slave" or "replica") and MariaDB.
struct Sign {
  std::string_view part;
  Code code;
};

constexpr Sign signs[] = {
    {"with the same server_uuid/server_id as this", Code::conflict},
    {"purged", Code::history_lost},
    {"has more GTIDs than the", Code::history_lost},
    {"Could not find first log file name in binary log index", Code::history_lost},
    {"could not find next log", Code::history_lost},
    {"from position > file size", Code::history_lost},
    {"from impossible position", Code::history_lost},
    {"is missing the GTID", Code::history_lost},
    {"which is not in the master's binlog", Code::history_lost},
    {"Could not find GTID state requested by", Code::history_lost},
    {"binlog truncated in the middle of event", Code::corrupt},
    {"bogus data in log event", Code::corrupt},
    {"exceeded max_allowed_packet", Code::corrupt},  // its size is none: there is no event there
    {"crc check", Code::corrupt},
    {"corrupt", Code::corrupt},
    {"Binary log is not open", Code::misconfigured},
    {"Misconfigured", Code::misconfigured},
    {"GTID_MODE", Code::misconfigured},
    {"checksum", Code::misconfigured},
};

// The library says all that goes wrong with TLS by one number, also that the connection was cut.
// What is wrong for as long as nobody changes it, by the texts of the library and of OpenSSL.
constexpr std::string_view tls_signs[] = {
    "certificate", "finger", "mismatch", "version",          "protocol", "does not support",
    "unknown ca",  "cipher", "No such",  "Permission",       "no start", "PEM",
    "key values",  "small",  "weak",     "handshake failure"};

Code code_of_tls_error(std::string_view text) {
  const bool stays = std::ranges::any_of(
      tls_signs, [&](std::string_view sign) { return text.find(sign) != text.npos; });
  return stays ? Code::misconfigured : Code::unavailable;
}

Code code_of_dump_error(std::string_view text) {
  for (const Sign& sign : signs) {
    if (text.find(sign.part) != text.npos) return sign.code;
  }
  return Code::failed;
}

Code code_of(const ServerError& said) {
  if (said.number == error_reading_binlog) return code_of_dump_error(said.text);
  if (said.number == error_of_tls) return code_of_tls_error(said.text);
  const auto* const found =
      std::find_if(std::begin(meanings), std::end(meanings),
                   [&](const Meaning& meaning) { return meaning.number == said.number; });
  return found == std::end(meanings) ? Code::failed : found->code;
}

}  // namespace

Error error_of(const ServerError& said) {
  return {code_of(said), fmt::format("{} (error {})", said.text, said.number)};
}

Error read_error_packet(std::string_view packet) {
  ByteReader in(packet);
  ServerError said;
  said.number = in.le<std::uint16_t>();
  if (packet.size() > 2 && packet[2] == '#') in.bytes(1 + 5);
  said.text = in.rest();
  const Result<ServerError> read = in.finish(std::move(said), "the server's error");
  return read ? error_of(*read) : read.error();
}

}  // namespace tidelog::mysql
