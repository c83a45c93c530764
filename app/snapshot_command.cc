#include "app/snapshot_command.h"

#include <fmt/format.h>

#include "app/progress.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/state_directory.h"
#include "formats/json_text.h"
#include "projections/snapshot_check.h"
#include "projections/snapshots.h"

namespace tidelog {
namespace {

Status print_made(const CommandContext& context, const CommonOptions& options,
                  const StateFile& made) {
  const StateAbout& about = made.about();
  if (options.json) {
    std::string line = "{\"stream\":";
    put_json_text(line, about.stream_name);
    line += fmt::format(",\"position\":{},\"rows\":{},\"bytes\":{}}}", about.position.value,
                        about.row_count, made.file_bytes());
    return context.out.line(line);
  }
  return context.out.line(fmt::format("{}: {} rows before position {}, {}", about.stream_name,
                                      with_commas(about.row_count), about.position.value,
                                      print_bytes(made.file_bytes())));
}

Result<std::vector<std::string>> streams_of(const CommandContext&, StoreReader& reader,
                                            const SnapshotCommandOptions& options) {
  if (!options.stream.empty()) {
    TRY_DO(check_stream(reader, options.stream));
    return std::vector<std::string>{options.stream};
  }
  TRY(const auto streams, reader.streams());
  std::vector<std::string> names;
  for (const StreamState& stream : streams) {
    if (stream.is_table) names.push_back(stream.name);
  }
  return names;
}

}  // namespace

Status make_snapshots(const CommandContext& context, const SnapshotCommandOptions& options) {
  TRY(const StoreConfig config, store_config(context, options.common));
  TRY(const auto reader, open_reader(context, options.common));
  TRY(const auto names, streams_of(context, *reader, options));
  const StateDirectory directory(context.disk, reader->directory());
  TRY(const auto lock, directory.lock(lock_holder(context.clock, "store snapshot")));
  const Position end = reader->durable();
  for (const std::string& name : names) {
    std::string damage;
    TRY(const SnapshotName made, make_snapshot(
                                     *reader, {name, end},
                                     [&](const std::string& what) {
                                       damage += fmt::format(
                                           "tidelog: note: a state snapshot was damaged and is "
                                           "removed: {}\n",
                                           what);
                                     },
                                     std::stop_token{}));
    TRY_DO(context.err.write(damage));
    TRY_DO(prune_snapshots(directory, made.stream, config.snapshots.keep));
    TRY(const auto file, StateFile::open(context.disk, directory.path(made)));
    TRY_DO(print_made(context, options.common, *file));
  }
  return context.out.flush();
}

Status verify_states(const CommandContext& context, const CommonOptions& options) {
  TRY(const auto reader, open_reader(context, options));
  const StateDirectory directory(context.disk, reader->directory());
  TRY(const auto lock, directory.lock(lock_holder(context.clock, "store verify")));
  TRY(const auto names, directory.list());
  Progress progress(context.err, context.clock, context.err_is_terminal, "state snapshots",
                    names.size());
  TRY(const SnapshotCheck check,
      check_snapshots(
          *reader, [&](const SnapshotCheck& now) { progress.show(now.snapshot_count); },
          std::stop_token{}));
  TRY_DO(progress.finish("compared", check.snapshot_count));
  for (const std::string& damage : check.damage) TRY_DO(context.err.line("damaged: " + damage));
  const bool is_whole = check.damage.empty();
  if (options.json) {
    TRY_DO(context.out.line(
        fmt::format(R"({{"snapshots":{},"base_snapshots":{},"rows":{},"whole":{}}})",
                    check.snapshot_count, check.base_count, check.row_count, is_whole)));
  } else if (is_whole) {
    TRY_DO(context.out.line(fmt::format(
        "{} state snapshots are what a full replay gives, in {} rows.",
        with_commas(check.snapshot_count - check.base_count), with_commas(check.row_count))));
    if (check.base_count > 0) {
      TRY_DO(context.out.line(
          fmt::format("{} base snapshots stand for events that retention removed: nothing is left "
                      "to compare them with, but their checksums, order and counts agree.",
                      with_commas(check.base_count))));
    }
  }
  TRY_DO(context.out.flush());
  if (is_whole) return {};
  return fail(Code::corrupt,
              fmt::format("{} state snapshots are damaged (see above)", check.damage.size()));
}

}  // namespace tidelog
