// `tidelog replay --into TARGET`: history into a SQLite file or into JSON lines.
#pragma once

#include <string>
#include <vector>

#include "app/command.h"

namespace tidelog {

struct ReplayCommandOptions {
  CommonOptions common;
  std::string into;                  // "sqlite:PATH", "jsonl:PATH" or "-"
  std::vector<std::string> streams;  // patterns
  std::string from;
  std::string until;
  bool whole_rows = false;  // what the log did not send is filled in
};

Status replay_history(const CommandContext& context, const ReplayCommandOptions& options);

}  // namespace tidelog
