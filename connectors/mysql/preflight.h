// Everything that must hold on a MySQL or MariaDB server before we stream, looked at without
// changing anything. Used by Source::prepare, which stops at the first error, and by `tidelog
// check`, which prints them all, each with the statement that mends it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/executed.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/statement.h"
#include "connectors/tables/table_pattern.h"
#include "core/finding.h"
#include "core/source_position.h"

namespace tidelog::mysql {

// What was found, and what prepare goes on with when no finding is an error.
struct Preflight {
  std::vector<Finding> findings;
  // The server, as a position of a stream that has not begun; nothing: we did not come to it.
  std::optional<MysqlResume> server;
  std::optional<Executed> newest;  // what it has executed by now
  std::vector<NamedTable> tables;  // captured, and there
  // Of them, "shop.orders": those with generated columns that the server does not log in updates.
  std::set<std::string, std::less<>> partly_logged = {};
  bool folds_case = false;  // lower_case_table_names is not 0
};

// `stored` is the position in the store, nothing for none.
Preflight check_server(const MysqlOptions& options, const std::optional<MysqlResume>& stored);

// Which server a connection leads to: server_uuid of MySQL, server_id of MariaDB.
Result<std::string> identity_of(Connection& connection, const StopSignal& stop);

// What the configuration captures, as a number.
std::uint64_t hash_of_tables(const MysqlOptions& options);

}  // namespace tidelog::mysql
