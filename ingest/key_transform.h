// Whether the rows of a table can still be found: not when the configuration, or the database,
// makes something else of a key column's values than so far. Asked where a new version of a table's
// schema is about to be stored.
#pragma once

#include <string>

#include "core/result.h"
#include "core/schema.h"
#include "eventstore/event_store.h"

namespace tidelog {

// Code::misconfigured, with the way out, when values of a key column of `next` are not stored as
// those of the rows before, which have the schema `before`. Without a key every column is one.
Status check_key_transforms(const std::string& stream, const Schema& before, const Schema& next);

// The same, with the rows that are in the log. After a truncate there is none to be found.
Status check_key_transforms(EventStore& store, const std::string& stream, const Schema& next);

// Code::misconfigured when the table was stored under another name with rules for its columns, and
// has none under this one: they would be stored as they are. `source`: its streams' first part.
Status check_rules_of_table(EventStore& store, const std::string& source, const std::string& stream,
                            const Schema& next);

}  // namespace tidelog
