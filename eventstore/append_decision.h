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

// An event of the stream that has the id of a new one.
struct FoundEvent {
  Position position;
  Revision revision;
  bool same = false;  // in type, key, content type and data, too
};

// By stream and event of the request: the stream's events of that id. An empty list: not looked
// for, because needs_look() did not ask.
using FoundEvents = std::vector<std::vector<std::vector<FoundEvent>>>;

// Whether the ids of the stream's events must be looked for, when its next event would have
// revision `next`.
bool needs_look(const StreamAppend& stream, Revision next);

struct Append {};  // go on
using AppendDecision = std::variant<Append, AppendedEvents, AppendConflict>;

// `next_of(index)`: the revision of the next event of the request's stream.
AppendDecision decide(const AppendRequest& request,
                      const std::function<Revision(std::size_t)>& next_of,
                      const FoundEvents& found);

}  // namespace tidelog
