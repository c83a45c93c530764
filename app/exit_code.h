// The exit codes of tidelog (DESIGN.md section 9): documented and stable.
#pragma once

#include <cstdint>

#include "core/result.h"

namespace tidelog {

enum class ExitCode : std::uint8_t {
  done = 0,
  failed = 1,
  usage = 2,  // wrong usage or configuration
  corrupt = 3,
  unreachable = 4,  // could not reach a server
  conflict = 5,     // the lock, or an expected revision
};

// The only place that turns an error into an exit code.
constexpr ExitCode exit_code_for(Code code) {
  switch (code) {
    case Code::unavailable:
    case Code::timeout:
      return ExitCode::unreachable;
    case Code::corrupt:
      return ExitCode::corrupt;
    case Code::conflict:
      return ExitCode::conflict;
    case Code::misconfigured:
    case Code::not_found:
    case Code::history_lost:
      return ExitCode::usage;
    case Code::disk_full:
    case Code::cancelled:
    case Code::unsupported:
    case Code::failed:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

}  // namespace tidelog
