#include "app/replay_command.h"

#include <fmt/format.h>

#include "app/place.h"
#include "app/progress.h"
#include "app/table.h"
#include "formats/json_lines_target.h"
#include "projections/complete_target.h"
#include "projections/replay.h"
#include "projections/sqlite_target.h"

namespace tidelog {
namespace {

Result<std::unique_ptr<Target>> open_target(const CommandContext& context, std::string_view into) {
  constexpr std::string_view sqlite = "sqlite:";
  constexpr std::string_view lines = "jsonl:";
  if (into == "-") {
    return std::make_unique<JsonLinesTarget>(
        [&out = context.out](std::string_view text) { return out.write(text); });
  }
  if (into.starts_with(sqlite) && into.size() > sqlite.size()) {
    TRY(auto target, SqliteTarget::open(std::string(into.substr(sqlite.size()))));
    return target;
  }
  if (into.starts_with(lines) && into.size() > lines.size()) {
    TRY(auto target, JsonLinesTarget::open(context.disk, std::string(into.substr(lines.size()))));
    return target;
  }
  return fail(
      Code::misconfigured,
      fmt::format("--into {}: expected sqlite:PATH, jsonl:PATH or - (standard output)", into));
}

Result<ReplayOptions> range_of(const CommandContext& context, StoreReader& reader,
                               const ReplayCommandOptions& options) {
  ReplayOptions range;
  TRY(range.streams, matching_streams(reader, options.streams));
  TRY(const std::string source, deciding_source(reader, range.streams));
  range.end = reader.durable();
  if (!options.from.empty()) {
    TRY(const Place from, parse_place(options.from, "--from", context.clock.now()));
    TRY(range.from, first_position(reader, from, source));
  }
  if (!options.until.empty()) {
    TRY(const Place until, parse_place(options.until, "--until", context.clock.now()));
    TRY(range.end, end_position(reader, until, source));
  }
  return range;
}

// Positions that were passed, which is what the time left depends on.
std::uint64_t passed(const ReplayProgress& progress) {
  return progress.position.value - progress.start.value;
}

Status finish(const CommandContext& context, Progress& shown, const ReplayProgress& end) {
  TRY_DO(context.out.flush());
  TRY_DO(shown.finish("replayed", passed(end)));
  if (end.end > Position{0}) {
    TRY_DO(context.err.line(fmt::format("applied {} events, up to position {}",
                                        with_commas(end.event_count), end.end.value - 1)));
  }
  if (end.passed_over_count > 0) {
    TRY_DO(context.err.line(fmt::format(
        "tidelog: note: {} events of applications are passed over: they have no rows, and the "
        "target has tables alone; --into jsonl:PATH takes them",
        with_commas(end.passed_over_count))));
  }
  if (end.gap_count > 0) {
    TRY_DO(context.err.line(fmt::format(
        "tidelog: note: {} gap events say that history may be missing", end.gap_count)));
  }
  return {};
}

}  // namespace

Status replay_history(const CommandContext& context, const ReplayCommandOptions& options) {
  TRY(const auto reader, open_reader(context, options.common));
  TRY(const ReplayOptions range, range_of(context, *reader, options));
  TRY(const auto target, open_target(context, options.into));
  std::string damage;
  CompleteTarget complete(*target, *reader, [&](const std::string& what) {
    damage +=
        fmt::format("tidelog: note: a state snapshot is damaged and was passed over: {}\n", what);
  });
  Target& into = options.whole_rows ? static_cast<Target&>(complete) : *target;
  Progress shown(context.err, context.clock, context.err_is_terminal, "positions", range.end.value);
  TRY(const ReplayProgress end,
      replay(
          *reader, into, range,
          [&](const ReplayProgress& progress) { shown.show(passed(progress)); },
          std::stop_token{}));
  TRY_DO(context.err.write(damage));
  return finish(context, shown, end);
}

}  // namespace tidelog
