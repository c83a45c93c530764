// DamagedStore: the segments of a store as far as they can be found, walked in order with the gaps
// between what can be read. For salvage.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/damaged_log.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// Positions that cannot be read.
struct LogGap {
  Position begin;
  Position end;
  std::string file;
  std::string why;
};

// What a walk gives, in order of position. One thread.
class DamagedStoreVisitor {
 public:
  virtual ~DamagedStoreVisitor() = default;
  virtual Status head(const format::SegmentHead& head) = 0;  // whole ones only
  virtual Status batch(std::uint64_t segment_id, BatchCursor& cursor) = 0;
  virtual Status gap(const LogGap& gap) = 0;
};

// One thread.
class DamagedStore {
 public:
  // Code::not_found when there is nothing of a store.
  static Result<DamagedStore> open(Disk& disk, const std::string& directory);

  Status walk(DamagedStoreVisitor& visitor);

  const StorePaths& paths() const { return paths_; }
  // Nothing when it is damaged or missing.
  const std::optional<format::Manifest>& manifest() const { return manifest_; }
  std::uint64_t bytes() const { return bytes_; }  // of all segments
  // Damage that was met, which is no gap.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Segment {
    std::uint64_t id = 0;
    std::uint32_t generation = 0;
    std::optional<Position> base;  // as the manifest says
  };

  DamagedStore(Disk& disk, const std::string& directory) : disk_(disk), paths_(directory) {}
  Status find_segments();
  Status choose_generations();
  Status find_bound();
  Result<std::optional<format::SegmentHead>> read_whole_head(const File& file,
                                                             const Segment& segment,
                                                             BatchCursor::Expected& first);
  void note(std::string text);

  Disk& disk_;
  StorePaths paths_;
  std::optional<format::Manifest> manifest_;
  std::vector<Segment> segments_;
  std::uint64_t bound_ = 0;  // batches that were on disk
  Position durable_;         // events that were on disk
  std::uint64_t bytes_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace tidelog
