// The state of a stream at a position: its events up to there, folded. `tidelog state` prints it.
// (State snapshots that spare most of the replay come with their own issue.)
#pragma once

#include <memory>
#include <string>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/store_reader.h"
#include "projections/table_fold.h"

namespace tidelog {

// Folds the events of `stream` before `end`, which is the end of a transaction
// (StoreReader::end_through). Narrows and moves the reader, and borrows it. Code::not_found when
// there is no such stream, with the names that there are.
Result<std::unique_ptr<TableFold>> state_at(StoreReader& reader, const std::string& stream,
                                            Position end);

// Code::not_found, as above, for whoever takes stream names.
Status check_stream_exists(StoreReader& reader, const std::string& stream);

}  // namespace tidelog
