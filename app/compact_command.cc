#include "app/compact_command.h"

#include <fmt/format.h>

#include "app/consumer_floor.h"
#include "app/progress.h"
#include "app/retention_run.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/packing.h"

namespace tidelog {

Status compact_store(const CommandContext& context, const CompactOptions& options) {
  TRY(const StoreConfig config, store_config(context, options.common));
  TRY(const auto store, open_for_writing(context, options.common, "store compact"));
  if (config.retention.empty() && !config.max_bytes && !packs(config) &&
      store->stream_lives().empty()) {
    return fail(Code::misconfigured,
                fmt::format("{}, and no stream was truncated or deleted: all is kept as it is",
                            options.common.config_file.empty()
                                ? "rules are in a configuration (-c FILE)"
                                : options.common.config_file +
                                      " has neither `retention` nor `max_bytes` nor `compress: "
                                      "zstd` in `store`"));
  }
  if (const auto small = small_max_bytes(config)) {
    TRY_DO(context.err.line("tidelog: warning: " + *small));
  }
  TRY(const Position floor, consumer_floor(context, options.common, options.past_consumers));
  TRY_DO(finish_erasures(context, *store, "store compact"));
  TRY_DO(store->seal());
  Progress progress(context.err, context.clock, context.err_is_terminal, "events",
                    store->durable().value);
  RetentionMemory memory;
  TRY(const RetentionReport report,
      retain(*store, config, floor, memory, [&](Position done) { progress.show(done.value); }, {}));
  PackingReport packing;
  PackingMemory packed;
  if (packs(config)) {
    TRY(packing, pack_segments(*store, packed, std::stop_token{}));
  }
  TRY_DO(print_retention(context, options.common.json, report, packing));
  return context.out.flush();
}

}  // namespace tidelog
