#include "connectors/mysql/event_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/mysql/server_error.h"
#include "core/bytes.h"
#include "core/invariant.h"

namespace tidelog::mysql {

namespace {

// What the first byte of a packet says.
constexpr char is_ok = '\x00';
constexpr char is_end = '\xFE';
constexpr char is_error = '\xFF';

constexpr std::size_t end_packet_bytes_max = 8;
constexpr std::size_t piece_bytes = 256 << 10;
// A smaller one would have come whole.
constexpr std::size_t event_bytes_min = PacketStream::buffer_bytes - 8;
// The servers' largest packet, 1 GB, and some room for what MariaDB adds to a row.
constexpr std::size_t event_bytes_max = (std::size_t{1} << 30) + (1 << 20);

}  // namespace

EventStream::EventStream(ByteChannel& channel, EventCheck::Continuity continuity, bool stops_at_end)
    : packets_(channel), check_(continuity), stops_at_end_(stops_at_end) {}

Result<Arrival> EventStream::next() {
  if (large_ == Large::whole && left_ != 0) return go_on_with_whole();
  TRY(const bool passed, pass_over_rest());
  if (!passed) return Arrival::nothing;
  bytes_.reset();
  large_ = Large::none;
  auto packet = packets_.next();
  if (!packet) return tl::unexpected<Error>(here(std::move(packet).error()));
  if (!*packet) return Arrival::nothing;
  return take_packet(**packet);
}

Error EventStream::here(Error error) const {
  if (!check_.file().empty())
    error.what = fmt::format("binlog {} at {}: {}", check_.file(), check_.offset(), error.what);
  return error;
}

Result<Arrival> EventStream::take_packet(const PacketStream::Packet& packet) {
  const std::string_view content = packet.content;
  if (content.empty())
    return tl::unexpected<Error>(here({Code::corrupt, "the server sent an empty packet"}));
  if (content.front() == is_ok) {
    if (!packet.is_whole) return begin_large(content.substr(1));
    TRY(event_, check_.take(content.substr(1)));
    return Arrival::event;
  }
  if (content.front() == is_error && packet.is_whole)
    return tl::unexpected<Error>(here(read_error_packet(content.substr(1))));
  if (content.front() == is_end && content.size() <= end_packet_bytes_max) {
    if (stops_at_end_) return Arrival::end;
    return tl::unexpected<Error>(here({Code::unavailable, "the server ended the binlog dump"}));
  }
  return tl::unexpected<Error>(
      here({Code::corrupt, fmt::format("the server sent a packet that begins with 0x{:02x}",
                                       static_cast<unsigned char>(content.front()))}));
}

// -- events that are larger than the buffer --

Error EventStream::wrong_size() const {
  return {Code::corrupt,
          fmt::format("binlog {} at {}: an event says that it has {} bytes, which is not the size "
                      "of its packet",
                      check_.file(), check_.offset(), event_.event.header.event_bytes)};
}

Result<Arrival> EventStream::begin_large(std::string_view beginning) {
  if (!check_.has_format()) {
    return tl::unexpected<Error>(
        here({Code::corrupt, "a large event comes before the format of its file was told"}));
  }
  TRY(event_, check_.take_header(beginning));
  const EventHeader& header = event_.event.header;
  if (header.event_bytes > event_bytes_max || header.event_bytes < event_bytes_min)
    return tl::unexpected<Error>(wrong_size());
  filled_ = 0;
  if (header.type != EventType::transaction_payload) {
    large_ = Large::whole;
    left_ = header.event_bytes;
    bytes_ = std::make_unique_for_overwrite<char[]>(left_);
    TRY_DO(packets_.read(bytes_.get(), 1));  // what says that it is an event
    return go_on_with_whole();
  }
  large_ = Large::pieces;
  left_ = header.event_bytes - event_header_bytes;
  crc_ = event_crc32(0, beginning.substr(0, event_header_bytes));
  bytes_ = std::make_unique_for_overwrite<char[]>(piece_bytes + event_checksum_bytes);
  TRY_DO(packets_.read(bytes_.get(), 1 + event_header_bytes));  // it has come already
  return Arrival::event;
}

Result<Arrival> EventStream::go_on_with_whole() {
  TRY(const bool has_all, fill(left_));
  if (!has_all) return Arrival::nothing;
  TRY(const bool ended, end_packet());
  if (!ended) return Arrival::nothing;
  TRY(event_, check_.take({bytes_.get(), left_}));
  left_ = 0;
  return Arrival::event;
}

Result<std::optional<std::string_view>> EventStream::next_piece() {
  INVARIANT(large_ == Large::pieces, "there is an event in pieces");
  if (left_ == 0) return std::optional<std::string_view>();
  // The checksum comes with the last of the body, which is not given before it is verified.
  const bool is_last = left_ <= piece_bytes + event_checksum_bytes;
  const std::size_t bytes = is_last ? left_ : piece_bytes;
  TRY(const bool has_all, fill(bytes));
  if (!has_all) return std::optional<std::string_view>();
  std::string_view piece(bytes_.get(), bytes);
  if (is_last) {
    TRY(const bool ended, end_packet());
    if (!ended) return std::optional<std::string_view>();
    const std::string_view checksum = piece.substr(bytes - check_.checksum_bytes());
    piece.remove_suffix(checksum.size());
    if (!checksum.empty() && ByteReader(checksum).le<std::uint32_t>() != event_crc32(crc_, piece))
      return tl::unexpected<Error>(check_.wrong_checksum(event_));
    check_.take_end(event_);
  } else {
    crc_ = event_crc32(crc_, piece);
  }
  left_ -= bytes;
  filled_ = 0;
  return std::optional(piece);
}

Result<bool> EventStream::pass_over_rest() {
  while (large_ == Large::pieces && left_ != 0) {
    TRY(const std::optional<std::string_view> piece, next_piece());
    if (!piece) return false;
  }
  return true;
}

// Until `bytes` of the event, or of its piece, are there.
Result<bool> EventStream::fill(std::size_t bytes) {
  if (filled_ == bytes) return true;
  auto more = packets_.read(bytes_.get() + filled_, bytes - filled_);
  if (!more) return tl::unexpected<Error>(here(std::move(more).error()));
  filled_ += *more;
  if (filled_ < bytes && packets_.is_over()) return tl::unexpected<Error>(wrong_size());
  return filled_ == bytes;
}

Result<bool> EventStream::end_packet() {
  if (packets_.is_over()) return true;
  char more = 0;
  TRY(const std::size_t read, packets_.read(&more, 1));
  if (read != 0) return tl::unexpected<Error>(wrong_size());
  return packets_.is_over();
}

}  // namespace tidelog::mysql
