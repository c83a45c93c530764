// A transaction of several databases (X/Open's XA), as its coordinator names it.
#pragma once

#include <cstdint>
#include <string>

#include "core/bytes.h"

namespace tidelog::mysql {

struct XaId {
  std::uint32_t format = 0;
  std::string global;  // at most 64 bytes, and so the branch's
  std::string branch;
  bool operator==(const XaId&) const = default;
};

// Of sizes that were read before.
inline XaId read_xa_id(ByteReader& in, std::uint32_t format, std::uint64_t global_bytes,
                       std::uint64_t branch_bytes) {
  constexpr std::uint64_t part_bytes_max = 64;
  if (global_bytes > part_bytes_max || branch_bytes > part_bytes_max) in.fail();
  XaId id;
  id.format = format;
  id.global = in.bytes(global_bytes);
  id.branch = in.bytes(branch_bytes);
  return id;
}

}  // namespace tidelog::mysql
