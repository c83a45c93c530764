// Decides an application's append: whether its expectations hold where the log ends, whether it
// repeats an earlier one, or what it conflicts with. No I/O: the store looks up what is asked here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "core/ids.h"
#include "eventstore/application_append.h"

namespace tidelog {

// A stream where the log ends.
struct StreamNow {
  Revision next;  // of its next event
  StreamLife life;

  // Of its last event; nothing: it has none.
  std::optional<Revision> last() const {
    if (next.value == 0) return std::nullopt;
    return Revision{next.value - 1};
  }
  bool operator==(const StreamNow&) const = default;
};
bool holds(const ExpectedRevision& expected, const StreamNow& now);
// What an append or a change to the stream met there.
AppendConflict conflict_of(AppendConflict::Kind kind, const std::string& stream,
                           const ExpectedRevision& expected, const StreamNow& now);

// An event of the stream that has the id of a new one.
struct FoundEvent {
  Position position;
  Revision revision;
  bool same = false;  // in type, key, content type and data, too
};

// By stream and event of the request: the stream's events of that id. An empty list: not looked
// for, because needs_look() did not ask.
using FoundEvents = std::vector<std::vector<std::vector<FoundEvent>>>;

// Whether the ids of the stream's events must be looked for. Those that no longer count are no
// events of it any more: their ids are free.
bool needs_look(const StreamAppend& stream, const StreamNow& now);

struct Append {};  // go on
using AppendDecision = std::variant<Append, AppendedEvents, AppendConflict>;

// `now_of(index)`: the request's stream.
AppendDecision decide(const AppendRequest& request,
                      const std::function<StreamNow(std::size_t)>& now_of,
                      const FoundEvents& found);

}  // namespace tidelog
