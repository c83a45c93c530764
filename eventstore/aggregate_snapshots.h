// AggregateSnapshots: what an application saved of an aggregate (an application stream) at a
// revision, in its own bytes, so that it reads only the events since. FORMAT.md section 15. Losing
// one costs time, never truth: the events are all there.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct AggregateSnapshot {
  Revision revision;  // of the last event that is in it
  std::string bytes;
};

// Any thread of the process that writes to the store. The disk must outlive it.
class AggregateSnapshots {
 public:
  // Of one stream the newest are kept, by revision.
  static constexpr std::size_t kept_max = 2;

  AggregateSnapshots(Disk& disk, const std::string& store_directory, std::string store_uuid);

  // Durable when it returns. The events up to `revision` must be durable already: EventStore has
  // acknowledged them.
  Status save(StreamId stream, std::string_view stream_name, const AggregateSnapshot& snapshot);
  // The newest at or before `revision`; nothing when there is none. One small file is read.
  // Code::corrupt when it is damaged: read the events from the beginning; the next save replaces
  // it.
  Result<std::optional<AggregateSnapshot>> load(StreamId stream, std::string_view stream_name,
                                                Revision revision) const;
  // For erasure and deletion: fine when there is none.
  Status remove(StreamId stream);

 private:
  std::string file_name(StreamId stream) const;

  Disk& disk_;
  const std::string directory_;
  const std::string store_uuid_;
  std::mutex mutex_;  // one change at a time
};

}  // namespace tidelog
