// What is asked of a server when its binlog is to be sent: from where on, and how. Used by whoever
// reads a server's binlog; event_stream.h reads the answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "connectors/mysql/binlog_dump.h"
#include "connectors/mysql/connection.h"
#include "connectors/mysql/event_check.h"
#include "connectors/mysql/gtid_set.h"
#include "connectors/mysql/mariadb_gtid.h"
#include "connectors/socket/wait.h"
#include "core/result.h"
#include "core/source_position.h"

namespace tidelog::mysql {

using tidelog::BinlogPlace;

// Of a GTID set, what we have: the server sends all else.
using DumpStart = std::variant<BinlogPlace, GtidSet, MariadbGtidPosition>;

struct DumpRequest {
  std::uint32_t server_id = 0;  // like no other replica's of that server, nor its own; never 0
  std::string name;             // for SHOW REPLICAS
  DumpStart start;
  // After so long without an event, a heartbeat says that the server is alive and where it is.
  std::chrono::milliseconds heartbeat{1'000};
  bool stops_at_end = false;  // with the last event, instead of waiting for the next
};

EventCheck::Continuity continuity_of(const DumpStart& start);

// Unsupported: a server that has no such start. What the server has against it is the stream's
// first answer.
Result<BinlogDump> begin_dump(Connection connection, const DumpRequest& request,
                              const StopSignal& stop);

}  // namespace tidelog::mysql
