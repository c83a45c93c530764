#include "eventstore/written_bytes.h"

#include <algorithm>
#include <string>

#include "eventstore/format.h"

namespace tidelog {
namespace {

constexpr std::uint64_t chunk_bytes_min = 64 << 10;
constexpr std::uint64_t chunk_bytes_max = 1 << 20;

std::uint64_t to_boundary(std::uint64_t bytes, std::uint64_t file_bytes) {
  return std::min(format::aligned(bytes), file_bytes);
}

}  // namespace

Result<std::uint64_t> written_bytes(const File& file) {
  TRY(const std::uint64_t file_bytes, file.size());
  std::uint64_t end = file_bytes;
  // Of a full segment one small chunk tells.
  std::uint64_t wanted = chunk_bytes_min;
  std::string chunk;
  while (end != 0) {
    const std::uint64_t begin = end - std::min(end, wanted);
    TRY_DO(file.read(begin, end - begin, chunk));
    const std::size_t last = chunk.find_last_not_of('\0');
    if (last != std::string::npos) return to_boundary(begin + last + 1, file_bytes);
    end = begin;
    wanted = chunk_bytes_max;
  }
  return 0;
}

}  // namespace tidelog
