// Where a dump begins that has all that was committed since some time.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/mysql/connection_options.h"
#include "connectors/mysql/dump_request.h"
#include "connectors/socket/wait.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog::mysql {

// The beginning of the last binlog file that was opened before `time`: what the file has from
// before the time is sent, too. By GTIDs, if all of the server's transactions have one. Reads the
// beginnings of a few files, as a replica with that id and name. History lost: the oldest file was
// opened later.
Result<DumpStart> start_at_time(const ConnectionOptions& options, std::uint32_t server_id,
                                const std::string& name, UnixMicros time, const StopSignal& stop);

}  // namespace tidelog::mysql
