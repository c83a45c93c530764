// The configuration file. What is wrong with it is said with a line, and no password with it.
#include "app/config.h"

#include <charconv>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/faulty_disk.h"

namespace tidelog {
namespace {

constexpr std::string_view password = "hunter22";

// "shop.yaml:7: what is wrong"
bool names_a_line(std::string_view what) {
  constexpr std::string_view file = "shop.yaml:";
  if (!what.starts_with(file)) return false;
  what.remove_prefix(file.size());
  unsigned line = 0;
  const auto read = std::from_chars(what.data(), what.data() + what.size(), line);
  return read.ec == std::errc() && line > 0 &&
         what.substr(static_cast<std::size_t>(read.ptr - what.data())).starts_with(": ");
}

void check_config(std::string_view text, ConfigUse use) {
  testing::FaultyDisk disk;
  const Environment environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "SHOP_URL") return "postgresql://shop:" + std::string(password) + "@db/shop";
    if (name == "FOLDER") return "/var/lib/tidelog";
    return std::nullopt;
  };
  Secrets secrets;
  const auto config = parse_config(text, "shop.yaml", use, {disk, environment, secrets});
  if (config) {
    INVARIANT(!config->store.path.empty() && config->store.segment_bytes > 0, "the store is named");
    for (const auto& source : config->sources) {
      INVARIANT(!source.name.empty() && source.line.number > 0, "a source is named");
      INVARIANT(source.connection.empty() == (use == ConfigUse::store_only), "and reached");
    }
    for (const auto& projection : config->projections)
      INVARIANT(!projection.name.empty() && !projection.sqlite.empty(), "a projection is named");
    return;
  }
  INVARIANT(config.error().code == Code::misconfigured, "what is wrong is the file");
  INVARIANT(names_a_line(config.error().what), "and its line is named");
  const bool gives_it_away = text.find(password) != std::string_view::npos;
  INVARIANT(gives_it_away || secrets.mask(config.error().what).find(password) == std::string::npos,
            "a password from the environment is not told");
}

}  // namespace
}  // namespace tidelog

TIDELOG_FUZZ_TARGET(config) {
  tidelog::check_config(input, tidelog::ConfigUse::everything);
  tidelog::check_config(input, tidelog::ConfigUse::store_only);
}
