// Verified copies of a store's files: how far a file of the log goes, its bytes copied with their
// checksum, and the copy read back and verified batch by batch. Backup and restore are made of
// these.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/store_marks.h"

namespace tidelog {

using OnBytes = std::function<void(std::uint64_t bytes)>;

// How far a file of the log goes, by its batches' headers alone.
struct LogExtent {
  BatchCursor::Expected end;                    // after the last batch that counts
  std::optional<BatchCursor::Expected> resume;  // the batch that begins at the offset asked for
  std::vector<format::AdoptedFile> adopted;     // by its batches, in order
};

// Walks from `first` over the batches with a smaller sequence than `batches`, to the first zeros at
// the latest. Code::corrupt for anything else that it meets.
Result<LogExtent> extent_of(const File& file, const BatchCursor::Expected& first,
                            std::uint64_t batches, std::uint64_t resume_offset);

// Of what the file says of its batches before `batches`, from the head on: their headers and
// extensions, which have the checksums of all blocks. Other than the chain it tells what a rewrite
// has made of them.
Result<std::uint32_t> checksum_of_headers(const File& file, const BatchCursor::Expected& first,
                                          std::uint64_t batches);

// Copies the bytes from `begin` to `end`, and returns the checksum of all up to `end`, given that
// of those up to `begin`. Not synced.
Result<std::uint32_t> copy_bytes(const File& from, File& to, std::uint64_t begin, std::uint64_t end,
                                 std::uint32_t crc, const OnBytes& on_bytes);

// Of the file's first bytes. Code::corrupt when it has fewer.
Result<std::uint32_t> checksum_of(const File& file, std::uint64_t bytes, const OnBytes& on_bytes);
Result<std::uint32_t> checksum_of(const File& file, std::uint64_t bytes);

// Where the bytes lie that a backup's record lists: under the file's name, or, after a backup that
// was cut off at its very end, still under the name that they were copied to. Not for files of the
// log.
inline constexpr std::string_view replacement_end = ".new";
Result<std::string> path_of_listed(Disk& disk, const std::string& folder, const BackupFile& listed);

// Verifies every checksum of the batches from `first` on, and that they end as `end` says.
Status verify_batches(const File& file, const BatchCursor::Expected& first,
                      const BatchCursor::Expected& end);

// What an adopted file's first batch must say, and what stands after its last.
BatchCursor::Expected begin_of(const format::AdoptedFile& file);
BatchCursor::Expected end_of(const format::AdoptedFile& file);

}  // namespace tidelog
