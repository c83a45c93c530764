// Target: where replayed history goes, a read model or a file. projections/replay.h drives it;
// SQLite is one (projections/sqlite_target.h), JSON lines another (formats/json_lines_target.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// How far a target is. It is kept with the rows, in the same transaction, so that they never
// disagree.
struct Checkpoint {
  bool exists = false;     // false: the target is new, the rest says nothing
  Position next;           // every event before it that the target takes is in; a transaction's end
  Position last;           // the last event that was applied, if last_event is not empty
  std::string last_event;  // what it was, in the driver's words
  std::string store;       // the store's own id
  bool operator==(const Checkpoint&) const = default;
};

// One thread. After an error the target is only good for being destroyed: what was not committed is
// rolled back.
class Target {
 public:
  virtual ~Target() = default;
  // Once, first. `streams` are the names that will be replayed, sorted; empty: all. A target that
  // holds a replay of other streams refuses with Code::conflict.
  virtual Result<Checkpoint> begin(const std::vector<std::string>& streams) = 0;
  // Takes the event, in order of position. Accepted, not yet durable. `schema` is the row's, or a
  // schema event's own; null when the event has none.
  virtual Status apply(const Event& event, const Schema* schema) = 0;
  // Whether it has a place for the events of applications, which have no rows.
  virtual bool takes_application_events() const { return true; }
  // Called at a transaction's end only. Once it returns, everything applied and `checkpoint` are
  // durable, together.
  virtual Status commit(const Checkpoint& checkpoint) = 0;
};

}  // namespace tidelog
