// A small store with every kind of file that a store can have, and a backup of it, on a disk in
// memory: for tests that damage or decode all of them.
#pragma once

#include <string>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {

struct EveryFile {
  // As its killed writer left them: manifest, superblock, durable page, segments of generation 0
  // and rewritten ones, adopted files of both, a staging file, a spare, indexes, state, base and
  // aggregate snapshots, erasures, origin, locks.
  static inline const std::string store = "store";
  static inline const std::string backup = "backup";  // of it, with the record that makes it one

  EveryFile();
  FaultyDisk disk;
  std::vector<std::string> events;  // the store's, as whole_line_of prints them

  // A writer's options that fit it.
  static StoreOptions options();
};

// All that a reader tells of an event, in one line.
std::string whole_line_of(const Event& event);

// Every event up to the durable end, or the reader's error.
Result<std::vector<std::string>> whole_lines(StoreReader& reader);

}  // namespace tidelog::testing
