#include "connectors/mysql/packet_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/invariant.h"

namespace tidelog::mysql {

namespace {

constexpr std::size_t head_bytes = 4;
constexpr std::size_t full_part_bytes = 0xFFFFFF;  // another part follows, if only an empty one

}  // namespace

PacketStream::PacketStream(ByteChannel& channel)
    : channel_(channel), buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)) {}

// u24 size | u8 number
PacketStream::Part PacketStream::next_part() const {
  ByteReader in({buffer_.get() + begin_, head_bytes});
  const auto head = in.le<std::uint32_t>();
  return {head & full_part_bytes, static_cast<std::uint8_t>(head >> 24)};
}

// Whether so many bytes are in the buffer, after taking what has come.
Result<bool> PacketStream::have(std::size_t bytes) {
  while (end_ - begin_ < bytes) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ + bytes > buffer_bytes) {
      std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
      end_ -= std::exchange(begin_, 0);
    }
    TRY(const std::size_t received, channel_.receive(buffer_.get() + end_, buffer_bytes - end_));
    if (received == 0) return false;
    end_ += received;
  }
  return true;
}

Result<std::optional<PacketStream::Packet>> PacketStream::next() {
  INVARIANT(!is_in_packet_, "a packet is read to its end before the next one");
  TRY(const bool has_head, have(head_bytes));
  if (!has_head) return std::optional<Packet>();
  const Part part = next_part();
  const bool is_whole = part.size + head_bytes <= buffer_bytes;
  TRY(const bool has_content, have(head_bytes + (is_whole ? part.size : beginning_bytes)));
  if (!has_content) return std::optional<Packet>();
  if (!is_first_ && part.number != next_number_) {
    return fail(Code::corrupt, fmt::format("the server sent packet number {} where {} was expected",
                                           part.number, next_number_));
  }
  const char* const content = buffer_.get() + begin_ + head_bytes;
  if (!is_whole) {
    is_in_packet_ = true;
    part_left_ = 0;
    is_last_part_ = false;
    is_first_ = false;
    next_number_ = part.number;
    return std::optional(Packet{{content, beginning_bytes}, false});
  }
  is_first_ = false;
  next_number_ = static_cast<std::uint8_t>(part.number + 1);
  begin_ += head_bytes + part.size;
  return std::optional(Packet{{content, part.size}, true});
}

Result<bool> PacketStream::begin_part() {
  TRY(const bool has_head, have(head_bytes));
  if (!has_head) return false;
  const Part part = next_part();
  if (part.number != next_number_) {
    return fail(Code::corrupt, fmt::format("the server sent packet number {} where {} was expected",
                                           part.number, next_number_));
  }
  next_number_ = static_cast<std::uint8_t>(part.number + 1);
  begin_ += head_bytes;
  part_left_ = part.size;
  is_last_part_ = part.size < full_part_bytes;
  return true;
}

Result<std::size_t> PacketStream::read(char* to, std::size_t size) {
  INVARIANT(is_in_packet_, "there is a packet to be read");
  std::size_t done = 0;
  for (;;) {
    if (part_left_ == 0 && is_last_part_) {
      is_in_packet_ = false;
      return done;
    }
    if (part_left_ == 0) {
      TRY(const bool begun, begin_part());
      if (!begun) return done;
      continue;
    }
    if (done == size) return done;
    TRY(const std::size_t more, read_of_part(to + done, std::min(size - done, part_left_)));
    if (more == 0) return done;
    done += more;
    part_left_ -= more;
  }
}

// From the buffer, or past it.
Result<std::size_t> PacketStream::read_of_part(char* to, std::size_t size) {
  if (begin_ == end_) return channel_.receive(to, size);
  const std::size_t taken = std::min(size, end_ - begin_);
  std::copy_n(buffer_.get() + begin_, taken, to);
  begin_ += taken;
  return taken;
}

}  // namespace tidelog::mysql
