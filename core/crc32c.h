// CRC-32C (Castagnoli, reflected, as in iSCSI, RFC 3720 appendix B.4): the checksum of everything
// on disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace tidelog {

// The checksum of `bytes`, continuing from `crc` (0 to begin).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace tidelog
