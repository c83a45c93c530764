// RebuiltLog: writes a store's log anew from batches that are given with their positions, in order
// and without a hole. For salvage, which has to keep positions and revisions of what is left.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// A batch as its writer knows it; what it follows, and its checksums, come with the writing.
struct RebuiltBatch {
  format::BatchHeader header;  // source, times, number of events
  format::BatchExtension extension;
  std::string body;
};

// The batches of one file, one after the other. One thread.
class RebuiltFile {
 public:
  static Result<RebuiltFile> create(Disk& disk, const std::string& path, std::string_view head,
                                    const BatchCursor::Expected& first);
  Status add(RebuiltBatch& batch);
  Status sync() { return file_->sync(); }
  const BatchCursor::Expected& end() const { return end_; }

 private:
  RebuiltFile(std::unique_ptr<File> file, const BatchCursor::Expected& first)
      : file_(std::move(file)), end_(first) {}
  std::unique_ptr<File> file_;
  BatchCursor::Expected end_;
};

// One thread.
class RebuiltLog {
 public:
  // `head` is what is known before the first batch: position, streams and their revisions, sources,
  // schemas.
  RebuiltLog(Disk& disk, const StorePaths& paths, const format::SegmentHead& head)
      : disk_(disk), paths_(paths), head_(head) {}

  // The next batch of the log; its names are added where they are new.
  Status add(RebuiltBatch& batch);
  // Where a file that the next batch adopts lies.
  Result<std::string> path_of_adopted(std::uint64_t staging_id);
  // Syncs everything, and tells where the log ends.
  Result<Position> finish_segments();
  // After that: writes superblock and manifest; then there is a store.
  Status name_store(const std::string& uuid);

  const Catalog& catalog() const { return catalog_; }

 private:
  Status begin_segment();

  Disk& disk_;
  const StorePaths& paths_;
  format::SegmentHead head_;
  Catalog catalog_;
  std::optional<RebuiltFile> file_;
  std::uint64_t next_staging_id_ = 1;
  std::vector<format::ManifestSegment> segments_;
};

}  // namespace tidelog
