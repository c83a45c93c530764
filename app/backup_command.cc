#include "app/backup_command.h"

#include <fmt/format.h>

#include "app/folders.h"
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
      R"({{"uuid":"{}","position":{},"time":"{}","files":{},"bytes":{},"copied_files":{},"copied_bytes":{},"verified_bytes":{},"removed_files":{},"damaged":{},"record_was_damaged":{}}})",
      print_uuid(report.uuid), report.durable.value, print_time(report.time), report.file_count,
      report.bytes, report.copied_files, report.copied_bytes, report.verified_bytes,
      report.removed_files, json_list(report.damaged), report.record_was_damaged);
}

std::string tell(const BackupReport& report, const BackupOptions& options) {
  std::string text;
  if (report.record_was_damaged) {
    text += fmt::format("The record of the backup in {} was damaged: all of it is copied anew.\n",
                        options.to);
  }
  for (const std::string& damaged : report.damaged)
    text += fmt::format("{}: copied again.\n", damaged);
  const bool is_trusted = options.trust_copies && report.copied_files < report.file_count;
  return text + fmt::format(
                    "{} holds the history before position {}: {} in {} files, {} of them copied "
                    "now, {}.",
                    options.to, report.durable.value, print_bytes(report.bytes),
                    with_commas(report.file_count), with_commas(report.copied_files),
                    is_trusted ? "every checksum of those verified; the others were not read "
                                 "(--trust-copies)"
                               : "every checksum of all of them verified");
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
  // Not even the first event that is left: an empty store would pass for the history until then.
  const Position begin = reader->first();
  const auto* const position = std::get_if<Position>(&until);
  const bool is_before = position != nullptr ? *position < begin : end <= begin;
  if (begin != Position{} && is_before) return before_history(begin);
  return std::optional(end);
}

std::string tell(const RestoreReport& report, const RestoreOptions& options) {
  std::string text =
      fmt::format("{} is a store of its own now, with the history before position {}.", options.to,
                  report.durable.value);
  if (report.durable == report.of_backup) return text;
  return text +
         fmt::format(
             "\nThe {} positions after it are left out, so its sources do not go on from here: "
             "`tidelog run` says how.",
             with_commas(report.of_backup.value - report.durable.value));
}

}  // namespace

Status back_up(const CommandContext& context, const BackupOptions& options) {
  TRY(const std::string store, store_path(context, options.common));
  TRY_DO(check_elsewhere(options.to, store));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  TRY(const BackupReport report,
      back_up_store(context.disk, context.clock, store, options.to, show_in(progress),
                    options.trust_copies ? EarlierCopies::trusted : EarlierCopies::verified));
  TRY_DO(progress.finish("copied and verified", report.copied_bytes + report.verified_bytes));
  TRY_DO(context.out.line(options.common.json ? print_json(report) : tell(report, options)));
  return context.out.flush();
}

Status restore(const CommandContext& context, const RestoreOptions& options) {
  TRY_DO(check_elsewhere(options.to, options.from));
  TRY(const auto end, end_of(context, options));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  TRY(const RestoreReport report,
      restore_store(context.disk, context.clock, options.from, options.to, end, show_in(progress)));
  TRY_DO(progress.finish("restored", report.bytes));
  TRY_DO(context.out.line(options.json ? print_json(report) : tell(report, options)));
  return context.out.flush();
}

}  // namespace tidelog
