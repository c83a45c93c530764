// The command line: which command, its options, its help. main.cc calls it; so do tests, without a
// process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/command.h"
#include "app/exit_code.h"

namespace tidelog {

// `arguments` without the program's name. Prints what went wrong, with passwords hidden, to
// context.err.
ExitCode run_program(const std::vector<std::string>& arguments, std::string_view version,
                     const CommandContext& context);

}  // namespace tidelog
