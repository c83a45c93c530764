// BaseRows: the rows with which the histories of tables start whose first events retention removed
// (projections/snapshots.h), for a replay.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/state_file.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// One thread.
class BaseRows {
 public:
  // Of the named streams; of all without names. Code::not_found when the history of one starts
  // after `end`. Narrows and moves the reader.
  static Result<BaseRows> open(StoreReader& reader, const std::vector<std::string>& streams,
                               Position end);

  // Code::misconfigured when the history of one starts after `from`.
  Status check_begin(Position from) const;
  // Leaves out what a target has that holds everything before `next`. A target that is not new may
  // have rows of a stream from before its base snapshot.
  void start_at(Position next, bool is_new);

  // Code::conflict when a base snapshot of after `next` was made since this was opened: what it
  // covers may have been taken from the log before it was read.
  Status check_unchanged(StoreReader& reader, Position next) const;

  // Whether the event's part in the state is in a base snapshot.
  bool covers(const Event& event) const;
  // Gives, as loads, the rows of those whose history starts at or before `up_to`, each once.
  Status give(Position up_to, const std::function<Status(const Event&, const Schema*)>& apply);

 private:
  struct Base {
    std::unique_ptr<StateFile> file;
    bool is_given = false;
  };
  bool wants(const std::string& stream) const;
  Status give_rows(const StateFile& file,
                   const std::function<Status(const Event&, const Schema*)>& apply) const;

  std::vector<std::string> streams_;  // empty: all
  std::vector<Base> bases_;           // by position
  bool target_is_new_ = true;
};

}  // namespace tidelog
