// What an application asks of EventStore for a stream as a whole: to truncate it, to delete it so
// that it can be begun anew, or to end it for ever (a tombstone). What it is answered, and the
// decision between the two, which does no I/O.
//
// What is asked for and is so already is answered as such, whatever was expected, and changes
// nothing: a retry needs no care.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/append_decision.h"
#include "eventstore/application_append.h"

namespace tidelog {

struct StreamRequest {
  enum class Kind : std::uint8_t { truncate, remove, tombstone };
  Kind kind = Kind::truncate;
  std::string stream;
  Revision before;  // truncate: of the first event that is kept
  ExpectedRevision expected;
};

// The stream is now as it was asked to be, on disk.
struct StreamChanged {
  StreamLife life;
  // Where the event stands that says so; nothing when the stream was so already.
  std::optional<Position> position;
  Revision next;  // of the stream's next event
  bool operator==(const StreamChanged&) const = default;
};

using StreamOutcome = std::variant<StreamChanged, AppendConflict>;

// Code::misconfigured: an empty or reserved name.
Status check_request(const StreamRequest& request);

// Append: the event that makes it so goes in at now.next.
//
//   stream is          truncate before B         delete                  tombstone
//   tombstoned         conflict: tombstoned      conflict: tombstoned    is so already
//   deleted            B <= next: is so already  is so already           if expected holds
//   open               B <= first: is so already if expected holds       if expected holds
//                      B > next: beyond_end
//                      else if expected holds
//   without an event   B = 0: is so already      is so already,          if expected holds
//                      else: beyond_end          if expected holds
using StreamDecision = std::variant<Append, StreamChanged, AppendConflict>;
StreamDecision decide(const StreamRequest& request, const StreamNow& now);

// What the event is that makes it so, and what it makes of the stream.
EventType event_type_of(StreamRequest::Kind kind);
StreamLife life_after(const StreamRequest& request, const StreamNow& now);

}  // namespace tidelog
