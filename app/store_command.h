// `tidelog store verify` and `tidelog store stats`.
#pragma once

#include "app/command.h"

namespace tidelog {

// Reads everything: every checksum, the chain of batches, that no position is missing.
// Code::corrupt names segment, offset and position.
Status verify_store(const CommandContext& context, const CommonOptions& options);

Status print_store_stats(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
