#include "app/check_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "app/retention_run.h"
#include "app/run_status.h"
#include "app/source_connector.h"
#include "app/table.h"
#include "core/source_position.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

// What is there of the store, before `run` opens or makes it.
struct StoreFacts {
  bool exists = false;
  StoreStats stats;
  bool is_running = false;  // a `run` is at work on it
};

struct Report {
  const CommandContext& context;
  bool json;
  std::uint64_t error_count = 0;
  Code first_code = Code::failed;

  // `subject` is "store" or the source's name.
  Status found(std::string_view subject, const Finding& finding);
  Status fine(std::string_view subject, std::string_view what);
  Status line(std::string_view subject, std::string_view severity, std::string_view what,
              std::string_view mend);
};

Status Report::line(std::string_view subject, std::string_view severity, std::string_view what,
                    std::string_view mend) {
  const std::string shown_what = context.secrets.mask(what);
  const std::string shown_mend = context.secrets.mask(mend);
  if (!json) {
    TRY_DO(context.out.line(fmt::format("{}: {}: {}", subject, severity, shown_what)));
    return shown_mend.empty() ? Status{}
                              : context.out.line(fmt::format("    mend it: {}", shown_mend));
  }
  std::string out = "{\"subject\":";
  put_json_text(out, subject);
  out += fmt::format(",\"severity\":\"{}\",\"what\":", severity);
  put_json_text(out, shown_what);
  out += ",\"mend\":";
  put_json_text(out, shown_mend);
  return context.out.line(out + "}");
}

Status Report::found(std::string_view subject, const Finding& finding) {
  if (finding.severity == Finding::Severity::fine) return fine(subject, finding.what);
  if (finding.severity == Finding::Severity::warning) {
    return line(subject, "warning", finding.what, finding.mend);
  }
  if (error_count++ == 0) first_code = finding.code;
  return line(subject, "error", finding.what, finding.mend);
}

Status Report::fine(std::string_view subject, std::string_view what) {
  return line(subject, "ok", what, "");
}

// The nearest folder above that exists decides whether the store's can be made.
std::filesystem::path nearest_existing(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) {
    path = path.parent_path();
  }
  return path;
}

Status check_writable(Report& report, const std::string& path) {
  const std::string folder = nearest_existing(path).string();
  if (access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return report.found("store", {Finding::Severity::error, Code::misconfigured,
                                fmt::format("the folder {} is not writable", folder),
                                fmt::format("let this user write there, or configure another "
                                            "`store: path`")});
}

Result<StoreFacts> check_store(Report& report, const std::string& path) {
  StoreFacts facts;
  TRY_DO(check_writable(report, path));
  auto reader = StoreReader::open(report.context.disk, path);
  if (!reader && reader.error().code == Code::not_found) {
    TRY_DO(report.fine("store", fmt::format("{} will be made", path)));
    return facts;
  }
  if (!reader) {
    TRY_DO(report.found("store",
                        {Finding::Severity::error, reader.error().code, reader.error().what, ""}));
    return facts;
  }
  facts.exists = true;
  TRY(facts.stats, (*reader)->stats());
  TRY(const auto last, read_run_status(report.context.disk, path));
  facts.is_running = last && is_current(*last, report.context.clock.now());
  TRY_DO(report.fine("store", fmt::format("{} holds the history before position {}{}", path,
                                          facts.stats.durable.value,
                                          facts.is_running ? ", and a run is at work on it" : "")));
  return facts;
}

// Empty: nothing is stored.
std::string stored_position(const StoreFacts& facts, const std::string& source) {
  for (const SourceState& state : facts.stats.sources) {
    if (state.name == source) return state.position;
  }
  return "";
}

Status check_source(Report& report, const SourceConfig& source, const StoreFacts& facts) {
  const std::string stored = stored_position(facts, source.name);
  const auto connector = connector_of(source, nullptr, std::stop_token{});
  TRY(const std::vector<Finding> findings, connector->check(stored));
  const std::uint64_t errors_before = report.error_count;
  for (const Finding& finding : findings) {
    // The run that is at work holds the slot: that is as it must be.
    if (facts.is_running && finding.code == Code::conflict) continue;
    TRY_DO(report.found(source.name, finding));
  }
  if (report.error_count > errors_before) return {};
  TRY(const std::vector<std::string> remarks, connector->remarks());
  for (const std::string& remark : remarks) TRY_DO(report.fine(source.name, remark));
  return report.fine(source.name, stored.empty() ? std::string(connector->ready())
                                                 : fmt::format("ready to go on from {}",
                                                               print_source_position(stored)));
}

}  // namespace

Status check_everything(const CommandContext& context, const CommonOptions& options) {
  if (options.config_file.empty()) return fail(Code::misconfigured, "check what? Give -c FILE");
  TRY(const Config config, load_config(options.config_file, ConfigUse::everything,
                                       {context.disk, context.environment, context.secrets}));
  Report report{context, options.json};
  TRY(const StoreFacts facts, check_store(report, config.store.path));
  if (const auto small = small_max_bytes(config.store)) {
    TRY_DO(report.found("store", {Finding::Severity::warning, Code::misconfigured, *small,
                                  "a larger `max_bytes`"}));
  }
  for (const SourceConfig& source : config.sources) TRY_DO(check_source(report, source, facts));
  if (config.sources.empty()) {
    TRY_DO(
        report.found("configuration",
                     {Finding::Severity::error, Code::misconfigured,
                      fmt::format("{} has no `sources`, so there is nothing to run", config.file),
                      "add one: see config/shop.yaml"}));
  }
  TRY_DO(context.out.flush());
  if (report.error_count == 0) return {};
  return fail(report.first_code,
              fmt::format("{} must be mended before `tidelog run -c {}` can work",
                          report.error_count == 1 ? "1 thing"
                                                  : fmt::format("{} things", report.error_count),
                          config.file));
}

}  // namespace tidelog
