#include "app/compact_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/progress.h"
#include "app/retention_run.h"
#include "app/table.h"
#include "app/writing.h"
#include "projections/sqlite_target.h"

namespace tidelog {
namespace {

// What every projection has read. One that was never made has read nothing.
Result<Position> read_by_all(const CommandContext& context, const Config& config) {
  Position floor{UINT64_MAX};
  for (const ProjectionConfig& projection : config.projections) {
    TRY(const bool exists, context.disk.exists(projection.sqlite));
    Position next;
    if (exists) {
      TRY(const auto target, SqliteTarget::open(projection.sqlite));
      std::vector<std::string> streams = projection.streams;
      std::sort(streams.begin(), streams.end());
      streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
      TRY(const Checkpoint checkpoint, target->begin(streams));
      next = checkpoint.next;
    }
    floor = std::min(floor, next);
  }
  return floor;
}

Status print_report(const CommandContext& context, const CompactOptions& options,
                    const RetentionReport& report) {
  if (report.held_back) {
    TRY_DO(
        context.err.line("tidelog: note: some events are kept because a projection has not "
                         "read them yet; --past-consumers takes them all the same"));
  }
  if (options.common.json) {
    return context.out.line(fmt::format(
        R"({{"removed":{},"rewritten":{},"let_go":{},"bytes_before":{},"bytes_after":{},"held_back":{}}})",
        report.events_removed, report.segments_rewritten, report.segments_let_go,
        report.bytes_before, report.bytes_after, report.held_back));
  }
  return context.out.line(fmt::format(
      "removed {} events: {} segments written anew and {} let go, {} became {}",
      with_commas(report.events_removed), report.segments_rewritten, report.segments_let_go,
      print_bytes(report.bytes_before), print_bytes(report.bytes_after)));
}

}  // namespace

Status compact_store(const CommandContext& context, const CompactOptions& options) {
  if (options.common.config_file.empty())
    return fail(Code::misconfigured, "the rules are in the configuration: give -c FILE");
  TRY(const Config config, load_config(options.common.config_file, ConfigUse::store_only,
                                       {context.disk, context.environment, context.secrets}));
  if (config.store.retention.empty() && !config.store.max_bytes) {
    return fail(Code::misconfigured,
                fmt::format("{} has neither `retention` nor `max_bytes` in `store`, so all is kept",
                            config.file));
  }
  TRY(const auto store, open_for_writing(context, options.common, "store compact"));
  Position floor{UINT64_MAX};
  if (!options.past_consumers) {
    TRY(floor, read_by_all(context, config));
  }
  TRY_DO(store->seal());
  Progress progress(context.err, context.clock, context.err_is_terminal, "events",
                    store->durable().value);
  RetentionMemory memory;
  TRY(const RetentionReport report, retain(*store, config.store, floor, memory,
                                           [&](Position done) { progress.show(done.value); }));
  TRY_DO(print_report(context, options, report));
  return context.out.flush();
}

}  // namespace tidelog
