// The history of one row: every event that made, changed, moved or ended it. `tidelog history`
// prints it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// One version of the row. Borrowed for the call.
struct RowVersion {
  const Event& event;
  // What the row held after the event, its unsent values filled in from the version before; nothing
  // when the event ended it. For the insert that moved the row to another key it is the row under
  // that key.
  std::optional<std::string_view> row;
  const Schema* schema;  // of the event; null for a truncate
};

// Hands over, in order, every event before `end` whose key is `key`, or whose old key is, and each
// truncate that ended the row. Where retention cut the history, the row as it was then comes first,
// as a load. `key` is the stored form of a key of the newest schema; a table
// without a key is Code::misconfigured, as its rows have no history of their own. Narrows and moves
// the reader.
Status history_of(StoreReader& reader, const std::string& stream, std::string_view key,
                  Position end, const std::function<Status(const RowVersion&)>& visit);

// The newest schema of the stream before `end`: what a key is read with. Code::not_found when there
// is none.
Result<const Schema*> newest_schema(StoreReader& reader, const std::string& stream, Position end);

}  // namespace tidelog
