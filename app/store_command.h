// `tidelog store verify` and `tidelog store stats`.
#pragma once

#include "app/command.h"

namespace tidelog {

// Reads everything: every checksum, the chain of batches, that no position is missing, that indexes
// say what their segments do, that snapshots are whole. Code::corrupt names segment, offset and
// position; damage of what is made anew is a warning.
Status verify_store(const CommandContext& context, const CommonOptions& options);

Status print_store_stats(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
