#include "tests/fuzz/reseal.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "eventstore/format.h"

namespace tidelog::fuzz {
namespace {

template <class T>
T number_at(std::string_view bytes, std::size_t offset) {
  ByteReader in(bytes.substr(std::min(offset, bytes.size())));
  return in.le<T>();
}

}  // namespace

void patch_crc(std::string& bytes, std::size_t at, std::size_t begin, std::size_t end) {
  if (end > bytes.size() || begin > end || at + 4 > bytes.size()) return;
  patch_le(bytes, at, crc32c(std::string_view(bytes).substr(begin, end - begin)));
}

std::string with_last_crc(std::string_view input) {
  std::string bytes(input);
  if (bytes.size() >= 4) patch_crc(bytes, bytes.size() - 4, 0, bytes.size() - 4);
  return bytes;
}

std::size_t reseal_head(std::string& segment) {
  if (segment.size() < format::head_fixed_bytes) return 0;
  const auto body = number_at<std::uint64_t>(segment, 64);
  if (body > segment.size() - format::head_fixed_bytes) return 0;
  patch_crc(segment, 72, format::head_fixed_bytes, format::head_fixed_bytes + body);
  patch_crc(segment, 4, 8, format::head_fixed_bytes);
  return format::aligned(format::head_fixed_bytes + body);
}

void reseal_batches(std::string& file, std::size_t begin, std::uint32_t chain, bool rewritten) {
  const std::size_t headers =
      format::batch_fixed_bytes + (rewritten ? format::second_fixed_bytes : 0);
  for (std::size_t at = begin; at < file.size() && file.size() - at >= headers;) {
    const std::string_view header = std::string_view(file).substr(at, headers);
    if (number_at<std::uint32_t>(header, 0) != format::batch_magic) return;
    const auto extension = number_at<std::uint32_t>(header, rewritten ? 96 + 12 : 80);
    const auto body = number_at<std::uint64_t>(header, rewritten ? 96 + 24 : 88);
    const std::size_t left = file.size() - at - headers;
    if (extension > left || body > left - extension) return;
    patch_le(file, at + 72, chain);
    const std::size_t content = at + headers;
    patch_crc(file, at + (rewritten ? 96 + 16 : 84), content, content + extension);
    patch_crc(file, at + 4, at + 8, at + format::batch_fixed_bytes);
    chain = number_at<std::uint32_t>(file, at + 4);
    if (rewritten) {
      patch_le(file, at + 96 + 20, chain);
      patch_crc(file, at + 96 + 4, at + 96 + 8, content);
    }
    at += format::aligned(headers + extension + body);
  }
}

}  // namespace tidelog::fuzz
