// Progress of a long command, on standard error: done, rate and time left. On a terminal one line
// that is rewritten; elsewhere nothing but the last line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "app/output.h"
#include "core/clock.h"

namespace tidelog {

// One thread.
class Progress {
 public:
  // `unit` is what is counted ("events"; "bytes" are printed as KiB, MiB, …); `total` 0 is unknown.
  Progress(Output& out, Clock& clock, bool on_terminal, std::string unit, std::uint64_t total);

  // There turned out to be more, or less.
  void set_total(std::uint64_t total) { total_ = total; }
  // Prints at most five times a second.
  Status at(std::uint64_t done);
  // The same where an error has nowhere to go: it comes again with finish.
  void show(std::uint64_t done);
  // Ends the line. `verb` says what was done: "verified 1,000 events in 2.0 s (500/s)".
  Status finish(const std::string& verb, std::uint64_t done);

 private:
  double seconds() const;
  std::string describe(std::uint64_t done) const;
  std::string amount(std::uint64_t count) const;

  Output& out_;
  Clock& clock_;
  bool on_terminal_;
  std::string unit_;
  std::uint64_t total_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point printed_;
  Status failed_;
};

// "450 ms", "12.3 s", "4 min 05 s", "3 h 12 min".
std::string print_seconds(double seconds);

}  // namespace tidelog
