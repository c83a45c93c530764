// How much of a log file is written: a segment is preallocated, and zeros follow its last batch.
// For retention, which counts what the log takes.
#pragma once

#include <cstdint>

#include "core/disk.h"
#include "core/result.h"

namespace tidelog {

// The bytes before the zeros that the file ends with, rounded up to a batch's boundary. Reads those
// zeros: of a segment that is written to no more, ask once.
Result<std::uint64_t> written_bytes(const File& file);

}  // namespace tidelog
