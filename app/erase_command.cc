#include "app/erase_command.h"

#include <fmt/format.h>

#include <set>

#include "app/progress.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/erasure.h"
#include "eventstore/row_lives.h"
#include "formats/key_text.h"
#include "projections/snapshots.h"

namespace tidelog {
namespace {

// What the key's text means in each form that the stream's keys ever had: a column may have changed
// its type. In a stream of an application it is the text itself.
Result<std::vector<std::string>> stored_keys(StoreReader& reader, const EraseOptions& options) {
  TRY(const StreamState stream, stream_state(reader, options.stream));
  if (!stream.is_table) return std::vector<std::string>{options.key};
  std::set<std::string> keys;
  Status refused;
  const auto take = [&](const Schema& schema) {
    auto key = parse_key(options.key, schema);
    if (key) {
      keys.insert(*std::move(key));
    } else {
      refused = error_of(key);
    }
  };
  TRY(const auto versions, reader.schema_versions(options.stream));
  for (const SchemaId id : versions) {
    TRY(const Schema* const schema, reader.schema(id));
    take(*schema);
  }
  TRY(const Position base, base_position(reader, stream.id));
  if (base != Position{}) {
    TRY(const auto file, open_snapshot(reader, stream, {stream.id, base, true}));
    for (const SchemaId id : file->schema_ids()) {
      TRY(const Schema* const schema, file->schema(id));
      take(*schema);
    }
  }
  if (keys.empty()) return error_of(refused);
  return std::vector<std::string>(keys.begin(), keys.end());
}

Status print_found(const CommandContext& context, const EraseOptions& options,
                   const FoundRows& found) {
  if (options.common.json)
    return context.out.line(
        fmt::format(R"({{"events":{},"keys":{}}})", found.events.size(), found.keys.size()));
  return context.out.line(
      fmt::format("would erase {} events under {} keys", found.events.size(), found.keys.size()));
}

Status print_report(const CommandContext& context, const EraseOptions& options,
                    const ErasureReport& report) {
  if (options.common.json) {
    return context.out.line(fmt::format(R"({{"events":{},"keys":{},"segments":{}}})", report.events,
                                        report.keys, report.segments));
  }
  return context.out.line(fmt::format(
      "erased {} events under {} keys; {} segments were written anew.\nNot reached: backups made "
      "before, what sinks and projections hold, blocks of the disk that are free now.",
      with_commas(report.events), report.keys, report.segments));
}

}  // namespace

Status erase_key(const CommandContext& context, const EraseOptions& options) {
  TRY(const auto reader, open_reader(context, options.common));
  TRY_DO(check_stream(*reader, options.stream));
  TRY(const auto keys, stored_keys(*reader, options));
  if (options.dry_run) {
    TRY(const FoundRows found, rows_of_keys(*reader, options.stream, keys, reader->durable()));
    TRY_DO(print_found(context, options, found));
    return context.out.flush();
  }
  TRY(const auto store, open_for_writing(context, options.common, "store erase"));
  Progress progress(context.err, context.clock, context.err_is_terminal, "events",
                    store->durable().value);
  ErasureOptions erasure;
  erasure.forget = [&](const Erasure& found) {
    return forget_in_snapshots(*reader, found, lock_holder(context.clock, "store erase"));
  };
  erasure.on_progress = [&](Position done) { progress.show(done.value); };
  TRY(const ErasureReport report, erase(*store, options.stream, keys, erasure));
  TRY_DO(print_report(context, options, report));
  return context.out.flush();
}

}  // namespace tidelog
