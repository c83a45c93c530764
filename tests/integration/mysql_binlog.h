// A real server's binlog files and catalog, for tests of what is decoded from them.
#pragma once

#include <vector>

#include "tests/mysql/binlog_rows.h"
#include "tests/support/mysql_server.h"

namespace tidelog::testing {

mysql::Flavour flavour_of(const MysqlVersion& version);

// All events of all of its files so far.
std::vector<FileEvent> binlog_events(MysqlServer& server);

// What its catalog says of all tables of the database `test`.
FactsOfTables facts_of(MysqlServer& server);

}  // namespace tidelog::testing
