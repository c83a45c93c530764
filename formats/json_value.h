// Values in the flat JSON form (DESIGN.md section 9): numbers as JSON numbers where a double holds
// them, otherwise strings; bytes in base64; dates and times in ISO 8601. For flat.h and for other
// formats of this folder.
//
//   kind                   JSON
//   boolean                true, false
//   int64, uint64          a number up to 2^53 either way, else "digits"
//   float32, float64       the shortest number that reads back equal; "NaN", "Infinity",
//   "-Infinity" decimal                its own digits as a number, up to 15 significant ones (they
//   survive a double), else "digits" text, enumeration …    "text"; {"base64":…} when it is not
//   UTF-8 bytes                  "base64" date, time, interval … "2026-11-24", "10:00:00.5",
//   "2026-11-24T10:00:00Z", "P1DT2H"; BC and infinity as the server
//                          prints them
//   json                   itself, on one line
//   array                  nested lists; {"dimensions":[{"count","lower_bound"}],"elements":[…]}
//   when a bound is not 1 bits                   "0101" geometry               {"srid","wkb"}, wkb
//   in base64 vector                 a list of numbers
#pragma once

#include <string>
#include <string_view>

#include "core/value.h"

namespace tidelog {

// `value` is not Unchanged: that has no JSON, the caller leaves it out.
void put_json_value(std::string& out, const Value& value);

// "int64", "timestamp_tz": the kind as a schema event shows it.
std::string_view json_kind_name(ValueKind kind);

}  // namespace tidelog
