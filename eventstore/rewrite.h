// Rewriting: a sealed segment, with the files adopted in it, written anew without some of its
// events (FORMAT.md section 9). Compaction, retention and erasure say which; positions, revisions
// and the chain stay. Nobody sees the new files until the manifest names them
// (EventStore::replace_segment); a crash before leaves left-overs that recovery removes.
#pragma once

#include <cstdint>
#include <optional>

#include "core/disk.h"
#include "core/event.h"
#include "core/result.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// What becomes of an event: erase leaves a marker in its place, remove nothing.
enum class Fate : std::uint8_t { keep, remove, erase };

// One thread.
class RewritePlan {
 public:
  virtual ~RewritePlan() = default;
  // Whether any event from `begin` to before `end` may have another fate than to be kept: a segment
  // without is not read.
  virtual bool touches(Position begin, Position end) = 0;
  // Asked for each event once, in order of position; of one that was erased before, too: to erase
  // it again is to keep its marker.
  virtual Result<Fate> fate(const Event& event) = 0;
};

struct RewriteCounts {
  std::uint64_t kept = 0;
  std::uint64_t removed = 0;
  std::uint64_t erased = 0;
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  RewriteCounts& operator+=(const RewriteCounts& other);
};

struct RewrittenSegment {
  format::ManifestSegment segment;  // of the next generation
  RewriteCounts counts;
};

// `end` is where the segment after this one begins. Nothing when all events are kept: then no file
// was made. The new files are synced, with their names, when this returns; what they hold is
// compressed with `codec`.
Result<std::optional<RewrittenSegment>> rewrite_segment(Disk& disk, const StorePaths& paths,
                                                        const format::ManifestSegment& segment,
                                                        Position end, RewritePlan& plan,
                                                        format::Codec codec);

// The same with every event kept, for the compression alone.
Result<RewrittenSegment> repack_segment(Disk& disk, const StorePaths& paths,
                                        const format::ManifestSegment& segment, Position end,
                                        format::Codec codec);

}  // namespace tidelog
