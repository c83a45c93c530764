// Replay: history into a target, from its checkpoint on. `tidelog replay` calls it. A target that
// was killed anywhere goes on exactly where its last commit left it: events and checkpoint are
// committed together, at the end of a source transaction only.
//
// Where retention removed a table's first events, its history starts with a base snapshot: its rows
// come as loads, at its position, and what is left of the events before is passed over. A target
// that had not come so far gets a truncate before them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "core/target.h"
#include "eventstore/store_reader.h"

namespace tidelog {

struct ReplayProgress {
  Position start;     // where this replay began: the target's checkpoint
  Position position;  // committed so far
  Position end;
  std::uint64_t event_count = 0;  // applied in this replay
  // Of applications, for which the target has no place; not among the applied ones.
  std::uint64_t passed_over_count = 0;
  std::uint64_t gap_count = 0;  // events among them that say: history may be missing
};

struct ReplayOptions {
  std::vector<std::string> streams;  // empty: all
  std::optional<Position> from;  // where a new target begins; a target with a checkpoint refuses it
  Position end;                  // the end of a transaction (StoreReader::end_through), exclusive
  std::uint64_t commit_events =
      100'000;  // positions between commits, more only for a larger transaction
};

// Returns once everything before options.end is durable in the target. `progress` is called after
// every commit. `stop` ends it with Code::cancelled after the transaction at hand. Code::conflict
// when the target was made from another store, or has passed the end of this one;
// Code::misconfigured when it has passed options.end.
Result<ReplayProgress> replay(StoreReader& reader, Target& target, const ReplayOptions& options,
                              const std::function<void(const ReplayProgress&)>& progress,
                              const std::stop_token& stop);

}  // namespace tidelog
