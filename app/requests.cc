#include "app/requests.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace tidelog {
namespace {

using Json = nlohmann::json;

constexpr std::string_view request_suffix = ".request";
constexpr std::string_view answer_suffix = ".answer";

std::string folder_of(const std::string& store) { return store + "/requests"; }

std::string file_of(std::string_view name, std::string_view suffix) {
  return fmt::format("{}{}", name, suffix);
}

template <class Read>
auto read_json(Disk& disk, const std::string& path, Read read)
    -> Result<decltype(read(std::declval<const Json&>()))> {
  TRY(const std::string text, read_file(disk, path));
  try {
    return read(Json::parse(text));
  } catch (const Json::exception& error) {
    return fail(Code::failed, fmt::format("{}: {}", path, error.what()));
  }
}

LoadRequest request_from(const Json& json) {
  LoadRequest request;
  request.what = json.at("do").get<std::string>() == "cancel" ? LoadRequest::What::cancel
                                                              : LoadRequest::What::load;
  request.source = json.at("source").get<std::string>();
  request.table = json.at("table").get<std::string>();
  request.where = json.at("where").get<std::string>();
  request.anew = json.value("anew", false);  // one of an older program lacks it
  return request;
}

LoadAnswer answer_from(const Json& json) {
  return {json.at("load").get<std::uint64_t>(), json.at("refused").get<std::string>()};
}

// What was asked may hold bytes of any kind: an argument of a command.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<std::string> ask(Disk& disk, const std::string& store, const LoadRequest& request,
                        UnixMicros now) {
  TRY_DO(disk.make_directory(folder_of(store)));
  std::string name = fmt::format("{:020}-{}", now.value, getpid());
  const Json json = {{"do", request.what == LoadRequest::What::cancel ? "cancel" : "load"},
                     {"source", request.source},
                     {"table", request.table},
                     {"where", request.where},
                     {"anew", request.anew}};
  TRY_DO(replace_file(disk, folder_of(store), file_of(name, request_suffix), dump(json)));
  return name;
}

Result<std::optional<LoadAnswer>> take_answer(Disk& disk, const std::string& store,
                                              const std::string& name) {
  const std::string path = folder_of(store) + "/" + file_of(name, answer_suffix);
  TRY(const bool is_there, disk.exists(path));
  if (!is_there) return std::optional<LoadAnswer>();
  TRY(LoadAnswer given, read_json(disk, path, answer_from));
  TRY_DO(disk.remove(path));
  return std::optional(std::move(given));
}

Status withdraw(Disk& disk, const std::string& store, const std::string& name) {
  for (const std::string_view suffix : {request_suffix, answer_suffix}) {
    const std::string path = folder_of(store) + "/" + file_of(name, suffix);
    const Status removed = disk.remove(path);
    if (!removed && removed.error().code != Code::not_found) return removed;
  }
  return {};
}

Result<std::vector<NamedRequest>> open_requests(Disk& disk, const std::string& store) {
  std::vector<NamedRequest> all;
  TRY(const bool any, disk.exists(folder_of(store)));
  if (!any) return all;
  TRY(const std::vector<std::string> files, disk.list(folder_of(store)));
  for (const std::string& file : files) {
    if (!file.ends_with(request_suffix)) continue;
    all.push_back({file.substr(0, file.size() - request_suffix.size()),
                   read_json(disk, folder_of(store) + "/" + file, request_from)});
  }
  return all;
}

Status answer(Disk& disk, const std::string& store, const std::string& name,
              const LoadAnswer& answer) {
  const Json json = {{"load", answer.number}, {"refused", answer.refused}};
  TRY_DO(replace_file(disk, folder_of(store), file_of(name, answer_suffix), dump(json)));
  return disk.remove(folder_of(store) + "/" + file_of(name, request_suffix));
}

}  // namespace tidelog
