#include "connectors/mysql/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <limits>

#include "core/bytes.h"
#include "core/invariant.h"

namespace tidelog::mysql {

namespace {

// A byte of deflate's comes to at most this many (zlib's documentation, "Technical Details").
constexpr std::uint64_t ratio_max = 1032;

// One RAII type for zlib's state.
class Inflation {
 public:
  explicit Inflation(ZlibHeader header) {
    const int bits = header == ZlibHeader::present ? MAX_WBITS : -MAX_WBITS;
    INVARIANT(inflateInit2(&stream_, bits) == Z_OK, "zlib has memory for its state");
  }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;
  ~Inflation() { inflateEnd(&stream_); }

  // Whether all of `from` came to all of `to`.
  bool run(std::string_view from, std::string& to) {
    // zlib does not write to what it reads, though its type says so.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(to.data());
    stream_.avail_out = static_cast<uInt>(to.size());
    return ::inflate(&stream_, Z_FINISH) == Z_STREAM_END && stream_.avail_in == 0 &&
           stream_.avail_out == 0;
  }

 private:
  z_stream stream_ = {};
};

}  // namespace

Status inflate(std::string& out, std::string_view compressed, std::uint64_t bytes,
               ZlibHeader header) {
  constexpr std::uint64_t bytes_max = std::numeric_limits<std::int32_t>::max();
  out.clear();
  if (bytes > bytes_max || compressed.size() > bytes_max || bytes / ratio_max > compressed.size()) {
    return fail(Code::corrupt,
                fmt::format("{} compressed bytes that claim to be {}", compressed.size(), bytes));
  }
  out.resize(static_cast<std::size_t>(bytes));
  Inflation inflation(header);
  if (inflation.run(compressed, out)) return {};
  out.clear();
  return fail(Code::corrupt, fmt::format("{} compressed bytes are damaged, or not {} bytes",
                                         compressed.size(), bytes));
}

Status inflate_block(std::string& out, std::string_view block, std::string_view what) {
  ByteReader in(block);
  const auto head = in.le<std::uint8_t>();
  constexpr unsigned zlib = 0x80;
  const unsigned length_bytes = head & 7U;
  if (!in.failed() && ((head & ~7U) != zlib || length_bytes == 0 || length_bytes > 4)) {
    return fail(Code::unsupported, fmt::format("{}: compressed in way 0x{:02x}", what, head));
  }
  std::uint64_t length = 0;
  for (const char c : in.bytes(length_bytes)) length = length << 8 | static_cast<std::uint8_t>(c);
  if (in.failed()) return fail(Code::corrupt, fmt::format("{}: cut off", what));
  return inflate(out, in.rest(), length, ZlibHeader::present);
}

}  // namespace tidelog::mysql
