// Checks one segment for verify, in one walk: its head, batches, blocks and records, the files that
// it adopted, and its index, which is made anew from the same records and compared as it comes.
// What lies between segments is for the caller.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// Any thread.
struct CheckProgress {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> bytes_total{0};
  std::atomic<std::uint64_t> events{0};
};

struct SegmentSubject {
  std::string uuid;  // of the store
  format::ManifestSegment segment;
  std::optional<Position> end;  // of a sealed one: where the next one begins
  std::uint64_t durable_batches = 0;
};

struct SegmentFindings {
  bool is_begun_since = false;  // behind all that was durable: nothing was looked at
  // Nothing: let go meanwhile, begun since, or without a whole head.
  std::optional<format::SegmentHead> head;
  BatchCursor::Expected first;
  bool is_whole = false;
  BatchCursor::Expected end;  // what must follow; of a whole one
  std::uint64_t batch_count = 0;
  Catalog catalog;  // as it is at the segment's end
  bool has_index = false;
  std::vector<std::string> damage;  // one line each
  std::vector<std::string> warnings;
};

// Damage is in the findings, an error is the disk's. A segment that is rewritten meanwhile is
// looked at as the manifest has it then. `on_advance` is called after each batch.
Result<SegmentFindings> check_segment(Disk& disk, const StorePaths& paths, SegmentSubject subject,
                                      CheckProgress& progress,
                                      const std::function<void()>& on_advance);

}  // namespace tidelog
