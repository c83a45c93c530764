// A place in the history as a person writes it: a position ("1234") or a time ("2026-11-24 10:00",
// "-5m").
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

using Place = std::variant<Position, UnixMicros>;

// Digits are a position, anything else is a time. Code::misconfigured names `option`.
Result<Place> parse_place(std::string_view text, std::string_view option, UnixMicros now);

// The source whose commit times decide a question about these streams (empty: about all): the one
// that wrote them; empty, which means append times, when there are several.
Result<std::string> deciding_source(StoreReader& reader, const std::vector<std::string>& streams);

// The first position that is included.
Result<Position> first_position(StoreReader& reader, const Place& from, std::string_view source);
// The position after the last whole transaction that is included.
Result<Position> end_position(StoreReader& reader, const Place& until, std::string_view source);

}  // namespace tidelog
