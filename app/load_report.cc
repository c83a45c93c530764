#include "app/load_report.h"

#include <fmt/format.h>

#include "app/progress.h"

namespace tidelog {
namespace {

constexpr auto report_interval = std::chrono::seconds(1);
constexpr auto rows_interval = std::chrono::seconds(5);
// More that begin at the same time are told as one.
constexpr std::size_t told_each_max = 20;

}  // namespace

bool LoadReport::is_due() const {
  return !reported_ || clock_.steady() - *reported_ >= report_interval;
}

void LoadReport::report(const std::vector<LoadProgress>& loads) {
  reported_ = clock_.steady();
  report_new(loads);
  Loads known;  // what is gone is forgotten
  for (const LoadProgress& load : loads) {
    auto node = known_.extract({load.table, load.number});
    report_one(load, node.mapped());
    known.insert(std::move(node));
  }
  known_ = std::move(known);
}

void LoadReport::report_new(const std::vector<LoadProgress>& loads) {
  std::vector<const LoadProgress*> begun;
  for (const LoadProgress& load : loads) {
    const auto [known, is_new] = known_.try_emplace({load.table, load.number});
    if (!is_new) continue;
    known->second.told = clock_.steady();
    known->second.rows_then = load.rows;
    begun.push_back(&load);
  }
  if (begun.size() > told_each_max) {
    log_.info("table loads begin",
              {{"source", source_}, {"tables", fmt::format("{}", begun.size())}});
    return;
  }
  for (const LoadProgress* const load : begun) {
    log_.info("table load begins", {{"source", source_},
                                    {"table", load->table},
                                    {"where", load->where},
                                    {"rows_before", fmt::format("{}", load->rows)}});
  }
}

// A moment later most have what they waited for.
void LoadReport::report_wait(const LoadProgress& load, Known& known) {
  if (load.problem.empty() || std::exchange(known.waited, true)) return;
  log_.info("table load waits",
            {{"source", source_}, {"table", load.table}, {"for", load.problem}});
}

void LoadReport::report_one(const LoadProgress& load, Known& known) {
  if (load.state == LoadProgress::State::loading) report_rows(load, known);
  if (load.state == known.state && load.problem == known.problem) {
    if (load.state == LoadProgress::State::waiting) report_wait(load, known);
    return;
  }
  known.state = load.state;
  known.problem = load.problem;
  known.waited = false;
  const std::string rows = fmt::format("{}", load.rows);
  if (load.state == LoadProgress::State::ended) {
    log_.info("table loaded", {{"source", source_}, {"table", load.table}, {"rows", rows}});
  } else if (load.state == LoadProgress::State::loading) {
    if (!load.problem.empty())
      log_.warning("table load is slow",
                   {{"source", source_}, {"table", load.table}, {"problem", load.problem}});
  } else if (load.state != LoadProgress::State::waiting) {
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
