#include "app/signals.h"

#include <cstdlib>
#include <utility>

#include "app/exit_code.h"

namespace tidelog {
namespace {

using Steady = std::chrono::steady_clock;

constexpr long poll_nanoseconds = 50'000'000;

// Whether a signal that asks for a stop arrives within a moment.
bool stop_arrived(const sigset_t& signals, std::atomic<bool>& hangup) {
  const timespec moment{0, poll_nanoseconds};
  const int arrived = sigtimedwait(&signals, nullptr, &moment);
  if (arrived == SIGHUP) hangup = true;
  return arrived > 0 && arrived != SIGHUP;
}

[[noreturn]] void end_at_once() { std::_Exit(static_cast<int>(ExitCode::failed)); }

struct Watch {
  sigset_t signals;
  std::stop_source stop;
  std::chrono::milliseconds patience;
  std::function<void(const char*)> on_event;
  std::atomic<bool>& hangup;

  void operator()(const std::stop_token& done) const {
    while (!stop_arrived(signals, hangup)) {
      if (done.stop_requested()) return;
    }
    on_event("stopping");
    std::stop_source(stop).request_stop();
    watch_the_stop(done);
  }

  void watch_the_stop(const std::stop_token& done) const {
    const auto start = Steady::now();
    while (!done.stop_requested()) {
      if (stop_arrived(signals, hangup)) {
        on_event("a second signal: ending at once");
        end_at_once();
      }
      if (Steady::now() - start < patience) continue;
      on_event("the stop takes too long: ending at once");
      end_at_once();
    }
  }
};

}  // namespace

StopOnSignal::StopOnSignal(std::stop_source stop, std::chrono::milliseconds patience,
                           std::function<void(const char*)> on_event) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, &earlier_);
  thread_ = std::jthread(Watch{signals_, std::move(stop), patience, std::move(on_event), hangup_});
}

StopOnSignal::~StopOnSignal() {
  thread_.request_stop();
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &earlier_, nullptr);
}

}  // namespace tidelog
