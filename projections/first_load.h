// The first load of a table beside its stream, as the log tells it: until it has ended, the table's
// state leaves rows out. For commands that show a state.
#pragma once

#include <optional>
#include <string>

#include "core/ids.h"
#include "core/load_step.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// The last step of any load of the table before `end`.
Result<std::optional<LoadStep>> last_load_step(StoreReader& reader, const std::string& stream,
                                               Position end);

// The same, if a first load had begun and not come to its end by then. The reader
// says which store it is.
Result<std::optional<LoadStep>> open_first_load(StoreReader& reader, const std::string& stream,
                                                Position end);

// The place of the step with which the first load ended that is open at `end`; nothing when it has
// not ended.
Result<std::optional<Position>> first_load_end(StoreReader& reader, const std::string& stream,
                                               Position end);

}  // namespace tidelog
