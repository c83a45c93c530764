// The state of a stream at a position: the nearest state snapshot at or before it, and the events
// from there on, folded. `tidelog state` prints it.
#pragma once

#include <memory>
#include <string>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/store_reader.h"
#include "projections/snapshots.h"
#include "projections/table_fold.h"

namespace tidelog {

// Folds the events of `stream` before `end`, which is the end of a transaction
// (StoreReader::end_through). Narrows and moves the reader, and borrows it. `on_damage` is told of
// snapshots that cannot be used. Code::not_found when there is no such stream, with the names that
// there are, or when its history starts later.
Result<std::unique_ptr<TableFold>> state_at(StoreReader& reader, const std::string& stream,
                                            Position end, const OnDamage& on_damage);

// Code::not_found, as above, for whoever takes stream names.
Status check_stream_exists(StoreReader& reader, const std::string& stream);

}  // namespace tidelog
