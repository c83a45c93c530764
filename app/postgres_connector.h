// Postgres, as `run` and `check` see it.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "app/source_connector.h"

namespace tidelog {

std::unique_ptr<SourceConnector> postgres_connector(const SourceConfig& source,
                                                    std::function<void(const Finding&)> on_warning,
                                                    std::stop_token stop);

}  // namespace tidelog
