// What an error of a MySQL or MariaDB server, or of its client library, means for us. Used by the
// connection and the binlog stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

// Numbers of the servers' manuals ("Server Error Message Reference", "Client Error …").
inline constexpr unsigned error_reading_binlog = 1236;      // ER_MASTER_FATAL_ERROR_READING_BINLOG
inline constexpr unsigned error_of_tls = 2026;              // CR_SSL_CONNECTION_ERROR
inline constexpr unsigned error_plugin_not_allowed = 5010;  // CR_PLUGIN_NOT_ALLOWED

struct ServerError {
  unsigned number = 0;
  std::string text;
};

// With the number in the text.
Error error_of(const ServerError& said);

// The packet of an error, after its first byte 0xFF: u16 number | '#' sqlstate[5] | text. Corrupt:
// it is none.
Error read_error_packet(std::string_view packet);

}  // namespace tidelog::mysql
