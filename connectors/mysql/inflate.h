// Bytes that a server compressed with zlib. For compressed rows and compressed columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

enum class ZlibHeader : std::uint8_t { present, absent };

// Replaces `out` by exactly `bytes` bytes. Corrupt: the stream is damaged, ends early or goes on,
// or could not come to so many bytes (which is seen before memory is taken).
Status inflate(std::string& out, std::string_view compressed, std::uint64_t bytes,
               ZlibHeader header);

// MariaDB's compressed rows and statements, `what`: u8 0x80 | bytes of the length, big-endian
// length | zlib's stream. Unsupported: compressed in another way.
Status inflate_block(std::string& out, std::string_view block, std::string_view what);

}  // namespace tidelog::mysql
