// What the fuzz targets begin with: real structures, made by the program that writes them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace tidelog::fuzz {

// By the target's name.
using Seeds = std::map<std::string, std::vector<std::string>, std::less<>>;
Seeds all_seeds();

}  // namespace tidelog::fuzz
