// RecentIds: the ids of the application events at the log's end, which no sealed segment's index
// holds yet: in memory, 16 bytes an event, and only a hash. Who finds a position here reads the
// event there. The store fills it as it commits, and at opening from the last segment.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"

namespace tidelog {

using EventIdHash = std::uint64_t;
EventIdHash hash_of(StreamId stream, std::string_view event_id);

// Any thread.
class RecentIds {
 public:
  // The log goes on in this segment, where `first` begins. Of the segments before it the ids of the
  // last one are kept. `file` is not kept longer than the segment is the last one.
  void begin_segment(std::shared_ptr<const File> file, const BatchCursor::Expected& first);
  // A batch of application events, as it stands in the segment; the hashes in the events' order.
  void add(const BatchCursor::Expected& batch, const std::vector<EventIdHash>& hashes);
  // Reads the ids of the segment that began, up to `end`.
  Status load(const BatchCursor::Expected& end);

  // Where events with such an id may be, from `from` on, oldest first. Every event from `first` on
  // was looked at.
  struct Found {
    Position first;
    std::vector<Position> positions;
  };
  Found find(EventIdHash hash, Position from) const;

  // Visits the event at `position`, if an application appended it, with its revision, or answers
  // false when it is not in the last segment.
  using Visit = std::function<void(const EventBody&, Revision)>;
  Result<bool> read(Position position, const Visit& visit) const;

 private:
  // Of a piece of a segment: small, so that a map that grows holds nobody up for long.
  struct Chunk {
    Position last;
    absl::flat_hash_map<EventIdHash, std::uint64_t> positions;
    std::vector<std::pair<EventIdHash, std::uint64_t>> others;  // of hashes that were there already
  };
  struct Segment {
    Position first;
    std::deque<Chunk> chunks;
  };

  void add_ids(Position first, const std::vector<EventIdHash>& hashes);
  std::optional<BatchCursor::Expected> mark_before(Position position) const;

  mutable std::mutex mutex_;
  std::deque<Segment> segments_;  // the last two at most
  std::shared_ptr<const File> file_;
  std::vector<BatchCursor::Expected> marks_;  // every so many bytes, the place of a batch
};

}  // namespace tidelog
