// `tidelog source ddl install`, `remove`, `show`: the event triggers in a source's database that
// write what statements do to its tables into the log, in its order. Nothing else of tidelog makes
// anything but a publication and a slot there, so they are made only by this command, or by whoever
// runs the SQL that it shows.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct DdlOptions {
  CommonOptions common;
  std::string source;
  bool dry_run = false;
};

Status install_ddl_triggers(const CommandContext& context, const DdlOptions& options);
Status remove_ddl_triggers(const CommandContext& context, const DdlOptions& options);
// Whether they are there, and the SQL that installs them.
Status show_ddl_triggers(const CommandContext& context, const DdlOptions& options);

}  // namespace tidelog
