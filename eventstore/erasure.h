// Erasure: every event of one key, gone from the store's files for good; a marker without key and
// content stays in its place. What was asked for is on disk before the first byte goes, so an
// erasure that was cut off is taken up again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/event_store.h"
#include "eventstore/row_lives.h"
#include "eventstore/store_files.h"

namespace tidelog {

// What an erasure found, and has to do.
struct Erasure {
  std::string stream;
  std::vector<SavedKey> keys;
  std::vector<Position> events;  // rising
  bool operator==(const Erasure&) const = default;
  // Whether a state file's row is one of them.
  bool has(std::string_view key, Position last_change) const;
};

struct ErasureReport {
  std::uint64_t events = 0;    // erased now, not those that a try before erased
  std::uint64_t keys = 0;      // that the rows had
  std::uint64_t segments = 0;  // written anew
  ErasureReport& operator+=(const ErasureReport& other);
};

struct ErasureOptions {
  // Makes the stream's state files forget the rows: as Erasure::has tells. Called after the log
  // has.
  std::function<Status(const Erasure&)> forget;
  std::function<void(Position done)> on_progress;
};

// What was asked for and is not done yet.
Result<std::vector<Erasure>> pending_erasures(Disk& disk, const StorePaths& paths);
// Durably in place of what was pending.
Status write_erasures(Disk& disk, const StorePaths& paths, const std::vector<Erasure>& erasures);
// Gives a store that was made from another one, and ends before `end`, the other's.
// `file` holds them, if it is there.
Status inherit_erasures(Disk& disk, const std::string& file, const StorePaths& to, Position end);

// Erases the rows of these keys: keys as they are stored, one for each form that the stream's
// schema versions give it. A row that had another key before or after is erased under that key as
// well, from its insertion to its deletion. Finishes first what was cut off before. Events that are
// appended while this runs are not looked at.
Result<ErasureReport> erase(EventStore& store, const std::string& stream,
                            const std::vector<std::string>& keys, const ErasureOptions& options);
// Does what pending_erasures says.
Result<ErasureReport> resume_erasures(EventStore& store, const ErasureOptions& options);

}  // namespace tidelog
