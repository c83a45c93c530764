// Backup: a copy of a store in a folder of its own, consistent at one durable position, made beside
// a running writer. The folder is a store that reading commands work on, and `backup` in it
// (store_marks.h) says what it holds. Given again, only what is new is copied, and what the store
// no longer has (rewritten, erased, no longer kept) is removed from the backup too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/clock.h"
#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct CopyProgress {
  std::uint64_t bytes = 0;        // copied so far
  std::uint64_t bytes_total = 0;  // as far as is known yet
};
using OnCopyProgress = std::function<void(const CopyProgress&)>;

struct BackupReport {
  std::string uuid;  // of the store
  Position durable;  // the backup holds every event before this
  UnixMicros time;
  std::uint64_t file_count = 0;
  std::uint64_t bytes = 0;  // of all its files
  std::uint64_t copied_files = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t removed_files = 0;
};

// Every byte that is copied is verified by the store's own checksums: Code::corrupt names the file
// that is damaged, and the backup stays what it was before. Interrupted anywhere, the backup before
// it is whole, and the next run goes on. Code::conflict: the folder holds something else.
Result<BackupReport> back_up_store(Disk& disk, Clock& clock, const std::string& store,
                                   const std::string& backup, const OnCopyProgress& on_progress);

}  // namespace tidelog
