#include "app/load_report.h"

#include <fmt/format.h>

#include "app/progress.h"

namespace tidelog {
namespace {

constexpr auto rows_interval = std::chrono::seconds(5);

}  // namespace

void LoadReport::report(const std::vector<LoadProgress>& loads) {
  for (const LoadProgress& load : loads) {
    const auto [known, is_new] = known_.try_emplace({load.table, load.number});
    report_one(load, known->second, is_new);
  }
}

void LoadReport::report_one(const LoadProgress& load, Known& known, bool is_new) {
  if (is_new) {
    known.told = clock_.steady();
    known.rows_then = load.rows;
    log_.info("table load begins", {{"source", source_},
                                    {"table", load.table},
                                    {"where", load.where},
                                    {"rows_before", fmt::format("{}", load.rows)}});
  }
  if (load.state == LoadProgress::State::loading) report_rows(load, known);
  if (load.state == known.state && load.problem == known.problem) return;
  known.state = load.state;
  known.problem = load.problem;
  const std::string rows = fmt::format("{}", load.rows);
  if (load.state == LoadProgress::State::ended) {
    log_.info("table loaded", {{"source", source_}, {"table", load.table}, {"rows", rows}});
  } else if (load.state == LoadProgress::State::waiting) {
    // A moment later most have what they waited for.
    if (!load.problem.empty())
      log_.info("table load waits",
                {{"source", source_}, {"table", load.table}, {"for", load.problem}});
  } else if (load.state == LoadProgress::State::loading) {
    if (!load.problem.empty())
      log_.warning("table load is slow",
                   {{"source", source_}, {"table", load.table}, {"problem", load.problem}});
  } else {
    log_.warning(
        "table load " + std::string(name_of(load.state)),
        {{"source", source_}, {"table", load.table}, {"rows", rows}, {"problem", load.problem}});
  }
}

void LoadReport::report_rows(const LoadProgress& load, Known& known) {
  const auto now = clock_.steady();
  if (now - known.told < rows_interval) return;
  const double seconds = std::chrono::duration<double>(now - known.told).count();
  const double rate = static_cast<double>(load.rows - known.rows_then) / seconds;
  known.told = now;
  known.rows_then = load.rows;
  std::string left;
  if (rate > 0 && load.rows_estimated > load.rows)
    left = print_seconds(static_cast<double>(load.rows_estimated - load.rows) / rate);
  log_.info("table loads", {{"source", source_},
                            {"table", load.table},
                            {"rows", fmt::format("{}", load.rows)},
                            {"rows_estimated", fmt::format("{}", load.rows_estimated)},
                            {"rows_per_second", fmt::format("{:.0f}", rate)},
                            {"left", left}});
}

}  // namespace tidelog
