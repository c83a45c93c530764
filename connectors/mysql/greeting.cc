#include "connectors/mysql/greeting.h"

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::uint8_t protocol_version = 10;
constexpr std::uint8_t is_error = 0xFF;  // in place of a greeting
constexpr std::uint16_t has_tls = 0x0800;

}  // namespace

// u24 size | u8 number | u8 10 | server's version, 0 | u32 connection | char[8] | u8 0 | u16 what
// it is able to do | …
std::optional<bool> offers_tls(std::string_view bytes) {
  ByteReader in(bytes);
  in.le<std::uint32_t>();
  const auto version = in.le<std::uint8_t>();
  if (in.failed()) return std::nullopt;
  if (version != protocol_version) return version == is_error || version < protocol_version;
  in.cstr();
  in.bytes(4 + 8 + 1);
  const auto abilities = in.le<std::uint16_t>();
  if (in.failed()) return std::nullopt;
  return (abilities & has_tls) != 0;
}

}  // namespace tidelog::mysql
