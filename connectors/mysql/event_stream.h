// EventStream: the events that a server sends for a dump command, each verified and placed. An
// event is given whole, in the reader's buffer when it fits there; only a transaction payload that
// does not fit comes in pieces, since it alone may be larger than memory: any other event has no
// more than one row, or one statement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/mysql/byte_channel.h"
#include "connectors/mysql/event_check.h"
#include "connectors/mysql/packet_stream.h"
#include "core/result.h"

namespace tidelog::mysql {

enum class Arrival : std::uint8_t {
  event,    // event() has it
  nothing,  // nothing has come: wait for the socket
  end,      // all was sent, and the server was told not to wait for more
};

// One thread. The channel must outlive it.
class EventStream {
 public:
  // `stops_at_end`: whether the dump was asked to end with the last event; otherwise an end is
  // an error, unavailable.
  EventStream(ByteChannel& channel, EventCheck::Continuity continuity, bool stops_at_end);

  // What comes next. Of an event in pieces the rest is verified and passed over.
  Result<Arrival> next();
  // The last one. Its views are valid until the next call of next(), or next_piece().
  const PlacedEvent& event() const { return event_; }

  // Of an event that is not whole: more of its body. Nothing: it has not come yet, or, if
  // is_over(), there is no more. The last piece is given after the event's checksum was verified.
  Result<std::optional<std::string_view>> next_piece();
  bool is_over() const { return left_ == 0; }

  const EventCheck& check() const { return check_; }

 private:
  Result<Arrival> take_packet(const PacketStream::Packet& packet);
  Result<Arrival> begin_large(std::string_view beginning);
  Result<Arrival> go_on_with_whole();
  Result<bool> pass_over_rest();
  Result<bool> fill(std::size_t bytes);
  Result<bool> end_packet();
  Error wrong_size() const;
  Error here(Error error) const;  // with its place

  PacketStream packets_;
  EventCheck check_;
  const bool stops_at_end_;
  PlacedEvent event_;
  // An event that is larger than the packets' buffer.
  enum class Large : std::uint8_t { none, whole, pieces };
  Large large_ = Large::none;
  std::unique_ptr<char[]> bytes_;  // it, or a piece of it
  std::size_t filled_ = 0;
  std::size_t left_ = 0;  // of whose body and checksum, not yet given
  std::uint32_t crc_ = 0;
};

}  // namespace tidelog::mysql
