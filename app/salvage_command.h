// `tidelog store salvage` and `tidelog store adopt`: what to do with a store that is damaged, or
// that is a copy.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct SalvageOptions {
  std::string from;
  std::string to;
  bool json = false;
};

// A new store with everything that can be read, and a list of what is missing.
Status salvage(const CommandContext& context, const SalvageOptions& options);

// Lets the writer go on in a store that was copied or moved here.
Status adopt_store(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
