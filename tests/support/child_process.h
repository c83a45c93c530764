// ChildProcess: a program that a test runs, with its output in files. It dies with the test,
// however that ends. A test's set-up that fails throws std::runtime_error, which doctest reports.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tidelog::testing {

using Duration = std::chrono::milliseconds;

// For what takes no time on an idle machine: others share this one.
constexpr Duration soon(60'000);

// Asks again and again until it holds; false when the deadline has passed.
bool eventually(Duration deadline, const std::function<bool()>& predicate);

// A fresh empty folder below the build folder, named after the purpose.
std::filesystem::path scratch_folder(const std::string& purpose);

std::string content_of(const std::filesystem::path& file);

// How a program ended.
struct Exit {
  int code = 0;    // when it ended by itself
  int signal = 0;  // when a signal ended it
  bool operator==(const Exit&) const = default;
};

// One thread, which must outlive it: the kernel kills the child together with the thread that
// started it.
class ChildProcess {
 public:
  // `program` with a slash is a path; otherwise it is looked for in PATH. `environment`
  // ("NAME=VALUE") is added to ours.
  ChildProcess(const std::vector<std::string>& program_and_arguments, std::filesystem::path output,
               std::filesystem::path errors, const std::vector<std::string>& environment = {});
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();  // kills it

  pid_t pid() const { return pid_; }
  void kill(int signal);
  // Empty when it still runs at the deadline.
  std::optional<Exit> wait(Duration deadline);
  bool running() { return !wait(Duration(0)); }

  std::string output() const { return content_of(output_); }
  std::string errors() const { return content_of(errors_); }

 private:
  std::filesystem::path output_;
  std::filesystem::path errors_;
  pid_t pid_ = -1;
  int handle_ = -1;  // pidfd: readable once the process has ended
  std::optional<Exit> exit_;
};

// Runs a program to its end and returns its standard output; throws when it fails or takes too
// long.
std::string output_of(const std::vector<std::string>& program_and_arguments, Duration deadline);

}  // namespace tidelog::testing
