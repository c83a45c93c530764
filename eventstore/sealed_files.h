// SealedFiles: which of the files in `segments` belong to the sealed segments of a manifest, told
// from their names alone. Of an adopted file the newest generation counts that the segment's own
// generation knew: a rewriting that was cut off left newer ones, or had not yet removed the older.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread.
class SealedFiles {
 public:
  SealedFiles(const format::Manifest& manifest, const std::vector<std::string>& names) {
    for (const auto& segment : manifest.segments) generations_[segment.id] = segment.generation;
    for (const std::string& name : names) {
      const auto file = segment_file_named(name);
      if (!file || file->kind != SegmentFile::Kind::adopted || is_newer(*file)) continue;
      std::uint32_t& newest = adopted_[{file->segment_id, file->staging_id}];
      newest = std::max(newest, file->generation);
    }
  }

  bool names(const SegmentFile& file) const {
    const auto segment = generations_.find(file.segment_id);
    if (segment == generations_.end()) return false;
    switch (file.kind) {
      case SegmentFile::Kind::log:
      case SegmentFile::Kind::index:
        return file.generation == segment->second;
      case SegmentFile::Kind::adopted:
        return !is_newer(file) &&
               file.generation == adopted_.at({file.segment_id, file.staging_id});
    }
    return false;
  }

 private:
  bool is_newer(const SegmentFile& file) const {
    const auto segment = generations_.find(file.segment_id);
    return segment != generations_.end() && file.generation > segment->second;
  }

  std::map<std::uint64_t, std::uint32_t> generations_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> adopted_;
};

}  // namespace tidelog
