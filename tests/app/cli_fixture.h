// Runs the program within the test, with output in strings.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/cli.h"
#include "core/disk.h"
#include "tests/support/fake_clock.h"

namespace tidelog::testing {

// One thread.
struct CliFixture {
  std::unique_ptr<Disk> disk = real_disk();
  FakeClock clock;
  std::map<std::string, std::string, std::less<>> variables;

  struct Answer {
    int code = 0;
    std::string out;
    std::string err;
  };
  Answer run(const std::vector<std::string>& arguments) {
    const Environment environment = [&](std::string_view name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    Secrets secrets;
    Output out(nullptr, "out", Output::For::answers);
    Output err(nullptr, "err", Output::For::notes);
    const ExitCode code =
        run_program(arguments, "0.0.1", {*disk, clock, environment, secrets, out, err});
    return {static_cast<int>(code), out.text(), err.text()};
  }
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace tidelog::testing
