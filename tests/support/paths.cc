#include "tests/support/paths.h"

namespace tidelog::testing {

std::filesystem::path source_folder() { return TIDELOG_SOURCE_FOLDER; }
std::filesystem::path build_folder() { return TIDELOG_BUILD_FOLDER; }

}  // namespace tidelog::testing
