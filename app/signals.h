// SIGTERM and SIGINT ask for a stop; a second one, or too long a wait, ends the process at once.
// SIGHUP asks for the configuration to be read again. For `tidelog run`.
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

namespace tidelog {

// Made by the main thread before it starts any other, since threads inherit which signals are
// blocked. Ending at once loses nothing: what was not stored was not confirmed either.
class StopOnSignal {
 public:
  // `on_event` tells people what happens; it is called by a thread of its own.
  StopOnSignal(std::stop_source stop, std::chrono::milliseconds patience,
               std::function<void(const char* what)> on_event);
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  // Whether SIGHUP came since this was asked last.
  bool take_hangup() { return hangup_.exchange(false); }

 private:
  std::atomic<bool> hangup_{false};
  sigset_t signals_{};
  sigset_t earlier_{};
  std::jthread thread_;
};

}  // namespace tidelog
