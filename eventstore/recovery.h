// Recovery: from the files that a crash left to a log that can be appended to. It tells a torn
// tail, which is cut, from rot, which is never touched. FORMAT.md section 8 has the decision table;
// the rows are named in the code.
#pragma once

#include <cstdint>
#include <memory>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

struct Recovered {
  format::Manifest manifest;
  Catalog catalog;
  std::unique_ptr<File> segment;  // the last one
  std::uint64_t segment_bytes = 0;
  BatchCursor::Expected end;  // what the next batch will say of itself
  std::uint64_t next_staging_id = 1;
  std::uint64_t superblock_counter = 0;
  std::uint64_t changed_batches = 0;  // DurablePage::Value
};

// The store must exist and be locked by the caller. Everything that Recovered holds is on disk when
// this returns.
Result<Recovered> recover(Disk& disk, const StorePaths& paths, DurablePage& page);

// Of a store that must be there. Code::not_found: the folder holds none. Code::corrupt: one whose
// manifest is gone. Code::misconfigured: one that is still being made, by a restore or a salvage.
Result<format::Manifest> manifest_of_store(Disk& disk, const StorePaths& paths);

// An empty store, made so that a crash leaves either nothing that counts or all of it.
Status make_store(Disk& disk, const StorePaths& paths, std::uint64_t segment_bytes);

// A new segment file with its head, zero-written to `file_bytes` (or more, when the head needs it)
// and synced.
Result<std::unique_ptr<File>> make_segment(Disk& disk, const std::string& path,
                                           const format::SegmentHead& head,
                                           std::uint64_t file_bytes);
// Zeros from `begin` to `end`: blocks that exist and are written cost a later fdatasync no
// metadata.
Status write_zeros(File& file, std::uint64_t begin, std::uint64_t end);

// The head of a segment file, and where its first batch begins.
struct OpenedHead {
  format::SegmentHead head;
  BatchCursor::Expected first;
};
Result<OpenedHead> read_head(const File& file, const StorePaths& paths,
                             const format::ManifestSegment& segment);

}  // namespace tidelog
