// Whether the rows of a table can still be found by their keys: not when the configuration makes
// something else of a key column than it did so far. Asked where a new version of a table's schema
// is about to be stored.
#pragma once

#include <string>

#include "core/result.h"
#include "core/schema.h"
#include "eventstore/event_store.h"

namespace tidelog {

// Code::misconfigured, with the way out, when a column is part of the key in `next` and in the
// stream's newest version, and its values are not stored alike. After a truncate there is no row to
// be found.
Status check_key_transforms(EventStore& store, const std::string& stream, const Schema& next);

}  // namespace tidelog
