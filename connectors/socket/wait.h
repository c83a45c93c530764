// Waiting for a socket without missing a request to stop. Used by the connections and stream loops
// of all connectors.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>

#include "core/result.h"

namespace tidelog {

// A descriptor that becomes readable once stop is requested. One thread, but for the request.
class StopSignal {
 public:
  explicit StopSignal(std::stop_token stop);
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  int descriptor() const { return descriptor_.value; }
  bool requested() const { return stop_.stop_requested(); }

 private:
  struct Descriptor {
    int value;  // -1 when there is none to be had: then waits look at the token ten times a second
    explicit Descriptor(int descriptor) : value(descriptor) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
  };
  std::stop_token stop_;
  Descriptor descriptor_;
  // Below the descriptor, so that it is gone (and waited for, if it runs just now) before that is
  // closed.
  std::stop_callback<std::function<void()>> callback_;
};

// Ends a wait from another thread.
class Waker {
 public:
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();
  void wake();    // any thread
  void forget();  // what it was woken for so far
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;  // -1 when there is none to be had: then nothing is woken early
};

enum class Wake : std::uint8_t { ready, timed_out, stopped };
enum class Direction : std::uint8_t { read, write, both };

// Until `socket` is ready, the time is over, or stop is requested. A signal counts as ready.
Wake wait_for_socket(int socket, Direction direction, std::chrono::milliseconds time,
                     const StopSignal& stop, const Waker* waker = nullptr);

// Until the time is over or stop is requested.
void pause_for(std::chrono::microseconds time, const StopSignal& stop);

}  // namespace tidelog
