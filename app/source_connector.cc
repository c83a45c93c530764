#include "app/source_connector.h"

#include <utility>

#include "app/mysql_connector.h"
#include "app/postgres_connector.h"

namespace tidelog {

std::unique_ptr<SourceConnector> connector_of(const SourceConfig& source,
                                              std::function<void(const Finding&)> on_warning,
                                              std::stop_token stop) {
  switch (source.database) {
    case Database::postgres:
      return postgres_connector(source, std::move(on_warning), std::move(stop));
    case Database::mysql:
      return mysql_connector(source, std::move(on_warning), std::move(stop));
  }
  return nullptr;
}

}  // namespace tidelog
