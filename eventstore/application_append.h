// What an application asks of EventStore::append, and what it is answered. A request puts events
// behind one or more streams, all of them or none, if what it expects of its streams holds. An
// answer that an application can act on is a value here, never an Error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// What the caller believes of a stream. A deleted stream fits `no_stream`, and `exactly` the event
// that deleted it, but not `exists`; a tombstoned one fits nothing and takes nothing.
struct ExpectedRevision {
  enum class Kind : std::uint8_t { any, no_stream, exists, exactly };
  Kind kind = Kind::any;
  Revision revision;  // exactly: of the stream's last event

  static ExpectedRevision any() { return {}; }
  static ExpectedRevision no_stream() { return {Kind::no_stream, {}}; }
  static ExpectedRevision exists() { return {Kind::exists, {}}; }
  static ExpectedRevision exactly(Revision last) { return {Kind::exactly, last}; }
  bool operator==(const ExpectedRevision&) const = default;
};
std::string print(const ExpectedRevision& expected);  // "any", "no-stream", "exists", "7"

struct NewEvent {
  std::string type;  // the application's own name for it; not empty
  std::string data;
  std::string id;                  // 16 bytes; empty: the store makes one
  std::optional<std::string> key;  // what compaction by key keeps the latest of
  std::string content_type;
  std::string metadata;
  std::string correlation_id;
  std::string causation_id;
};

struct StreamAppend {
  std::string stream;
  ExpectedRevision expected;
  std::vector<NewEvent> events;  // none: a condition on a stream that is only read
};

struct AppendRequest {
  std::vector<StreamAppend> streams;
};

// The events are on disk.
struct AppendedEvents {
  Position first;           // of the request's first event; the others follow it
  std::uint64_t count = 0;  // of its events
  // By the request's streams that have events, in its order: the revision of the next event, as it
  // was when these were appended.
  std::vector<Revision> next;
  bool repeated = false;  // they were there already: this is a retry, and gets the first answer
  bool operator==(const AppendedEvents&) const = default;
};

// Nothing was appended.
struct AppendConflict {
  enum class Kind : std::uint8_t {
    revision,         // the stream is not where it was expected
    other_event,      // an event of this id is in the stream, with another type, key or data
    partly_repeated,  // some of the events are in the stream already, others are not
    tombstoned,       // the stream ended for ever
    beyond_end,       // it cannot be truncated before a revision that it does not have
  };
  Kind kind = Kind::revision;
  std::string stream;
  ExpectedRevision expected;
  std::optional<Revision> actual;  // of the stream's last event; nothing: it has none
  std::string event_id;            // other_event, partly_repeated: which event, and where it is
  Position position;
  StreamStatus status = StreamStatus::open;  // of the stream
  bool operator==(const AppendConflict&) const = default;
};
std::string print(const AppendConflict& conflict);  // for people

using AppendOutcome = std::variant<AppendedEvents, AppendConflict>;

// A stream that applications may name: not empty, not reserved.
Status check_stream_name(const std::string& name);

// Code::misconfigured says what is wrong with a request that no store could take: no events, an
// empty or reserved name, an id that is no UUID, a stream or an id given twice.
Status check_request(const AppendRequest& request);

}  // namespace tidelog
