// `tidelog store compact`: the configuration's retention and compaction rules, applied now.
#pragma once

#include "app/command.h"

namespace tidelog {

struct CompactOptions {
  CommonOptions common;
  bool past_consumers = false;  // also what a projection has not read
};

Status compact_store(const CommandContext& context, const CompactOptions& options);

}  // namespace tidelog
