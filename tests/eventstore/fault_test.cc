// Every disk call failing, once or for ever: errors are reported, nothing acknowledged is lost, and
// a failed sync is believed.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "eventstore/store_reader.h"
#include "tests/eventstore/store_script.h"
#include "tests/support/crash_states.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {
namespace {

using Repeat = FaultyDisk::Repeat;

const std::string directory = "/store";
constexpr std::size_t operation_count = 40;

struct Fault {
  std::uint64_t call = 0;
  Repeat repeat = Repeat::once;
  Code code = Code::failed;
  std::size_t written_bytes = 0;

  std::string text() const {
    return fmt::format("call {} {} with {}, {} bytes written", call,
                       repeat == Repeat::once ? "fails once" : "and all later ones fail",
                       code == Code::disk_full ? "disk_full" : "an I/O error", written_bytes);
  }
};

// The script on a disk with one fault. It repeats what failed, as a caller would, and opens anew
// what will not go on.
class FaultRun {
 public:
  FaultRun(const StoreScript& script, const Fault& fault, StoreScript::Tries tries)
      : script_(script), fault_(fault), tries_(tries) {
    disk_.fail_at(fault.call, fault.repeat, fault.code, fault.written_bytes);
  }

  Status run() {
    while (done_ < script_.size()) {
      if (store_ == nullptr) {
        TRY_DO(open());
        continue;
      }
      const Status done = run_next();
      if (done) {
        ++done_;
        continue;
      }
      TRY_DO(go_on_after(done.error()));
    }
    store_.reset();
    return check_all_there();
  }

  bool met_the_fault() const { return errors_ > 0; }
  std::uint64_t call_count() const { return disk_.call_count(); }

 private:
  Status run_next() { return script_.run(*store_, clock_, done_, tries_); }

  Status open() {
    auto opened = EventStore::open(disk_, clock_, directory, script_options());
    if (!opened) return mend(opened.error());
    store_ = *std::move(opened);
    auto content = content_of(disk_, *store_, directory);
    if (!content) {
      store_.reset();
      return mend(content.error());
    }
    const auto found = script_.operations_in(*content, done_, done_ + 1);
    if (!found) {
      return fail(Code::failed,
                  fmt::format("{} events after opening anew: not what {} operations make",
                              content->events.size(), done_));
    }
    done_ = *found;
    return {};
  }

  // The fault must say what it is, and it cannot come back once it is mended.
  Status mend(const Error& error) {
    ++errors_;
    if (error.code != fault_.code) return fail_in("not the code of the fault", error);
    if (mended_) return fail_in("an error although the disk is well again", error);
    if (fault_.repeat == Repeat::once) mended_ = true;
    if (errors_ >= 3) {
      disk_.mend();
      mended_ = true;
    }
    return {};
  }

  Status go_on_after(const Error& error) {
    ++errors_;
    if (error.code != fault_.code) return fail_in("not the code of the fault", error);
    if (error.code == Code::disk_full) {
      // Space returns, and the same store goes on.
      if (mended_) return fail_in("an error although there is space again", error);
      disk_.mend();
      mended_ = true;
      return {};
    }
    // The caller tries again, once. If the store will not, it is opened anew.
    const Status again = run_next();
    if (again) {
      ++done_;
      return {};
    }
    const Status third = run_next();
    if (third) return fail(Code::failed, "an append fails twice and then succeeds");
    disk_.mend();
    mended_ = true;
    store_.reset();
    return {};
  }

  // What readers see of it, and what a power loss leaves of it.
  Status check_all_there() {
    for (const bool power_loss : {false, true}) {
      FaultyDisk left =
          power_loss ? disk_.after_power_loss(Survives::nothing, 0) : disk_.after_kill();
      auto opened = EventStore::open(left, clock_, directory, script_options());
      if (!opened)
        return fail_in(power_loss ? "after a power loss" : "after a kill", opened.error());
      auto content = content_of(left, **opened, directory);
      if (!content)
        return fail_in(power_loss ? "after a power loss" : "after a kill", content.error());
      if (!(*content == script_.after(script_.size()))) {
        return fail(Code::failed,
                    fmt::format("{} of {} acknowledged events are left after a {}",
                                content->events.size(), script_.after(script_.size()).events.size(),
                                power_loss ? "power loss" : "kill"));
      }
    }
    return {};
  }

  const StoreScript& script_;
  const Fault fault_;
  const StoreScript::Tries tries_;
  FaultyDisk disk_;
  FakeClock clock_;
  std::unique_ptr<EventStore> store_;
  std::size_t done_ = 0;
  int errors_ = 0;
  bool mended_ = false;
};

// Until the fault lies beyond the last call.
void sweep(Repeat repeat, Code code, std::size_t written_bytes,
           StoreScript::Tries tries = StoreScript::Tries::one) {
  const StoreScript script(operation_count);
  std::uint64_t met = 0;
  for (std::uint64_t call = 0;; ++call) {
    const Fault fault{call, repeat, code, written_bytes};
    FaultRun run(script, fault, tries);
    const Status done = run.run();
    if (!done) FAIL(fault.text() << ": " << done.error().what);
    met += run.met_the_fault() ? 1 : 0;
    if (run.call_count() <= call) break;
  }
  MESSAGE(met << " calls failed and were noticed");
  if (tries == StoreScript::Tries::one) CHECK(met > operation_count);
}

}  // namespace

TEST_CASE("fault: an I/O error at any one call loses nothing acknowledged" *
          doctest::test_suite("crash")) {
  sweep(Repeat::once, Code::failed, 0);
}

TEST_CASE("fault: I/O errors from any call on lose nothing acknowledged" *
          doctest::test_suite("crash")) {
  sweep(Repeat::for_ever, Code::failed, 0);
}

TEST_CASE("fault: a short write at any call loses nothing acknowledged" *
          doctest::test_suite("crash")) {
  sweep(Repeat::once, Code::failed, 200);
}

TEST_CASE("fault: a disk that is full at any call stops nothing once there is space again" *
          doctest::test_suite("crash")) {
  sweep(Repeat::once, Code::disk_full, 0);
  sweep(Repeat::for_ever, Code::disk_full, 0);
}

TEST_CASE("fault: a disk that fills within a write stops nothing once there is space again" *
          doctest::test_suite("crash")) {
  sweep(Repeat::once, Code::disk_full, 97);
  sweep(Repeat::for_ever, Code::disk_full, 700);
}

TEST_CASE("fault: a batch or staging file tried again is taken or refused, never half taken" *
          doctest::test_suite("crash")) {
  sweep(Repeat::once, Code::failed, 0, StoreScript::Tries::two);
  sweep(Repeat::once, Code::failed, 97, StoreScript::Tries::two);
  sweep(Repeat::once, Code::disk_full, 0, StoreScript::Tries::two);
  sweep(Repeat::once, Code::disk_full, 97, StoreScript::Tries::two);
}

TEST_CASE(
    "fault: after a failed sync of the log every append fails until the store is opened anew") {
  const StoreScript script(operation_count);
  FaultyDisk disk;
  FakeClock clock;
  auto store = *EventStore::open(disk, clock, directory, script_options());
  REQUIRE(script.run(*store, clock, 0));
  disk.fail_at(disk.call_count() + 1, Repeat::once, Code::failed);
  CHECK_FALSE(script.run(*store, clock, 1));
  REQUIRE(disk.calls().back() == DiskCall::sync);
  for (int i = 0; i < 3; ++i) {
    const Status again = script.run(*store, clock, 1);
    REQUIRE_FALSE(again);
    CHECK(again.error().code == Code::failed);
    CHECK(again.error().what.find("read-only") != std::string::npos);
  }
  CHECK(scan(*(*store->reader())).events == script.after(1).events);
  store.reset();
  store = *EventStore::open(disk, clock, directory, script_options());
  const auto content = content_of(disk, *store, directory);
  REQUIRE(content);
  const auto count = script.operations_in(*content, 1, 2);
  REQUIRE(count);
  CHECK(script.run(*store, clock, *count));
}

TEST_CASE(
    "fault: what a failed sync left in the page cache alone is not served until it is on disk" *
    doctest::test_suite("crash")) {
  const StoreScript script(operation_count);
  FaultyDisk dry;
  FakeClock clock;
  {
    auto store = *EventStore::open(dry, clock, directory, script_options());
    for (std::size_t i = 0; i < script.size(); ++i) REQUIRE(script.run(*store, clock, i));
  }
  const std::vector<DiskCall> calls = dry.calls();
  std::uint64_t states = 0;
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    if (calls[call] != DiskCall::sync && calls[call] != DiskCall::sync_directory) continue;
    CAPTURE(call);
    FaultyDisk disk;
    disk.fail_at(call, Repeat::once, Code::failed);
    std::size_t acknowledged = 0;
    {
      auto store = EventStore::open(disk, clock, directory, script_options());
      while (store && acknowledged < script.size() && script.run(**store, clock, acknowledged))
        ++acknowledged;
    }
    const auto beside = scan(disk, directory).events;  // before anybody has recovered it
    FaultyDisk killed = disk.after_kill();
    std::size_t served = 0;
    {
      auto store = EventStore::open(killed, clock, directory, script_options());
      if (!store) FAIL(store.error().what);
      const auto content = content_of(killed, **store, directory);
      if (!content) FAIL(content.error().what);
      const auto count = script.operations_in(*content, acknowledged, acknowledged + 1);
      REQUIRE(count);
      served = *count;
      REQUIRE(beside.size() <= content->events.size());
    }
    for (std::uint64_t number = 0; number < 6; ++number) {
      FaultyDisk left =
          killed.after_power_loss(number == 0 ? Survives::nothing : Survives::some, number);
      auto store = EventStore::open(left, clock, directory, script_options());
      if (!store) FAIL(store.error().what);
      const auto content = content_of(left, **store, directory);
      if (!content) FAIL(content.error().what);
      REQUIRE(script.operations_in(*content, served, served));
      ++states;
    }
  }
  report_crash_states("failed syncs", states);
}

}  // namespace tidelog::testing
