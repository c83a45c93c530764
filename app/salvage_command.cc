#include "app/salvage_command.h"

#include <fmt/format.h>

#include "app/folders.h"
#include "app/progress.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/copied_store.h"
#include "eventstore/salvage.h"
#include "eventstore/store_marks.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

std::string list_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    put_json_text(out, text);
  }
  return out + "]";
}

std::string print_json(const MissingEvents& missing) {
  std::string file;
  std::string why;
  put_json_text(file, missing.file);
  put_json_text(why, missing.why);
  return fmt::format(R"({{"first":{},"last":{},"count":{},"streams":{},"file":{},"why":{}}})",
                     missing.first.value, missing.first.value + missing.count - 1, missing.count,
                     list_json(missing.streams), file, why);
}

std::string print_json(const SalvageReport& report) {
  std::string missing;
  for (const MissingEvents& each : report.missing_events) {
    if (!missing.empty()) missing += ',';
    missing += print_json(each);
  }
  return fmt::format(
      R"({{"uuid":"{}","position":{},"events":{},"missing":{},"missing_events":[{}],"lost_states":{},"notes":{}}})",
      print_uuid(report.uuid), report.end.value, report.recovered, report.missing, missing,
      list_json(report.lost_states), list_json(report.notes));
}

std::string streams_text(const MissingEvents& missing) {
  std::string out;
  for (const std::string& stream : missing.streams) {
    out += out.empty() ? "" : ", ";
    out += stream;
  }
  return out.empty() ? "not known" : out;
}

Status print_text(const CommandContext& context, const SalvageReport& report,
                  const SalvageOptions& options) {
  for (const std::string& note : report.notes) TRY_DO(context.err.line("damaged: " + note));
  for (const std::string& lost : report.lost_states)
    TRY_DO(context.err.line("lost: what a table held where its history begins: " + lost));
  Table table(
      {{"missing from", Align::right}, {"to", Align::right}, {"streams"}, {"file"}, {"why"}});
  for (const MissingEvents& missing : report.missing_events) {
    table.add({fmt::format("{}", missing.first.value),
               fmt::format("{}", missing.first.value + missing.count - 1), streams_text(missing),
               missing.file, missing.why});
  }
  if (!report.missing_events.empty()) TRY_DO(context.out.write(table.take(false)));
  const bool whole = report.missing == 0 && report.lost_states.empty();
  return context.out.line(
      fmt::format("{} holds {} events at the positions that they had; {} are missing{}.",
                  options.to, with_commas(report.recovered), with_commas(report.missing),
                  whole ? "" : ", and its sources do not go on from here: `tidelog run` says how"));
}

}  // namespace

Status salvage(const CommandContext& context, const SalvageOptions& options) {
  TRY_DO(check_elsewhere(options.to, options.from));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  std::uint64_t bytes = 0;
  TRY(const SalvageReport report, salvage_store(context.disk, context.clock, options.from,
                                                options.to, [&](const CopyProgress& now) {
                                                  bytes = now.bytes;
                                                  progress.set_total(now.bytes_total);
                                                  progress.show(now.bytes);
                                                }));
  TRY_DO(progress.finish("salvaged", bytes));
  if (options.json) {
    TRY_DO(context.out.line(print_json(report)));
  } else {
    TRY_DO(print_text(context, report, options));
  }
  return context.out.flush();
}

Status adopt_store(const CommandContext& context, const CommonOptions& options) {
  TRY(const std::string path, store_path(context, options));
  TRY_DO(adopt_copy(context.disk, path, lock_holder(context.clock, "store adopt")));
  std::string line = fmt::format("{} is the store from here on.", path);
  if (options.json) {
    line = R"({"store":)";
    put_json_text(line, path);
    line += '}';
  }
  TRY_DO(context.out.line(line));
  return context.out.flush();
}

}  // namespace tidelog
