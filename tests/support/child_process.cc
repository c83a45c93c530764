#include "tests/support/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include "tests/support/paths.h"

extern char** environ;

namespace tidelog::testing {
namespace {

using Steady = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& what) {
  throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

int open_for_output(const std::filesystem::path& path) {
  constexpr mode_t mode = 0640;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) give_up("cannot make " + path.string());
  return file;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string name_in(const std::string& setting) { return setting.substr(0, setting.find('=') + 1); }

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> settings = added;
  for (char** setting = environ; *setting != nullptr; ++setting) {
    const std::string inherited = *setting;
    bool replaced = false;
    for (const std::string& own : added) replaced = replaced || name_in(own) == name_in(inherited);
    if (!replaced) settings.push_back(inherited);
  }
  return settings;
}

}  // namespace

bool eventually(Duration deadline, const std::function<bool()>& predicate) {
  constexpr int pause_ms = 5;
  const auto end = Steady::now() + deadline;
  for (;;) {
    if (predicate()) return true;
    if (Steady::now() >= end) return false;
    ::poll(nullptr, 0, pause_ms);
  }
}

std::filesystem::path scratch_folder(const std::string& purpose) {
  static std::atomic<unsigned> number = 0;
  const auto folder =
      build_folder() / "scratch" / fmt::format("{}-{}-{}", purpose, ::getpid(), number++);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

ChildProcess::ChildProcess(const std::vector<std::string>& program_and_arguments,
                           std::filesystem::path output, std::filesystem::path errors,
                           const std::vector<std::string>& environment)
    : output_(std::move(output)), errors_(std::move(errors)) {
  // All memory is prepared before the fork: the child of a process with threads may not allocate.
  std::vector<std::string> arguments = program_and_arguments;
  std::vector<std::string> settings = environment_with(environment);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(settings);
  const int out = open_for_output(output_);
  const int err = open_for_output(errors_);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out);
  ::close(err);
  if (pid_ < 0) give_up("cannot fork for " + program_and_arguments.front());
  handle_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (handle_ < 0) give_up("cannot watch " + program_and_arguments.front());
}

ChildProcess::~ChildProcess() {
  constexpr Duration long_enough{10'000};
  if (running()) {
    kill(SIGKILL);
    wait(long_enough);
  }
  ::close(handle_);
}

void ChildProcess::kill(int signal) {
  if (!exit_) ::kill(pid_, signal);
}

std::optional<Exit> ChildProcess::wait(Duration deadline) {
  if (exit_) return exit_;
  const auto end = Steady::now() + deadline;
  pollfd ended{handle_, POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::duration_cast<Duration>(end - Steady::now());
    const int count = ::poll(&ended, 1, static_cast<int>(std::max(left, Duration(0)).count()));
    if (count == 0) return std::nullopt;
    if (count > 0) break;
    if (errno != EINTR) give_up("cannot wait for a process");
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) != pid_) give_up("cannot wait for a process");
  exit_ = WIFSIGNALED(status) ? Exit{0, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
  return exit_;
}

std::string output_of(const std::vector<std::string>& program_and_arguments, Duration deadline) {
  const auto folder = scratch_folder("output");
  ChildProcess child(program_and_arguments, folder / "out", folder / "err");
  const std::optional<Exit> exit = child.wait(deadline);
  const std::string output = child.output();
  if (exit != Exit{}) {
    throw std::runtime_error(fmt::format("{} {}: {}{}", fmt::join(program_and_arguments, " "),
                                         exit ? "failed" : "takes too long", output,
                                         child.errors()));
  }
  std::filesystem::remove_all(folder);
  return output;
}

}  // namespace tidelog::testing
