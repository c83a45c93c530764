// `tidelog history STREAM KEY`: every version of one row.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct HistoryOptions {
  CommonOptions common;
  std::string stream;
  std::string key;
};

Status print_history(const CommandContext& context, const HistoryOptions& options);

}  // namespace tidelog
