// `tidelog run` with a real Postgres while system calls fail under it, kill it, or do half of what
// they should. Whatever it met, in the end the store's fold is the database's table, no event came
// twice, and the store is sound.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/injection.h"
#include "tests/integration/shop.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

const std::string letters(2'000, 'x');

// One server and one store, which is captured into again and again.
class InjectedRun {
 public:
  InjectedRun() {
    shop_.store_keys = ", segment_size: 1 MiB";
    shop_.configure("[public.orders, public.customers]");
  }

  // A run that meets the injection while there is work, and what it has to leave behind.
  void meet(const Injection& injection) {
    CAPTURE(injection.text());
    const auto log = shop_.folder / "strace.log";
    std::filesystem::remove(log);
    ChildProcess run(
        with_injection(injection, log, {tidelog_program(), "run", "-c", shop_.config()}),
        shop_.folder / "run.out", shop_.folder / "run.err");
    REQUIRE_MESSAGE(eventually(soon, [&] { return work(run, [&] { return was_hit(log); }); }),
                    run.errors());
    end(run, injection);
    REQUIRE(eventually(soon, [&] { return is_log_whole(log, run.pid()); }));
    check_next_run();
  }

  void meet_short_writes(int interval) {
    CAPTURE(interval);
    const auto count = shop_.folder / "short writes";
    TidelogProcess run(
        shop_.folder, "short", {"run", "-c", shop_.config()},
        {"LD_PRELOAD=" + (build_folder() / "tests/support/libtidelog_short_writes.so").string(),
         fmt::format("SHORT_WRITES={}", interval), "SHORT_WRITES_FILE=" + count.string()});
    REQUIRE_MESSAGE(eventually(soon, [&] { return work(run, [&] { return is_captured(); }); }),
                    run.errors());
    CHECK(stopped(run) == Exit{0, 0});
    const std::string counted = content_of(count);
    CHECK(!counted.empty());
    CHECK(counted != "0\n");
    check_next_run();
  }

 private:
  // A transaction more, as long as it neither ended nor came so far.
  template <class Done>
  bool work(ChildProcess& run, Done done) {
    if (!run.running() || done()) return true;
    shop_.server.sql(
        fmt::format("begin; insert into orders select n, '{0}' from generate_series({1}, {2}) n;"
                    "update orders set status = 'paid' where id = {1}; {3} commit",
                    letters, next_, next_ + 9,
                    // What is gone before the initial load would be missing in the count.
                    is_loaded_ ? fmt::format("delete from orders where id = {};", next_ + 9) : ""));
    next_ += 10;
    inserted_ += 10;
    return false;
  }

  bool is_captured() {
    return shop_.streams() && shop_.orders_in_store() == shop_.orders_in_table();
  }

  // By itself with what it met, or when asked to.
  static void end(ChildProcess& run, const Injection& injection) {
    if (injection.kills()) {
      const auto exit = run.wait(soon);
      REQUIRE_MESSAGE(exit, run.errors());
      CHECK(exit->signal == SIGKILL);
      return;
    }
    if (const auto exit = run.wait(Duration(300))) {
      CHECK(*exit == Exit{1, 0});
      const bool is_full = injection.what.ends_with("ENOSPC");
      const char* const says = is_full ? "No space left on device" : "Input/output error";
      CHECK_MESSAGE(contains(run.errors(), says), run.errors());
      return;
    }
    run.kill(SIGTERM);
    const auto exit = run.wait(soon);
    REQUIRE_MESSAGE(exit, run.errors());
    CHECK_MESSAGE((exit->signal == 0 && exit->code <= 1), run.errors());
  }

  void check_next_run() {
    const auto run = shop_.start("next");
    const bool captured = eventually(soon, [&] { return is_captured(); });
    REQUIRE_MESSAGE(captured, run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
    is_loaded_ = true;
    check_inserts();
    const Finished verified = shop_.tidelog({"store", "verify", "--state"});
    CHECK_MESSAGE(verified.code == 0, verified.output, verified.errors);
  }

  // Each row was inserted once. Those that were there when the capture began were loaded, and so
  // may those be that came during the load.
  void check_inserts() {
    std::set<std::string> keys;
    std::size_t count = 0;
    for (const std::string& line :
         lines_of(shop_.tidelog({"events", "--type", "insert", "--json"}).output)) {
      const std::size_t key = line.find("\"key\":");
      REQUIRE(key != std::string::npos);
      keys.insert(line.substr(key, line.find('}', key) - key));
      ++count;
    }
    CHECK(keys.size() == count);
    CHECK(count <= inserted_);
    CHECK(shop_.events("load") + count >= first_rows + inserted_);
  }

  static constexpr std::size_t first_rows = 50;
  Shop shop_;
  std::size_t next_ = 1000;
  std::size_t inserted_ = 0;
  bool is_loaded_ = false;
};

void meet_all(const Injection& injection, const std::vector<int>& numbers, InjectedRun& run) {
  for (const int number : numbers) {
    Injection numbered = injection;
    numbered.number = number;
    run.meet(numbered);
  }
}

}  // namespace

TEST_CASE("injection: a run whose writes and syncs fail loses nothing and doubles nothing") {
  if (!can_inject()) return;
  InjectedRun run;
  meet_all({"fdatasync", "error=EIO"}, {1, 4, 9}, run);
  meet_all({"fdatasync", "error=EIO", 1, true}, {6}, run);
  meet_all({"pwrite64", "error=EIO"}, {2, 7, 12}, run);
  meet_all({"pwrite64", "error=ENOSPC"}, {3, 8}, run);
  meet_all({"pwrite64", "error=ENOSPC", 1, true}, {9}, run);
  meet_all({"rename", "error=EIO"}, {1}, run);
}

TEST_CASE("injection: a run that is killed at a system call loses nothing and doubles nothing") {
  if (!can_inject()) return;
  InjectedRun run;
  meet_all({"fdatasync", "signal=KILL"}, {1, 3, 8}, run);
  meet_all({"pwrite64", "signal=KILL"}, {1, 4, 9, 14}, run);
  meet_all({"rename", "signal=KILL"}, {1, 2}, run);
}

TEST_CASE("injection: a run whose writes are short loses nothing and doubles nothing") {
  InjectedRun run;
  for (const int interval : {1, 3}) run.meet_short_writes(interval);
}

}  // namespace tidelog::testing
