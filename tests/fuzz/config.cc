#include "app/config.h"

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/faulty_disk.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(config) {
  testing::FaultyDisk disk;
  const Environment environment = [](std::string_view) { return std::optional<std::string>(); };
  for (const ConfigUse use : {ConfigUse::everything, ConfigUse::store_only}) {
    Secrets secrets;
    static_cast<void>(parse_config(input, "shop.yaml", use, {disk, environment, secrets}));
  }
}
