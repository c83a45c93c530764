// DamagedLog: walks a file of the log that may be damaged anywhere. It gives each whole batch, and
// between them the positions that cannot be read: after bad bytes it looks for the next batch that
// may stand in this file. For salvage; everybody else stops at damage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"

namespace tidelog {

// One thread. The file must outlive it.
class DamagedLog {
 public:
  // What may follow damage: batches before these. Later ones are of a write that was never
  // finished.
  struct Limits {
    std::uint64_t sequence_end = UINT64_MAX;
    Position position_end{UINT64_MAX};
  };

  // `first` may be wrong in all but file, generation and offset.
  DamagedLog(const File& file, const BatchCursor::Expected& first, const Limits& limits)
      : file_(file), limits_(limits), cursor_(file, first), at_(first) {}

  enum class Found : std::uint8_t { batch, gap, end };
  // Errors are the disk's, or Code::unsupported for a newer format.
  Result<Found> next();

  // Of a batch: its header and extension are whole, its blocks not necessarily.
  BatchCursor& cursor() { return cursor_; }
  // Of a gap: from where the log stood to the next batch.
  Position gap_begin() const { return gap_begin_; }
  Position gap_end() const { return gap_end_; }
  // Why the walk last met something else than a batch; empty: it met zeros.
  const std::string& why() const { return why_; }
  // After the last batch or gap.
  const BatchCursor::Expected& expected() const { return at_; }

 private:
  Result<Found> take();
  Result<bool> find_next();
  bool may_follow(const format::BatchHeader& header) const;

  const File& file_;
  const Limits limits_;
  BatchCursor cursor_;
  BatchCursor::Expected at_;
  bool found_ahead_ = false;  // cursor_ stands on a batch after a gap that was told
  Position gap_begin_;
  Position gap_end_;
  std::string why_;
};

// After the last whole header of a segment's own file that is of fewer than `batches`, whatever
// lies before it; its offset is not told. Nothing: there is none.
Result<std::optional<BatchCursor::Expected>> last_header_in(const File& file,
                                                            std::uint64_t segment_id,
                                                            std::uint64_t batches);

// The largest `durable through` of all whole headers of this file.
Result<std::uint64_t> durable_bound_in(const File& file, const BatchCursor::Expected& first);

}  // namespace tidelog
