// Backup: a copy of a store in a folder of its own, consistent at one durable position, made beside
// a running writer. The folder is a store that reading commands work on, and `backup` in it
// (store_marks.h) says what it holds. Given again, what was copied before is verified, what is new
// or has rotted is copied, and what the store no longer has (rewritten, erased, no longer kept) is
// removed from the backup too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct CopyProgress {
  std::uint64_t bytes = 0;        // copied, or verified where they were, so far
  std::uint64_t bytes_total = 0;  // as far as is known yet
};
using OnCopyProgress = std::function<void(const CopyProgress&)>;

// What of files that an earlier backup copied is looked at: every byte, against the checksum that
// was noted then, or their sizes alone.
enum class EarlierCopies : std::uint8_t { verified, trusted };

struct BackupReport {
  std::string uuid;  // of the store
  Position durable;  // the backup holds every event before this
  UnixMicros time;
  std::uint64_t file_count = 0;
  std::uint64_t bytes = 0;  // of all its files
  std::uint64_t copied_files = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t verified_bytes = 0;  // of what had been copied before
  std::uint64_t removed_files = 0;
  // Files of the backup that were missing or had rotted, each with what was wrong: they are whole
  // again.
  std::vector<std::string> damaged;
  bool record_was_damaged = false;  // so that everything was copied again
};

// Every byte that is copied is verified by the store's own checksums: Code::corrupt names the file
// that is damaged, and the backup stays what it was before. Interrupted anywhere, the backup before
// it is whole, and the next run goes on. Code::conflict: the folder holds something else.
Result<BackupReport> back_up_store(Disk& disk, Clock& clock, const std::string& store,
                                   const std::string& backup, const OnCopyProgress& on_progress,
                                   EarlierCopies earlier = EarlierCopies::verified);

}  // namespace tidelog
