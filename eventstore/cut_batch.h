// A batch cut at a transaction's begin: what a restore to a position in the middle of a batch
// writes in its place.
#pragma once

#include <string>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"

namespace tidelog {

// Where the batch's source stood before it; empty for its first batch.
struct SourceBefore {
  std::string position;
  UnixMicros commit_time;
};

// The cursor's batch with only its events before `end`, which lies within it. It has the source's
// position from before, since its own is past what is left out. `header` becomes that of the batch
// whose bytes are returned, to the last of its padding.
Result<std::string> cut_batch(BatchCursor& cursor, Position end, const SourceBefore& before,
                              format::BatchHeader& header);

}  // namespace tidelog
