#include "app/postgres_options.h"

#include <utility>

namespace tidelog {

PostgresOptions postgres_options(const SourceConfig& source,
                                 std::function<void(const Finding&)> on_warning,
                                 std::stop_token stop) {
  PostgresOptions options;
  options.name = source.name;
  options.connection = source.connection;
  options.tables = source.tables;
  options.except = source.except;
  options.publication = source.publication;
  options.slot = source.slot;
  options.two_phase = source.two_phase;
  options.origins = source.origins;
  options.binary = source.binary;
  options.keys = source.keys;
  options.selects = source.load.selects;
  options.transforms = source.transforms;
  options.identities = source.identities;
  options.retained_wal = source.retained_wal;
  options.heartbeat = source.heartbeat;
  options.on_warning = std::move(on_warning);
  options.stop = std::move(stop);
  return options;
}

}  // namespace tidelog
