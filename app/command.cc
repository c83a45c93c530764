#include "app/command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/nearest.h"
#include "app/pattern.h"

namespace tidelog {
namespace {

tl::unexpected<Error> no_stream(std::string_view pattern, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  if (known.empty()) return fail(Code::not_found, "the store has no events yet");
  return fail(Code::not_found,
              fmt::format("no stream is called `{}`{}", pattern, suggestion(pattern, known)));
}

}  // namespace

Result<StoreConfig> store_config(const CommandContext& context, const CommonOptions& options) {
  if (!options.store.empty()) {
    StoreConfig config;
    config.path = options.store;
    return config;
  }
  if (options.config_file.empty()) {
    return fail(Code::misconfigured, "which store? Give -c FILE (a configuration) or --store DIR");
  }
  TRY(Config config, load_config(options.config_file, ConfigUse::store_only,
                                 {context.disk, context.environment, context.secrets}));
  return std::move(config.store);
}

Result<std::string> store_path(const CommandContext& context, const CommonOptions& options) {
  TRY(StoreConfig config, store_config(context, options));
  return std::move(config.path);
}

Result<std::unique_ptr<StoreReader>> open_reader(const CommandContext& context,
                                                 const CommonOptions& options) {
  TRY(const std::string path, store_path(context, options));
  return StoreReader::open(context.disk, path);
}

Result<std::vector<std::string>> matching_streams(StoreReader& reader,
                                                  const std::vector<std::string>& patterns) {
  std::vector<std::string> found;
  if (patterns.empty()) return found;  // all; a damaged store need not be able to list them
  TRY(const std::vector<std::string> names, reader.stream_names());
  for (const std::string& pattern : patterns) {
    const std::size_t before = found.size();
    std::copy_if(names.begin(), names.end(), std::back_inserter(found),
                 [&](const std::string& name) { return matches(pattern, name); });
    if (found.size() == before) return no_stream(pattern, names);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Status check_stream(StoreReader& reader, const std::string& stream) {
  TRY(const std::vector<std::string> names, reader.stream_names());
  if (std::binary_search(names.begin(), names.end(), stream)) return {};
  return no_stream(stream, names);
}

}  // namespace tidelog
