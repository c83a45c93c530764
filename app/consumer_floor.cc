#include "app/consumer_floor.h"

#include <algorithm>

#include "projections/sqlite_target.h"

namespace tidelog {

Result<Position> read_by_all(const CommandContext& context, const Config& config) {
  Position floor{UINT64_MAX};
  for (const ProjectionConfig& projection : config.projections) {
    TRY(const bool exists, context.disk.exists(projection.sqlite));
    Position next;
    if (exists) {
      TRY(const auto target, SqliteTarget::open(projection.sqlite));
      std::vector<std::string> streams = projection.streams;
      std::sort(streams.begin(), streams.end());
      streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
      TRY(const Checkpoint checkpoint, target->begin(streams));
      next = checkpoint.next;
    }
    floor = std::min(floor, next);
  }
  return floor;
}

Result<Position> consumer_floor(const CommandContext& context, const CommonOptions& options,
                                bool past_consumers) {
  if (past_consumers) return Position{UINT64_MAX};
  if (options.config_file.empty()) {
    return fail(Code::misconfigured,
                "which projections read the store is in the configuration: give -c FILE, or "
                "--past-consumers to ask none");
  }
  TRY(const Config config, load_config(options.config_file, ConfigUse::store_only,
                                       {context.disk, context.environment, context.secrets}));
  return read_by_all(context, config);
}

}  // namespace tidelog
