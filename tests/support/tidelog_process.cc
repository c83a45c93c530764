#include "tests/support/tidelog_process.h"

#include <fmt/format.h>

#include <stdexcept>

namespace tidelog::testing {
namespace {

std::vector<std::string> with_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {tidelog_program()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace

std::string tidelog_program() { return TIDELOG_PROGRAM; }

TidelogProcess::TidelogProcess(const std::filesystem::path& folder, const std::string& name,
                               const std::vector<std::string>& arguments,
                               const std::vector<std::string>& environment)
    : ChildProcess(with_program(arguments), folder / (name + ".out"), folder / (name + ".err"),
                   environment) {}

Finished run_tidelog(const std::vector<std::string>& arguments, Duration deadline,
                     const std::vector<std::string>& environment) {
  const auto folder = scratch_folder("tidelog");
  TidelogProcess process(folder, "run", arguments, environment);
  const std::optional<Exit> exit = process.wait(deadline);
  if (!exit || exit->signal != 0) {
    throw std::runtime_error(fmt::format("tidelog {} {}: {}", fmt::join(arguments, " "),
                                         exit ? "was killed by a signal" : "takes too long",
                                         process.errors()));
  }
  Finished finished{exit->code, process.output(), process.errors()};
  std::filesystem::remove_all(folder);
  return finished;
}

}  // namespace tidelog::testing
