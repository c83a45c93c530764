// EventLookup: the events of a stream that have a given event id, for appends that may repeat an
// earlier one. Reads the log, so it is called before a request waits for the group commit, and
// within it only for what came in between.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/append_decision.h"
#include "eventstore/application_append.h"
#include "eventstore/recent_ids.h"

namespace tidelog {

class StoreReader;

// Any thread.
class EventLookup {
 public:
  // All references must outlive it.
  EventLookup(Disk& disk, const std::string& directory, const RecentIds& recent);
  ~EventLookup();

  // All durable events of `stream` with the id of `event`, in the order of their positions.
  struct Stream {
    StreamId id;
    std::string_view name;
  };
  Result<std::vector<FoundEvent>> find(const Stream& stream, const NewEvent& event,
                                       EventIdHash hash);

 private:
  Status find_sealed(const Stream& stream, const NewEvent& event, Position end,
                     std::vector<FoundEvent>& found);
  Status look_at(Position position, const Stream& stream, const NewEvent& event,
                 std::vector<FoundEvent>& found);
  Result<StoreReader*> reader();

  Disk& disk_;
  const std::string directory_;
  const RecentIds& recent_;
  std::mutex mutex_;  // guards the reader
  std::unique_ptr<StoreReader> reader_;
};

}  // namespace tidelog
