// One line of COPY … TO STDOUT in text format (Postgres manual, COPY, "Text Format"): tabs between
// fields, \N for null, backslash escapes. Used by the initial load.
#pragma once

#include <cstddef>
#include <string_view>

#include "connectors/postgres/pgoutput.h"
#include "core/result.h"

namespace tidelog::postgres {

// Unescapes `size` bytes of `line` in place, which end with a newline, into as many columns as
// `fields` has. The columns are the same as those of a streamed row, and borrow from the line.
Status split_copy_line(char* line, std::size_t size, Tuple& fields);

}  // namespace tidelog::postgres
