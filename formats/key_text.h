// The text form of keys: what a person types after `history STREAM` and `state --key`.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// The stored bytes of the key that `text` says: the value itself for a key of one column ("7",
// "O'Brien"), a JSON array with a value per key column for a composite one (["2026-11-24", 7]).
// Values are what the database prints, or the flat form. Code::misconfigured names the key columns
// and what they hold.
Result<std::string> parse_key(std::string_view text, const Schema& schema);

}  // namespace tidelog
