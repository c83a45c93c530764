// The text form of values: what Postgres prints with datestyle ISO, intervalstyle iso_8601,
// bytea_output hex, extra_float_digits 3 and time zone UTC (manual, "Data Types"). Read from the
// wire straight into the stored form.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "core/value.h"

namespace tidelog {

// Appends the stored form (value_codec.h) of `text` read as `kind`. On error `out` is as it was,
// and the error (Code::unsupported) says what could not be read. Kinds null and unchanged have no
// text: an INVARIANT. array, set, geometry and vector have no one text form; they are
// Code::unsupported here.
Status put_value_from_text(std::string& out, ValueKind kind, std::string_view text);

// Appends the text form, byte for byte what the server printed. Null prints NULL, Unchanged prints
// (unchanged).
void print_value(std::string& out, const Value& value);

// Appends a text as an element of an array's text: in quotes where it needs them.
void print_array_element(std::string& out, std::string_view text);

}  // namespace tidelog
