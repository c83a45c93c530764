// The checksum at the end of a binlog event: zlib's CRC32 of all that is before it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tidelog::mysql {

// What the format description says of the file's events.
enum class ChecksumAlgorithm : std::uint8_t { none = 0, crc32 = 1 };

// Of bytes that follow others, whose value is `before`; 0 at the beginning.
std::uint32_t event_crc32(std::uint32_t before, std::string_view bytes);

}  // namespace tidelog::mysql
