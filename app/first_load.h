// What the configuration says about a table's existing rows. For `run`, and for connectors that
// must know.
#pragma once

#include <string>

#include "app/config.h"
#include "ingest/loads.h"

namespace tidelog {

// "public.orders" of the source.
FirstLoad first_load_of(const SourceConfig& config, const std::string& table);

}  // namespace tidelog
