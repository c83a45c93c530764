// How long a reader lets rows gather before it reads again. The server sends row by row, and waking
// a reader that waits in poll costs it more than the row does: where much comes at once more will
// follow, and a reader that sleeps for a moment instead saves the server a fifth of its time over a
// Unix socket and half of it over TCP on one machine, and most of its own.
#pragma once

#include <chrono>

namespace tidelog::postgres {

// One thread.
class Gathering {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Limits {
    std::chrono::microseconds usual;
    // Where rows come faster than any that are waited for could: a backlog, a large transaction.
    std::chrono::microseconds most;
  };
  // By what is at the socket's other end.
  static Limits limits_of(int socket);

  explicit Gathering(Limits limits) : limits_(limits), next_(limits.usual) {}

  // For how long, when so many frames came since the last call.
  std::chrono::microseconds pause(int frames, Time now);
  // Whether so many frames at once are a reason to let more gather.
  static bool is_many(int frames);

 private:
  Limits limits_;
  std::chrono::microseconds next_;
  Time last_;
};

}  // namespace tidelog::postgres
