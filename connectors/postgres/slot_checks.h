// The part of a check that looks at the slot: whether it is there, ours, free, where the store
// stands, and what may end it.
#pragma once

#include "connectors/postgres/checkup.h"

namespace tidelog::postgres {

// Of `up.found.slot`. What it finds is in `up.found`; an error is one of asking the server.
Status check_slot(Checkup& up);

}  // namespace tidelog::postgres
