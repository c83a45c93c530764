// What the consumers of a store have read: retention and truncation do not pass it unless told to.
#pragma once

#include "app/command.h"
#include "app/config.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// What every projection of the configuration has read. One that was never made has read nothing.
Result<Position> read_by_all(const CommandContext& context, const Config& config);

// The same for a command: `past_consumers` tells it not to ask. Without a configuration nobody
// knows the projections: Code::misconfigured.
Result<Position> consumer_floor(const CommandContext& context, const CommonOptions& options,
                                bool past_consumers);

}  // namespace tidelog
