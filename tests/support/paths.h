// Where the checkout and the build folder are. Tests write only below the build folder.
#pragma once

#include <filesystem>

namespace tidelog::testing {

std::filesystem::path source_folder();
std::filesystem::path build_folder();

}  // namespace tidelog::testing
