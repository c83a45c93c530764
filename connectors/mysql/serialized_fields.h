// The integers of MySQL's serialization library, in which newer events are written (MySQL Server
// documentation, "MySQL Serialization Library"): the low bits of the first byte say how many bytes
// follow, as many as there are ones before the first zero.
#pragma once

#include <bit>
#include <cstdint>

#include "core/bytes.h"

namespace tidelog::mysql {

// 1 to 9 bytes.
inline std::uint64_t serialized_integer(ByteReader& in) {
  const auto first = in.le<std::uint8_t>();
  const int more = std::countr_one(first);
  if (more == 8) return in.le<std::uint64_t>();
  std::uint64_t number = first;
  int shift = 8;
  for (const char c : in.bytes(static_cast<std::uint64_t>(more))) {
    number |= std::uint64_t{static_cast<std::uint8_t>(c)} << shift;
    shift += 8;
  }
  return number >> (more + 1);
}

// The sign is in the lowest bit.
inline std::int64_t serialized_signed(ByteReader& in) { return unzigzag(serialized_integer(in)); }

}  // namespace tidelog::mysql
