// What a run logs of the loads beside its streams: when each begins and ends, and how far it is. A
// source may have very many tables.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/log.h"
#include "core/clock.h"
#include "ingest/table_load.h"

namespace tidelog {

// One source. One thread.
class LoadReport {
 public:
  LoadReport(Log& log, Clock& clock, std::string source)
      : log_(log), clock_(clock), source_(std::move(source)) {}
  // No more than once a second.
  bool is_due() const;
  void report(const std::vector<LoadProgress>& loads);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Known {
    LoadProgress::State state = LoadProgress::State::waiting;
    std::string problem;
    bool waited = false;  // for that, when it was looked at before
    Time told;
    std::uint64_t rows_then = 0;
  };
  using Loads = std::map<std::pair<std::string, std::uint64_t>, Known>;  // by table and number
  void report_new(const std::vector<LoadProgress>& loads);
  void report_one(const LoadProgress& load, Known& known);
  void report_wait(const LoadProgress& load, Known& known);
  void report_rows(const LoadProgress& load, Known& known);

  Log& log_;
  Clock& clock_;
  const std::string source_;
  std::optional<Time> reported_;
  Loads known_;
};

}  // namespace tidelog
