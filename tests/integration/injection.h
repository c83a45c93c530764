// Injection: a system call of a program that fails, or kills it; strace makes it so. For tests of
// the program itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace tidelog::testing {

// Which call, and what becomes of it.
struct Injection {
  std::string call;
  std::string what;       // "error=EIO", "signal=KILL"
  int number = 1;         // of the call, from 1
  bool for_ever = false;  // and all later ones
  std::string path{};     // only calls on this file
  bool kills() const { return what.starts_with("signal"); }
  std::string text() const;
};

// Whether this machine lets us; says so when it does not.
bool can_inject();

// The command that runs `program` under the injection, with the calls noted in `log`. The process
// that is started so is the program itself.
std::vector<std::string> with_injection(const Injection& injection,
                                        const std::filesystem::path& log,
                                        const std::vector<std::string>& program);

// Whether the program met it so far.
bool was_hit(const std::filesystem::path& log);

// Whether the program's end is noted: it may be a moment later than the end itself.
bool is_log_whole(const std::filesystem::path& log, pid_t program);

}  // namespace tidelog::testing
