// Makes state files (eventstore/state_file.h): the fold of a stream up to a position, in bounded
// memory whatever the table's size. The history is taken in windows. Of each, first the keys are
// read, then their rows are fetched from the file before, then the events are folded by TableFold
// into these rows alone, and the result is merged with the file before into the next one.
//
// Two kinds of table outgrow the bound: a table without a key whose rows hold values that nobody
// knows (of a column that was added), as any row may be the one that a delete means; and single
// rows larger than it.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/state_file.h"
#include "eventstore/store_reader.h"

namespace tidelog {

struct StateMaking {
  std::string path;  // of the file to be made; PATH.1 and so on are used on the way, and removed
  StreamId stream;
  std::string stream_name;
  Position end;       // every event before it is folded in
  bool base = false;  // see StateAbout
  // What it goes on from, at or before `end`; null: the begin of the log.
  std::unique_ptr<StateFile> previous{};
  std::uint64_t memory_bytes = 32ULL << 20;
};

// Writes and syncs the file; its name is still to be made durable. Narrows and moves the reader.
// Code::cancelled when asked to stop. On error the file is removed.
Status make_state_file(StoreReader& reader, StateMaking making, const std::stop_token& stop);

}  // namespace tidelog
