// What a server tells of its own binlog and of those who read it: where it begins and ends, and who
// else has our server id. Used before a dump begins, and after one ended without a word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/dump_request.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

namespace tidelog::mysql {

struct BinlogFile {
  std::string name;
  std::uint64_t bytes = 0;
};
// Oldest first. Misconfigured: the server writes no binlog.
Result<std::vector<BinlogFile>> list_binlogs(Connection& connection, const StopSignal& stop);

// Where a dump begins that has all that is still there, or nothing that is: by GTIDs, if all of the
// server's transactions have one, otherwise by place.
Result<DumpStart> oldest_start(Connection& connection, const StopSignal& stop);
Result<DumpStart> newest_start(Connection& connection, const StopSignal& stop);

// Who has told the server that it reads the binlog with this server id, by the name that it gave
// itself; nothing: nobody has. A server ends the dump of one of two with the same id, MariaDB
// without a word.
Result<std::optional<std::string>> reader_with(Connection& connection, std::uint32_t server_id,
                                               const StopSignal& stop);

}  // namespace tidelog::mysql
