// StreamLives: which streams of a store were truncated or ended, at the durable end: what a reader
// of streams must pass over (FORMAT.md section 4, `life`). Without any such stream nothing is read
// for it; else the head of the last segment, and of that segment's batches the headers up to the
// last change.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"
#include "eventstore/stream_table.h"

namespace tidelog {

// One thread. `disk` and `paths` must outlive it.
class StreamLives {
 public:
  StreamLives(Disk& disk, const StorePaths& paths) : disk_(disk), paths_(paths) {}

  // Learns what is durable by now. A change that lies behind damage is not known, as nothing there
  // is.
  Status refresh(const DurablePage::Value& bound);

  // All events of all streams count.
  bool none() const { return !any_; }
  StreamLife of(StreamId stream) const {
    const StreamLife* const life = lives_.find(stream);
    return life == nullptr ? StreamLife{} : *life;
  }

 private:
  Status begin_at(const format::ManifestSegment& segment);
  void learn(StreamId stream, const StreamLife& life);
  Status read_through(std::uint64_t batches);

  Disk& disk_;
  const StorePaths& paths_;
  StreamTable<StreamLife> lives_;
  bool any_ = false;
  std::uint64_t known_batches_ = 0;  // every change in an earlier batch is known
  std::uint64_t segment_id_ = 0;     // that the cursor reads
  std::unique_ptr<File> file_;
  std::optional<BatchCursor> cursor_;
};

}  // namespace tidelog
