// `tidelog check`: looks at everything that `run` will need, changes nothing, and prints what mends
// each fault.
#pragma once

#include "app/command.h"

namespace tidelog {

Status check_everything(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
