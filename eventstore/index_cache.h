// IndexCache: the indexes that a reader has open.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "core/disk.h"
#include "eventstore/segment_index.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread. `disk` and `paths` must outlive it.
class IndexCache {
 public:
  IndexCache(Disk& disk, const StorePaths& paths) : disk_(disk), paths_(paths) {}

  // Null when the segment, which must be sealed, has no index that can be used. What was given
  // before may be gone.
  SegmentIndex* find(const format::Manifest& manifest, std::size_t segment);
  // A page of it was damaged: it is not used again.
  void distrust(const format::ManifestSegment& segment);

 private:
  // Each holds a file open.
  static constexpr std::size_t open_count_max = 384;
  using Key = std::pair<std::uint64_t, std::uint32_t>;  // segment id, generation

  Disk& disk_;
  const StorePaths& paths_;
  std::map<Key, std::unique_ptr<SegmentIndex>> open_;
  std::set<Key> distrusted_;
};

}  // namespace tidelog
