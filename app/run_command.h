// `tidelog run`: the service. Captures every source of the configuration into the store until it is
// told to stop.
#pragma once

#include "app/command.h"
#include "app/log.h"

namespace tidelog {

struct RunOptions {
  CommonOptions common;
  LogFormat log_format = LogFormat::text;
};

// Ends well on SIGTERM or SIGINT. On SIGHUP it reads the configuration again: sources that were
// added, changed or removed there begin, begin anew where they stand, or end. An error of the
// configuration, of rights or of the store at the start ends it; later, once no source is left,
// with the error of the first that stopped.
Status run_service(const CommandContext& context, const RunOptions& options);

}  // namespace tidelog
