#include "app/backup_command.h"

#include <fmt/format.h>

#include "app/place.h"
#include "app/progress.h"
#include "app/table.h"
#include "eventstore/backup.h"
#include "eventstore/restore.h"
#include "eventstore/store_marks.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

OnCopyProgress show_in(Progress& progress) {
  return [&progress](const CopyProgress& now) {
    progress.set_total(now.bytes_total);
    progress.show(now.bytes);
  };
}

std::string print_json(const BackupReport& report) {
  return fmt::format(
      R"({{"uuid":"{}","position":{},"time":"{}","files":{},"bytes":{},"copied_files":{},"copied_bytes":{},"removed_files":{}}})",
      print_uuid(report.uuid), report.durable.value, print_time(report.time), report.file_count,
      report.bytes, report.copied_files, report.copied_bytes, report.removed_files);
}

std::string print_json(const RestoreReport& report) {
  return fmt::format(
      R"({{"uuid":"{}","position":{},"backup_position":{},"files":{},"bytes":{},"complete":{}}})",
      print_uuid(report.uuid), report.durable.value, report.of_backup.value, report.file_count,
      report.bytes, report.durable == report.of_backup);
}

// The position just after the last whole transaction that is wanted; nothing when all are.
Result<std::optional<Position>> end_of(const CommandContext& context,
                                       const RestoreOptions& options) {
  if (options.until.empty()) return std::optional<Position>();
  TRY(const Place until, parse_place(options.until, "--until", context.clock.now()));
  TRY(const auto reader, StoreReader::open(context.disk, options.from));
  TRY(const std::string source, deciding_source(*reader, {}));
  TRY(const Position end, end_position(*reader, until, source));
  return std::optional(end);
}

std::string tell(const RestoreReport& report, const RestoreOptions& options) {
  std::string text =
      fmt::format("{} is a store of its own now, with the {} events before position {}.",
                  options.to, with_commas(report.durable.value), report.durable.value);
  if (report.durable == report.of_backup) return text;
  return text + fmt::format(
                    "\nThe {} events after it are left out, so its sources do not go on from here: "
                    "`tidelog run` says how.",
                    with_commas(report.of_backup.value - report.durable.value));
}

}  // namespace

Status back_up(const CommandContext& context, const BackupOptions& options) {
  TRY(const std::string store, store_path(context, options.common));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  TRY(const BackupReport report,
      back_up_store(context.disk, context.clock, store, options.to, show_in(progress)));
  TRY_DO(progress.finish("copied", report.copied_bytes));
  if (options.common.json) {
    TRY_DO(context.out.line(print_json(report)));
  } else {
    TRY_DO(context.out.line(
        fmt::format("{} holds the {} events before position {}: {} in {} files, {} of them copied "
                    "now, every checksum verified.",
                    options.to, with_commas(report.durable.value), report.durable.value,
                    print_bytes(report.bytes), with_commas(report.file_count),
                    with_commas(report.copied_files))));
  }
  return context.out.flush();
}

Status restore(const CommandContext& context, const RestoreOptions& options) {
  TRY(const auto end, end_of(context, options));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  TRY(const RestoreReport report,
      restore_store(context.disk, context.clock, options.from, options.to, end, show_in(progress)));
  TRY_DO(progress.finish("restored", report.bytes));
  TRY_DO(context.out.line(options.json ? print_json(report) : tell(report, options)));
  return context.out.flush();
}

}  // namespace tidelog
