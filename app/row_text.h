// Rows and changes as one line for people. For programs there is the flat form (formats/flat.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// The values of a key: "7", or "2026-11-24, 7".
Result<std::string> key_text(std::string_view key);

// What an event says: "status: new → paid" for an update whose old row is known, the row for an
// insert, the reason of a gap. `schema` is the event's, or null when it has none.
Result<std::string> change_text(const Event& event, const Schema* schema);

// A whole row and what it was stored with.
struct WholeRow {
  std::string row;
  const Schema* schema;
};

// What an update changed between two whole versions of a row; the row for anything else.
Result<std::string> version_text(const Event& event, const std::optional<WholeRow>& before,
                                 const std::optional<WholeRow>& after);

// Each column's value, on one line and cut to `width`.
Result<std::vector<std::string>> cell_texts(std::string_view row, const Schema& schema,
                                            std::size_t width);

// The name that people see: "update", or an application event's own.
std::string_view type_text(const Event& event);

// Its transaction's commit time; the append time for what has no transaction.
UnixMicros time_of(const Event& event);

}  // namespace tidelog
