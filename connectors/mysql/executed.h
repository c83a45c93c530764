// Executed: what a source has of its server's transactions, in the one of three forms that the
// server's transactions are named in. For the change decoder and preflight.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "connectors/mysql/dump_request.h"
#include "connectors/mysql/gtid_set.h"
#include "connectors/mysql/mariadb_gtid.h"
#include "core/result.h"
#include "core/source_position.h"

namespace tidelog::mysql {

using Executed = std::variant<MysqlResume::Place, GtidSet, MariadbGtidPosition>;

// Corrupt: a text that is none.
Result<Executed> executed_of(const MysqlResume& resume);
void set_executed(MysqlResume& resume, const Executed& executed);

// Where a dump begins that brings all else.
DumpStart start_of(const Executed& executed);

}  // namespace tidelog::mysql
