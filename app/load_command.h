// `tidelog source load`: reads a table's existing rows once more, or for the first time, while the
// service captures its changes; and what is said of such loads.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct LoadOptions {
  CommonOptions common;
  std::string stream;  // "shop.public.orders"
  std::string where;
  bool anew = false;
  bool cancel = false;
  bool no_wait = false;
};

// Asks the run that is at work on the store, and follows the load to its end, with progress, unless
// told not to. Code::unavailable when there is none; Code::conflict when the table is being loaded.
Status load_table(const CommandContext& context, const LoadOptions& options);

}  // namespace tidelog
