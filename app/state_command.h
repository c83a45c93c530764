// `tidelog state STREAM`: the rows of a table as they were.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct StateOptions {
  CommonOptions common;
  std::string stream;
  std::string at;  // a position or a time, inclusive; empty: now
  std::string key;
  bool has_key = false;
};

Status print_state(const CommandContext& context, const StateOptions& options);

}  // namespace tidelog
