// `tidelog append`: an application's events from JSON lines into the store.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct AppendOptions {
  CommonOptions common;
  std::string stream;
  std::string file;  // empty or "-": standard input
  std::string expected = "any";
  std::string event_id;  // for a single line
  std::string type;      // of lines without one
  bool each = false;     // an append for each line
  bool create = false;   // makes the store when there is none
};

// Code::conflict when what was expected does not hold: nothing is appended then.
Status append_events(const CommandContext& context, const AppendOptions& options);

}  // namespace tidelog
