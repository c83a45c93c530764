#include "connectors/mysql/event_checksum.h"

#include <zlib.h>

namespace tidelog::mysql {

std::uint32_t event_crc32(std::uint32_t before, std::string_view bytes) {
  const auto* const data = reinterpret_cast<const Bytef*>(bytes.data());
  return static_cast<std::uint32_t>(crc32_z(before, data, bytes.size()));
}

}  // namespace tidelog::mysql
