#include "app/compact_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/progress.h"
#include "app/retention_run.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/packing.h"
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
                    const RetentionReport& report, const PackingReport& packing) {
  if (report.held_back) {
    TRY_DO(
        context.err.line("tidelog: note: some events are kept because a projection has not "
                         "read them yet; --past-consumers takes them all the same"));
  }
  if (options.common.json) {
    return context.out.line(fmt::format(
        R"({{"removed":{},"rewritten":{},"let_go":{},"bytes_before":{},"bytes_after":{},"held_back":{},"packed":{},"packed_bytes_before":{},"packed_bytes_after":{}}})",
        report.events_removed, report.segments_rewritten, report.segments_let_go,
        report.bytes_before, report.bytes_after, report.held_back, packing.segments,
        packing.bytes_before, packing.bytes_after));
  }
  if (packing.segments != 0) {
    TRY_DO(context.out.line(fmt::format("packed {} segments: {} became {}", packing.segments,
                                        print_bytes(packing.bytes_before),
                                        print_bytes(packing.bytes_after))));
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
  if (config.store.retention.empty() && !config.store.max_bytes && !packs(config.store)) {
    return fail(Code::misconfigured,
                fmt::format("{} has neither `retention` nor `max_bytes` nor `compress: zstd` in "
                            "`store`, so all is kept as it is",
                            config.file));
  }
  TRY(const auto store, open_for_writing(context, options.common, "store compact"));
  Position floor{UINT64_MAX};
  if (!options.past_consumers) {
    TRY(floor, read_by_all(context, config));
  }
  TRY_DO(finish_erasures(context, *store, "store compact"));
  TRY_DO(store->seal());
  Progress progress(context.err, context.clock, context.err_is_terminal, "events",
                    store->durable().value);
  RetentionMemory memory;
  TRY(const RetentionReport report, retain(*store, config.store, floor, memory,
                                           [&](Position done) { progress.show(done.value); }));
  PackingReport packing;
  PackingMemory packed;
  if (packs(config.store)) {
    TRY(packing, pack_segments(*store, packed, std::stop_token{}));
  }
  TRY_DO(print_report(context, options, report, packing));
  return context.out.flush();
}

}  // namespace tidelog
