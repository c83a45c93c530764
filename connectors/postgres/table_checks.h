// The part of a check that looks at what is captured: tables, rights to read them, their replica
// identities, columns that the configuration names, and the publication.
#pragma once

#include "connectors/postgres/checkup.h"
#include "connectors/postgres/table_list.h"

namespace tidelog::postgres {

// What it finds is in `up.found`. An error is one of asking the server.
Status check_captured_tables(Checkup& up, const TableChoice& choice);

}  // namespace tidelog::postgres
