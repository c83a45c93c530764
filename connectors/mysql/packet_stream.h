// PacketStream: the server's answer to a dump, taken apart into its packets (MySQL client/server
// protocol, "MySQL Packets": u24 size | u8 number | content). A packet of 16 MB or more comes in
// parts. What fits the buffer is given whole; a larger one is read over the seams of its parts, as
// much at a time as the reader has room for, and is never held here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "connectors/mysql/byte_channel.h"
#include "core/result.h"

namespace tidelog::mysql {

// One thread. The channel must outlive it.
class PacketStream {
 public:
  static constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
  // At least so much of a packet that is not whole is in Packet::content.
  static constexpr std::size_t beginning_bytes = 64;

  explicit PacketStream(ByteChannel& channel);

  // Views until the next call of anything here.
  struct Packet {
    std::string_view content;  // all of it, or only its beginning
    bool is_whole = true;      // otherwise read() has all of it, from the beginning on
  };
  // Nothing: it has not come yet. What was not read of the packet before must be read first.
  Result<std::optional<Packet>> next();

  // Of a packet that is not whole: up to `size` bytes. Fewer: the rest has not come yet, or this
  // was its end (is_over).
  Result<std::size_t> read(char* to, std::size_t size);
  bool is_over() const { return !is_in_packet_; }

 private:
  struct Part {
    std::size_t size = 0;
    std::uint8_t number = 0;
  };
  Part next_part() const;
  Result<bool> have(std::size_t bytes);
  Result<bool> begin_part();
  Result<std::size_t> read_of_part(char* to, std::size_t size);

  ByteChannel& channel_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;  // received and not yet used: [begin_, end_)
  std::size_t end_ = 0;
  // Of a packet that read() has:
  bool is_in_packet_ = false;
  bool is_last_part_ = false;
  std::size_t part_left_ = 0;
  std::uint8_t next_number_ = 0;  // each part has the number after the one before
  bool is_first_ = true;
};

}  // namespace tidelog::mysql
