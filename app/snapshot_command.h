// `tidelog store snapshot` and `tidelog store verify --state`: the state snapshots, made and
// checked by hand.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct SnapshotCommandOptions {
  CommonOptions common;
  std::string stream;  // empty: every table
};

// Makes a state snapshot of the table as it is now, or of every table; beside a running service,
// too. Old ones go by the configuration's `keep`.
Status make_snapshots(const CommandContext& context, const SnapshotCommandOptions& options);

// Compares every state snapshot with a full replay. Code::corrupt when one differs.
Status verify_states(const CommandContext& context, const CommonOptions& options);

}  // namespace tidelog
