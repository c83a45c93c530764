// `tidelog source status`: what each source of a store does now, or where it stood when it stopped.
#pragma once

#include "app/command.h"

namespace tidelog {

Status print_source_states(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
