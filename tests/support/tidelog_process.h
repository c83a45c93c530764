// TidelogProcess: the program itself, as a user runs it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace tidelog::testing {

// The program's path, for tests that start it in their own way.
std::string tidelog_program();

// One thread.
class TidelogProcess : public ChildProcess {
 public:
  // Output goes to `name`.out and `name`.err in `folder`, replacing those of an earlier run.
  TidelogProcess(const std::filesystem::path& folder, const std::string& name,
                 const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {});
};

// A run to the end, for commands that end by themselves. Throws when it has not ended by the
// deadline.
struct Finished {
  int code = 0;
  std::string output;
  std::string errors;
};
Finished run_tidelog(const std::vector<std::string>& arguments,
                     Duration deadline = Duration(60'000),
                     const std::vector<std::string>& environment = {});

}  // namespace tidelog::testing
