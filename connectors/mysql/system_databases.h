// The databases that a server keeps about itself: never captured.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace tidelog::mysql {

inline constexpr std::array<std::string_view, 4> system_databases = {"information_schema", "mysql",
                                                                     "performance_schema", "sys"};

inline bool is_system_database(std::string_view name) {
  return std::ranges::find(system_databases, name) != system_databases.end();
}

}  // namespace tidelog::mysql
