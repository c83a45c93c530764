// `tidelog source status`: what each source of a store does now, or where it stood when it stopped.
// `source pause`, `resume` and `skip` leave an order (source_orders.h), which the run that works
// now obeys within a second, and otherwise the next one.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct SourceOrderOptions {
  CommonOptions common;
  std::string source;
};

Status print_source_states(const CommandContext& context, const CommonOptions& options);
Status pause_source(const CommandContext& context, const SourceOrderOptions& options);
Status resume_source(const CommandContext& context, const SourceOrderOptions& options);
Status skip_transaction(const CommandContext& context, const SourceOrderOptions& options);

}  // namespace tidelog
