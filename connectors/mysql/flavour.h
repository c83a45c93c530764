// Which family a server belongs to: where their binlogs differ, the bytes alone do not say it.
#pragma once

#include <cstdint>

namespace tidelog::mysql {

enum class Flavour : std::uint8_t { mysql, mariadb };

}  // namespace tidelog::mysql
