// The program: real disk, real clock, standard output and error. Everything else is in the library,
// where tests reach it.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "app/cli.h"
#include "core/clock.h"
#include "core/disk.h"

namespace {

tidelog::ExitCode run(const std::vector<std::string>& arguments) {
  const auto disk = tidelog::real_disk();
  const auto clock = tidelog::real_clock();
  const tidelog::Environment environment = tidelog::process_environment();
  tidelog::Secrets secrets;
  using For = tidelog::Output::For;
  tidelog::Output out(stdout, "standard output", For::answers);
  tidelog::Output err(stderr, "standard error", For::notes);
  return tidelog::run_program(arguments, TIDELOG_VERSION,
                              {*disk, *clock, environment, secrets, out, err,
                               isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(run(std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const std::exception& error) {  // out of memory, say: the thread's entry
    std::fprintf(stderr, "tidelog: %s\n", error.what());
    return static_cast<int>(tidelog::ExitCode::failed);
  }
}
