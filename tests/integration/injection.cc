#include "tests/integration/injection.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sstream>

namespace tidelog::testing {

std::string Injection::text() const {
  return fmt::format("{} {} {}{} {}", call, what, number, for_ever ? "+" : "", path);
}

bool can_inject() {
  const auto folder = scratch_folder("strace");
  ChildProcess probe({"strace", "-o", (folder / "log").string(), "true"}, folder / "out",
                     folder / "err");
  const auto exit = probe.wait(Duration(60'000));
  if (exit == Exit{0, 0}) return true;
  const std::string errors = probe.errors();
  if (errors.find("ptrace") == std::string::npos && errors.find("PTRACE") == std::string::npos)
    FAIL("strace does not run (" << errors << "): scripts/install-deps.sh test installs it");
  MESSAGE("skipped: no process may trace another one here: " << errors);
  return false;
}

std::vector<std::string> with_injection(const Injection& injection,
                                        const std::filesystem::path& log,
                                        const std::vector<std::string>& program) {
  std::vector<std::string> command = {
      "strace",
      "-D",
      "-f",
      "-o",
      log.string(),
      "-e",
      "trace=" + injection.call,
      "-e",
      fmt::format("inject={}:{}:when={}{}", injection.call, injection.what, injection.number,
                  injection.for_ever ? "+" : "")};
  // Faster, as no other call stops. But where it stops then, strace cannot send a signal.
  if (!injection.kills()) command.emplace_back("--seccomp-bpf");
  if (!injection.path.empty()) command.insert(command.end(), {"-P", injection.path});
  command.insert(command.end(), program.begin(), program.end());
  return command;
}

bool was_hit(const std::filesystem::path& log) {
  const std::string calls = content_of(log);
  return calls.find("(INJECTED)") != std::string::npos ||
         calls.find("killed by SIGKILL") != std::string::npos;
}

bool is_log_whole(const std::filesystem::path& log, pid_t program) {
  std::istringstream calls(content_of(log));
  const std::string number = fmt::format("{} ", program);
  for (std::string line; std::getline(calls, line);) {
    if (line.starts_with(number) && line.find("+++ ") != std::string::npos) return true;
  }
  return false;
}

}  // namespace tidelog::testing
