// Reading records one after the other into the same Record, which is faster than read_record()
// where millions are read.
#pragma once

#include "core/bytes.h"
#include "core/event.h"
#include "core/result.h"

namespace tidelog {

// As read_record(). Of a record of one kind, what belongs to the other kinds is not set: an event
// leaves the transaction as it was, and the other way round.
Status read_next_record(ByteReader& block, Record& record);

}  // namespace tidelog
