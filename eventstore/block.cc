#include "eventstore/block.h"

#include <fmt/format.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "core/crc32c.h"
#include "core/invariant.h"

namespace tidelog {
namespace {

// Below this, compression costs more than it saves.
constexpr std::size_t compress_bytes_min = 256;

constexpr int zstd_level = 3;

// Making one takes longer than a block, so each thread keeps its own.
ZSTD_CCtx* zstd_compressor() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  INVARIANT(context != nullptr, "there is memory for zstd");
  return context.get();
}

ZSTD_DCtx* zstd_decompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  INVARIANT(context != nullptr, "there is memory for zstd");
  return context.get();
}

// 0: not within `capacity`.
std::size_t compress(format::Codec codec, std::string_view raw, char* out, std::size_t capacity) {
  if (raw.size() < compress_bytes_min) return 0;
  switch (codec) {
    case format::Codec::none:
      return 0;
    case format::Codec::lz4: {
      if (raw.size() > LZ4_MAX_INPUT_SIZE) return 0;
      const int n = LZ4_compress_default(raw.data(), out, static_cast<int>(raw.size()),
                                         static_cast<int>(capacity));
      return n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    case format::Codec::zstd: {
      const std::size_t n =
          ZSTD_compressCCtx(zstd_compressor(), out, capacity, raw.data(), raw.size(), zstd_level);
      return ZSTD_isError(n) != 0 ? 0 : n;
    }
  }
  return 0;
}

Status inflate(const format::BlockEntry& entry, std::string_view stored, std::string& buffer) {
  buffer.resize(entry.raw_bytes);
  std::size_t n = 0;
  if (entry.codec == format::Codec::lz4) {
    const int got =
        LZ4_decompress_safe(stored.data(), buffer.data(), static_cast<int>(stored.size()),
                            static_cast<int>(buffer.size()));
    n = got < 0 ? SIZE_MAX : static_cast<std::size_t>(got);
  } else {
    n = ZSTD_decompressDCtx(zstd_decompressor(), buffer.data(), buffer.size(), stored.data(),
                            stored.size());
  }
  if (n != entry.raw_bytes) {
    return fail(Code::corrupt,
                fmt::format("block: does not inflate to its {} bytes", entry.raw_bytes));
  }
  return {};
}

}  // namespace

Result<format::BlockEntry> put_block(std::string& body, std::string_view raw,
                                     std::uint64_t event_count, format::Codec codec) {
  if (raw.size() > format::block_raw_bytes_max) {
    return fail(Code::unsupported, fmt::format("an event takes {} bytes, limit {}", raw.size(),
                                               format::block_raw_bytes_max));
  }
  format::BlockEntry entry;
  entry.raw_bytes = raw.size();
  entry.event_count = event_count;
  const std::size_t offset = body.size();
  body.resize(offset + raw.size());  // as large as the raw bytes: a longer result is not wanted
  const std::size_t capacity = raw.size() - raw.size() / 8;
  const std::size_t compressed = compress(codec, raw, body.data() + offset, capacity);
  if (compressed != 0) {
    body.resize(offset + compressed);
    entry.codec = codec;
  } else {
    body.replace(offset, raw.size(), raw);
  }
  entry.stored_bytes = body.size() - offset;
  entry.crc = crc32c(std::string_view(body).substr(offset));
  return entry;
}

Result<std::string_view> open_block(const format::BlockEntry& entry, std::string_view stored,
                                    std::string& buffer) {
  INVARIANT(stored.size() == entry.stored_bytes, "the caller gives the whole block");
  const std::uint64_t larger = std::max(entry.raw_bytes, entry.stored_bytes);
  if (larger > format::block_raw_bytes_max) {
    return fail(Code::corrupt, fmt::format("block: claims {} bytes, limit {}", larger,
                                           format::block_raw_bytes_max));
  }
  const std::uint32_t crc = crc32c(stored);
  if (crc != entry.crc) {
    return fail(Code::corrupt,
                fmt::format("block: checksum is {:08x}, its bytes give {:08x}", entry.crc, crc));
  }
  switch (entry.codec) {
    case format::Codec::none:
      if (entry.raw_bytes != entry.stored_bytes)
        return fail(Code::corrupt, "block: stored plain, with two lengths");
      return stored;
    case format::Codec::lz4:
    case format::Codec::zstd:
      TRY_DO(inflate(entry, stored, buffer));
      return std::string_view(buffer);
  }
  return fail(Code::unsupported,
              fmt::format("block: codec {} is of a newer format", static_cast<int>(entry.codec)));
}

}  // namespace tidelog
