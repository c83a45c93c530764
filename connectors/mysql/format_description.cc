#include "connectors/mysql/format_description.h"

#include <fmt/format.h>

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::uint16_t binlog_version = 4;
constexpr std::size_t server_version_bytes = 50;
constexpr std::size_t algorithm_bytes = 1;

std::string_view until_zero(std::string_view padded) { return padded.substr(0, padded.find('\0')); }

}  // namespace

// u16 version | char[50] server version | u32 created | u8 header bytes | u8[…] post-header bytes |
// u8 checksum algorithm | u32 checksum
Result<FormatDescription> read_format_description(std::string_view body_and_checksum) {
  ByteReader in(body_and_checksum);
  FormatDescription description;
  const auto version = in.le<std::uint16_t>();
  description.server_version = until_zero(in.bytes(server_version_bytes));
  description.created = in.le<std::uint32_t>();
  const auto header_bytes = in.le<std::uint8_t>();
  if (!in.failed() && (version != binlog_version || header_bytes != event_header_bytes)) {
    return fail(Code::unsupported,
                fmt::format("a binlog of version {} with headers of {} bytes; {} and {} are known",
                            version, header_bytes, binlog_version, event_header_bytes));
  }
  if (in.remaining() < algorithm_bytes + event_checksum_bytes) in.fail();
  in.bytes(in.remaining() - (in.failed() ? 0 : algorithm_bytes + event_checksum_bytes));
  const auto algorithm = in.le<std::uint8_t>();
  in.bytes(event_checksum_bytes);
  if (!in.failed() && algorithm > static_cast<std::uint8_t>(ChecksumAlgorithm::crc32)) {
    return fail(Code::unsupported, fmt::format("a binlog with the checksum algorithm {}, written "
                                               "by server {}",
                                               algorithm, description.server_version));
  }
  description.checksum = static_cast<ChecksumAlgorithm>(algorithm);
  return in.finish(std::move(description), "Format_desc");
}

}  // namespace tidelog::mysql
