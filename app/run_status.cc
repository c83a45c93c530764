#include "app/run_status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/source_orders.h"

namespace tidelog {
namespace {

using StatusJson = nlohmann::ordered_json;

constexpr const char* file_name = "status.json";
// Written once a second; a busy disk may take longer.
constexpr std::int64_t current_micros_max = 10'000'000;

template <class T>
StatusJson or_null(const std::optional<T>& value) {
  return value ? StatusJson(*value) : StatusJson(nullptr);
}

StatusJson to_json(const LoadStatus& load) {
  StatusJson out = {{"table", load.table},
                    {"load", load.number},
                    {"state", load.state},
                    {"rows", load.rows},
                    {"rows_estimated", load.rows_estimated}};
  if (!load.problem.empty()) out["problem"] = load.problem;
  return out;
}

LoadStatus load_from(const StatusJson& json) {
  LoadStatus load;
  load.table = json.at("table").get<std::string>();
  load.number = json.at("load").get<std::uint64_t>();
  load.state = json.at("state").get<std::string>();
  load.rows = json.at("rows").get<std::uint64_t>();
  load.rows_estimated = json.at("rows_estimated").get<std::uint64_t>();
  load.problem = json.value("problem", std::string());
  return load;
}

StatusJson to_json(const SourceStatus& source) {
  StatusJson out = {{"source", source.name},
                    {"state", source.state},
                    {"position", source.position},
                    {"confirmed", source.confirmed},
                    {"lag_bytes", or_null(source.lag_bytes)},
                    {"lag_seconds", or_null(source.lag_seconds)},
                    {"retained_bytes", or_null(source.retained_bytes)},
                    {"wal_status", source.wal_status.empty() ? StatusJson(nullptr)
                                                             : StatusJson(source.wal_status)},
                    {"safe_wal_bytes", or_null(source.safe_wal_bytes)},
                    {"loads_open", source.loads_open}};
  if (!source.warning.empty()) out["warning"] = source.warning;
  if (!source.error.empty()) out["error"] = source.error;
  for (const LoadStatus& load : source.loads) out["loads"].push_back(to_json(load));
  return out;
}

template <class T>
std::optional<T> optional_at(const StatusJson& json, const char* name) {
  const StatusJson value = json.value(name, StatusJson(nullptr));  // an older one has fewer
  return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

// What the file has beyond what is printed.
StatusJson to_file_json(const SourceStatus& source) {
  StatusJson out = to_json(source);
  if (source.failed_behind.empty()) return out;
  out["failed_from"] = to_hex(source.failed_from);
  out["failed_behind"] = to_hex(source.failed_behind);
  return out;
}

SourceStatus source_from(const StatusJson& json) {
  SourceStatus source;
  source.name = json.at("source").get<std::string>();
  source.state = json.at("state").get<std::string>();
  source.position = json.at("position").get<std::uint64_t>();
  source.confirmed = json.at("confirmed").get<std::string>();
  source.lag_bytes = optional_at<std::uint64_t>(json, "lag_bytes");
  source.lag_seconds = optional_at<double>(json, "lag_seconds");
  source.retained_bytes = optional_at<std::uint64_t>(json, "retained_bytes");
  source.wal_status = optional_at<std::string>(json, "wal_status").value_or("");
  source.safe_wal_bytes = optional_at<std::uint64_t>(json, "safe_wal_bytes");
  source.warning = json.value("warning", std::string());
  source.error = json.value("error", std::string());
  source.failed_from = from_hex(json.value("failed_from", std::string())).value_or("");
  source.failed_behind = from_hex(json.value("failed_behind", std::string())).value_or("");
  source.loads_open = json.value("loads_open", std::uint64_t{0});
  if (const auto loads = json.find("loads"); loads != json.end()) {
    for (const StatusJson& load : *loads) source.loads.push_back(load_from(load));
  }
  return source;
}

RunStatus status_from(const StatusJson& json) {
  RunStatus status;
  status.pid = json.at("pid").get<std::int64_t>();
  status.time.value = json.at("time").get<std::int64_t>();
  status.ended = json.at("ended").get<bool>();
  for (const StatusJson& source : json.at("sources")) status.sources.push_back(source_from(source));
  return status;
}

// Text from a server's error may be in any encoding: what is not UTF-8 is replaced, in this file
// for people only.
std::string dump(const StatusJson& json) {
  return json.dump(-1, ' ', false, StatusJson::error_handler_t::replace);
}

// The file is as long as whole blocks of a file system, so that it can be written in place when
// there is no block for another one.
constexpr std::size_t block_bytes = 4096;

std::string padded(std::string text, std::size_t bytes) {
  text.resize(bytes - 1, ' ');
  return text + "\n";
}

std::size_t whole_blocks(std::size_t bytes) {
  return (bytes + block_bytes) / block_bytes * block_bytes;
}

// No more than a reader's second look is lost when it meets half of this.
Status write_in_place(Disk& disk, const std::string& path, const std::string& text) {
  TRY(const auto file, disk.open_write(path));
  TRY(const std::uint64_t bytes, file->size());
  if (text.size() >= bytes)
    return fail(Code::disk_full, fmt::format("no space in {} for {} bytes", path, text.size()));
  return file->write(0, padded(text, bytes));
}

Result<RunStatus> parse(const std::string& path, const std::string& text) {
  try {
    return status_from(StatusJson::parse(text));
  } catch (const StatusJson::exception& error) {
    return fail(Code::failed, fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace

Status write_run_status(Disk& disk, const std::string& store, const RunStatus& status) {
  StatusJson sources = StatusJson::array();
  for (const SourceStatus& source : status.sources) sources.push_back(to_file_json(source));
  const StatusJson json = {{"pid", status.pid},
                           {"time", status.time.value},
                           {"ended", status.ended},
                           {"sources", std::move(sources)}};
  const std::string text = dump(json);
  Status replaced = replace_file(disk, store, file_name, padded(text, whole_blocks(text.size())));
  const bool is_full = !replaced && replaced.error().code == Code::disk_full;
  if (is_full && write_in_place(disk, store + "/" + file_name, text)) return {};
  return replaced;
}

Result<std::optional<RunStatus>> read_run_status(Disk& disk, const std::string& store) {
  const std::string path = store + "/" + file_name;
  for (bool again = false;; again = true) {
    const auto text = read_file(disk, path);
    if (!text && text.error().code == Code::not_found) return std::optional<RunStatus>();
    if (!text) return error_of(text);
    auto status = parse(path, *text);
    if (status) return std::optional<RunStatus>(*std::move(status));
    if (again) return error_of(status);  // not just written in place while it was read
  }
}

bool is_current(const RunStatus& status, UnixMicros now) {
  return !status.ended && now.value - status.time.value <= current_micros_max;
}

std::string print_source_status(const SourceStatus& status) { return dump(to_json(status)); }

}  // namespace tidelog
