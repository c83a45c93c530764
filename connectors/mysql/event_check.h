// EventCheck: takes the events of a binlog one after the other, verifies each and keeps where in
// the binlog it is: the file's name, and the offset beyond 32 bits, which the events do not have.
// Used for what a server sends and for files alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "connectors/mysql/file_events.h"
#include "connectors/mysql/format_description.h"
#include "core/result.h"

namespace tidelog::mysql {

// Where an event is. Views until the next event.
struct PlacedEvent {
  Event event;
  std::string_view file;
  std::uint64_t offset = 0;      // where it begins
  std::uint64_t end_offset = 0;  // where the next one begins; the same: it is in no file
  bool is_whole = true;          // otherwise the body comes in pieces (EventStream::next_piece)
};

// One thread.
class EventCheck {
 public:
  // Whether every event follows the one before in the file: not if the server leaves out what it
  // was told that we have.
  enum class Continuity : std::uint8_t { every_event, some_events };
  explicit EventCheck(Continuity continuity) : continuity_(continuity) {}

  // A whole event with its checksum, if it has one. Corrupt or unsupported: with its place.
  Result<PlacedEvent> take(std::string_view bytes);

  // The same for one whose body comes in pieces, which has a checksum or not: take_header() with
  // the beginning, and once all has come and fits, take_end(). Nothing changes before that.
  Result<PlacedEvent> take_header(std::string_view bytes) const;
  void take_end(const PlacedEvent& event);
  std::size_t checksum_bytes() const;
  Error wrong_checksum(const PlacedEvent& event) const;

  // Of the file, once its first event was taken.
  const FormatDescription& format() const { return format_; }
  bool has_format() const { return has_format_; }
  const std::string& file() const { return file_; }
  std::uint64_t offset() const { return offset_; }  // where the next event begins

 private:
  Result<Event> verify(std::string_view bytes, const EventHeader& header);
  Result<Event> verify_format(std::string_view bytes, const EventHeader& header);
  Result<PlacedEvent> place(const EventHeader& header) const;
  Status apply(PlacedEvent& placed);
  Status take_heartbeat(const EventHeader& header, const Heartbeat& heartbeat);
  Error error_at(const EventHeader& header, Code code, std::string_view what) const;

  Continuity continuity_;
  std::string file_;
  std::string file_before_;  // what the last event's view is of
  std::uint64_t offset_ = 0;
  FormatDescription format_;
  bool has_format_ = false;
};

}  // namespace tidelog::mysql
