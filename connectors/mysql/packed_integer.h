// The length-encoded integers of the protocol (MySQL Server documentation, "Protocol::
// LengthEncodedInteger"): one byte below 251; 0xFC, 0xFD or 0xFE and 2, 3 or 8 bytes,
// little-endian.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/bytes.h"

namespace tidelog::mysql {

inline std::uint64_t packed_integer(ByteReader& in) {
  const auto first = in.le<std::uint8_t>();
  if (first < 0xFB) return first;
  if (first == 0xFC) return in.le<std::uint16_t>();
  if (first == 0xFD) {
    const std::uint64_t low = in.le<std::uint16_t>();
    return low | std::uint64_t{in.le<std::uint8_t>()} << 16;
  }
  if (first == 0xFE) return in.le<std::uint64_t>();
  in.fail();  // 0xFB is a null, 0xFF an error: no integers
  return 0;
}

// packed length | bytes
inline std::string_view packed_bytes(ByteReader& in) { return in.bytes(packed_integer(in)); }

// A count of items of at least one byte each: bounded by the bytes that are left.
inline std::size_t packed_count(ByteReader& in) {
  const std::uint64_t count = packed_integer(in);
  if (count <= in.remaining()) return static_cast<std::size_t>(count);
  in.fail();
  return 0;
}

}  // namespace tidelog::mysql
