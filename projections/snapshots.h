// State snapshots: saved folds of table streams, from which the state at a later position is
// rebuilt (DESIGN.md section 5). Here is which one serves a question, and how one is made and how
// old ones go; the files are eventstore/state_file.h, `state` and complete rows read through here.
//
// An ordinary snapshot can always be made again: a damaged one is reported and passed over. A base
// snapshot stands for events that retention removed: it cannot, and the history of its stream
// begins where it stands.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/erasure.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// Is told what is damaged; whoever asked gets a right answer nevertheless.
using OnDamage = std::function<void(const std::string& what)>;

// The stream of that name. Code::not_found names those that there are.
Result<StreamState> stream_state(StoreReader& reader, const std::string& stream);

// The snapshots of one stream that serve a question, the newest first.
struct Candidates {
  std::vector<SnapshotName> names;
  // Questions before it cannot be answered: the newest base snapshot, or the begin of the log.
  Position history_begin;
};
// Code::not_found when `end` is before the history's begin. Code::corrupt when the base snapshot
// that the log needs is missing.
Result<Candidates> snapshots_before(StoreReader& reader, const StreamState& stream, Position end);

// Where the stream's newest base snapshot stands; 0 without one. It is published before any event
// that it stands for goes: an answer is right if this is the same before and after its reading.
Result<Position> base_position(StoreReader& reader, StreamId stream);

// Opens it and checks that it is of this store, this stream and this position.
Result<std::unique_ptr<StateFile>> open_snapshot(StoreReader& reader, const StreamState& stream,
                                                 const SnapshotName& name);

// Calls `use` with the newest snapshot at or before `end`, or with null when there is none and all
// is to be read from the begin of the log. When the file proves damaged, by what `use` returns,
// too, it is reported and the next older one is tried; `use` begins anew. A damaged base snapshot
// is the error.
Status with_nearest_snapshot(StoreReader& reader, const StreamState& stream, Position end,
                             const OnDamage& on_damage,
                             const std::function<Status(StateFile*)>& use);

// ---- Making; the caller holds StateDirectory::lock ----

struct SnapshotRequest {
  std::string stream;
  Position end;  // of a transaction, durable
  std::uint64_t memory_bytes = 32ULL << 20;
};

// A snapshot at `end`, made from the newest whole one before. Damaged ones that it meets are
// reported and removed. One that is there already is left. Narrows and moves the reader.
Result<SnapshotName> make_snapshot(StoreReader& reader, const SnapshotRequest& request,
                                   const OnDamage& on_damage, const std::stop_token& stop);

// For retention: a base snapshot at `end`, from where on the stream's history then begins. It is
// folded from the base snapshot before, or from the begin of the log, through no ordinary snapshot,
// and read back and verified before it counts. Older snapshots of the stream go.
Result<SnapshotName> make_base_snapshot(StoreReader& reader, const SnapshotRequest& request,
                                        const std::stop_token& stop);

// Removes ordinary snapshots until at most `keep` are left: the newest stays, the others lie spread
// over the history. Those before the base snapshot go first.
Status prune_snapshots(const StateDirectory& directory, StreamId stream, std::uint64_t keep);

// For erasure: removes the stream's ordinary snapshots, which can be made again, and rewrites its
// base snapshot without the rows that `erased` takes.
Status erase_from_snapshots(StoreReader& reader, const std::string& stream,
                            const std::function<bool(const StoredRow&)>& erased);

// The same for the rows of an erasure, under the lock, which it takes for `holder`; and what an
// application saved of the stream goes (eventstore/aggregate_snapshots.h). What
// ErasureOptions::forget is to do.
Status forget_in_snapshots(StoreReader& reader, const Erasure& erasure, const std::string& holder);

}  // namespace tidelog
