// MySQL and MariaDB as a source of changes, over the binlog. app/ makes one per configured source;
// ingest/ drives it through the contract of core/source.h. MySQL 8.0.1 and MariaDB 10.5 and later.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "connectors/mysql/options.h"
#include "core/finding.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog {

std::unique_ptr<Source> mysql_source(MysqlOptions options);

// What stands in the way of streaming, each with the statement that mends it; for `tidelog check`.
// Changes nothing on the server. `stored` is the source's position in the store, empty for none.
Result<std::vector<Finding>> check_mysql(const MysqlOptions& options, std::string_view stored);

}  // namespace tidelog
