// Postgres as a source of changes, over logical replication (pgoutput). app/ makes one per
// configured source; ingest/ drives it through the contract of core/source.h. PostgreSQL 14 and
// later.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "connectors/postgres/options.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog {

std::unique_ptr<Source> postgres_source(PostgresOptions options);

// What stands in the way of loading or streaming, each with the statement that mends it; for
// `tidelog check`. Changes nothing on the server. `stored` is the source's position in the store,
// empty for none.
Result<std::vector<Finding>> check_postgres(const PostgresOptions& options,
                                            std::string_view stored);

}  // namespace tidelog
