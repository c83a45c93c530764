// A source of the configuration as its connector takes it. For `run` and `check`.
#pragma once

#include <functional>
#include <stop_token>

#include "app/config.h"
#include "connectors/postgres/options.h"

namespace tidelog {

PostgresOptions postgres_options(const SourceConfig& source,
                                 std::function<void(const Finding&)> on_warning,
                                 std::stop_token stop);

}  // namespace tidelog
