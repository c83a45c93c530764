// MySQL and MariaDB, as `run` and `check` see them.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "app/source_connector.h"

namespace tidelog {

std::unique_ptr<SourceConnector> mysql_connector(const SourceConfig& source,
                                                 std::function<void(const Finding&)> on_warning,
                                                 std::stop_token stop);

}  // namespace tidelog
