// Random lives of a store with everything at work, crashed at every disk call: what recovery finds
// is what SimulatedHistory allows, and everything goes on.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

#include "tests/projections/crash_check.h"
#include "tests/projections/simulated_store.h"
#include "tests/support/crash_states.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr std::size_t steps_per_life = 60;

struct Survival {
  Survives mode = Survives::nothing;
  std::uint64_t number = 0;
};

// One life of a store, and each crash of it.
class CrashedLife {
 public:
  CrashedLife(std::uint64_t seed, std::uint64_t states_max)
      : seed_(seed), states_max_(states_max), store_(seed, disk_) {}

  // Ends with the life, or with enough states.
  void run() {
    disk_.watch([this](const FaultyDisk& left) { crash(left); });
    for (step_ = 0; step_ < steps_per_life && !is_over(); ++step_) {
      const Status done = store_.step();
      if (!done) note(place() + ": " + done.error().what);
    }
    disk_.watch(nullptr);
    if (!failure_.empty()) FAIL(failure_);
  }
  std::uint64_t states() const { return states_; }

 private:
  bool is_over() const { return states_ >= states_max_ || !failure_.empty(); }

  // Told at the end: nothing is thrown through a store that is at work.
  void note(std::string failure) {
    if (failure_.empty()) failure_ = std::move(failure);
  }

  std::string place() const {
    return fmt::format("TIDELOG_TEST_SEED={}, step {} ({}), moment {}", seed_, step_,
                       store_.doing(), moment_);
  }

  // How the disk may be found. Each of the unsynced things dropped by itself: now and then all of
  // them, otherwise two.
  std::vector<Survival> survivals(const FaultyDisk& left) const {
    std::vector<Survival> all = {{Survives::all, 0}};
    const std::uint64_t unsynced = left.unsynced_count();
    if (unsynced == 0) return all;
    all.push_back({Survives::nothing, 0});
    all.push_back({Survives::torn_last, moment_});
    all.push_back({Survives::torn_last, moment_ + 1});
    if (moment_ % 8 == 0 || unsynced <= 2) {
      for (std::uint64_t k = 0; k < unsynced; ++k) all.push_back({Survives::all_but_one, k});
    } else {
      all.push_back({Survives::all_but_one, moment_ % unsynced});
      all.push_back({Survives::all_but_one, moment_ * 7 % unsynced});
    }
    for (std::uint64_t i = 0; i < 3; ++i) all.push_back({Survives::some, moment_ * 1000 + i});
    return all;
  }

  void crash(const FaultyDisk& left) {
    // Of the calls, every eighth is enough: more lives show more.
    if (is_over() || ++moment_ % 8 != seed_ % 8) return;
    // What was checked for the same history need not be checked again.
    if (std::exchange(history_, version()) != version()) known_.clear();
    check(left, "killed");
    for (const Survival& s : survivals(left)) {
      check(left.after_power_loss(s.mode, s.number),
            fmt::format("power loss, {} {} survives", name_of(s.mode), s.number));
    }
  }

  // Changes with every call of the store that is begun or acknowledged.
  std::string version() const {
    const SimulatedHistory& history = store_.history();
    return fmt::format("{} {} {} {}", history.acknowledged(), history.events().size(), step_,
                       store_.doing());
  }

  void check(FaultyDisk disk, const std::string& how) {
    if (!failure_.empty() || !known_.insert(disk.fingerprint()).second) return;
    ++states_;
    if (states_ % 60 == 0) crash_recovery(disk, how);
    const CrashCheck check{store_.now(), states_ % 8 == 0};
    const Status checked = check_crash_state(store_.history(), disk, check);
    if (!checked) note(place() + ", " + how + ": " + checked.error().what);
  }

  // Crashes in the recovery itself.
  void crash_recovery(FaultyDisk disk, const std::string& how) {
    std::vector<FaultyDisk> moments;
    disk.watch([&](const FaultyDisk& left) { moments.push_back(left); });
    const CrashCheck quick{store_.now(), false};
    const Status checked = check_crash_state(store_.history(), disk, quick);
    if (!checked) return note(place() + ", " + how + ": " + checked.error().what);
    for (std::size_t i = 0; i < moments.size(); ++i) {
      for (const Survival& s :
           {Survival{Survives::nothing, 0}, {Survives::all, 0}, {Survives::some, i}}) {
        FaultyDisk again = moments[i].after_power_loss(s.mode, s.number);
        if (!known_.insert(again.fingerprint()).second) continue;
        ++states_;
        const Status second = check_crash_state(store_.history(), again, quick);
        if (second) continue;
        return note(fmt::format("{}, {}, recovery crashed at its change {}, {} survives: {}",
                                place(), how, i, name_of(s.mode), second.error().what));
      }
    }
  }

  const std::uint64_t seed_;
  const std::uint64_t states_max_;
  FaultyDisk disk_;
  SimulatedStore store_;
  std::size_t step_ = 0;
  std::uint64_t moment_ = 0;
  std::uint64_t states_ = 0;
  std::string history_;
  std::set<std::uint64_t> known_;
  std::string failure_;
};

// Another seed for each life: a failure names the one that begins with its own.
void simulate(std::uint64_t seed, std::uint64_t usual, const std::string& name) {
  const std::uint64_t wanted = wanted_crash_states(usual);
  CrashProgress progress(wanted);
  std::uint64_t states = 0;
  std::uint64_t lives = 0;
  for (; states < wanted && !progress.time_is_over(); ++lives) {
    progress.at(states, seed + lives);
    CrashedLife life(seed + lives, wanted - states);
    life.run();
    states += life.states();
  }
  MESSAGE(lives << " lives");
  report_crash_states(name, states);
  CHECK((states >= wanted || progress.time_is_over()));
}

constexpr std::uint64_t states_per_case = 25'000;

}  // namespace

// Four cases, so that they run beside each other.
TEST_CASE("simulator: with everything at work, what is acknowledged survives any crash (1)" *
          doctest::test_suite("crash")) {
  simulate(test_seed(1'000), states_per_case, "everything at work (1)");
}

TEST_CASE("simulator: with everything at work, what is acknowledged survives any crash (2)" *
          doctest::test_suite("crash")) {
  simulate(test_seed(2'000), states_per_case, "everything at work (2)");
}

TEST_CASE("simulator: with everything at work, what is acknowledged survives any crash (3)" *
          doctest::test_suite("crash")) {
  simulate(test_seed(3'000), states_per_case, "everything at work (3)");
}

TEST_CASE("simulator: with everything at work, what is acknowledged survives any crash (4)" *
          doctest::test_suite("crash")) {
  simulate(test_seed(4'000), states_per_case, "everything at work (4)");
}

}  // namespace tidelog::testing
