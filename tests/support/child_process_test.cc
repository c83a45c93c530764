#include "tests/support/child_process.h"

#include <doctest/doctest.h>
#include <signal.h>

namespace tidelog::testing {
namespace {

constexpr Duration deadline{20'000};

TEST_CASE("child process: output, errors and exit code arrive") {
  const auto folder = scratch_folder("child");
  ChildProcess child({"sh", "-c", "echo $GREETING; echo oh >&2; exit 3"}, folder / "out",
                     folder / "err", {"GREETING=hello"});
  CHECK(child.wait(deadline) == Exit{3, 0});
  CHECK(child.output() == "hello\n");
  CHECK(child.errors() == "oh\n");
  std::filesystem::remove_all(folder);
}

TEST_CASE("child process: a kill is seen as the signal") {
  const auto folder = scratch_folder("child");
  ChildProcess child({"sleep", "1000"}, folder / "out", folder / "err");
  CHECK(child.running());
  child.kill(SIGKILL);
  CHECK(child.wait(deadline) == Exit{0, SIGKILL});
  std::filesystem::remove_all(folder);
}

TEST_CASE("child process: a program that is not there ends with 127") {
  const auto folder = scratch_folder("child");
  ChildProcess child({"/there/is/no/such/program"}, folder / "out", folder / "err");
  CHECK(child.wait(deadline) == Exit{127, 0});
  std::filesystem::remove_all(folder);
}

TEST_CASE("eventually: gives up at the deadline") {
  int asked = 0;
  CHECK_FALSE(eventually(Duration(20), [&] { return ++asked < 0; }));
  CHECK(asked > 1);
}

}  // namespace
}  // namespace tidelog::testing
