// The stored form of values, rows and keys. A value is one tag byte (its ValueKind) and a payload;
// a row is its columns' values one after the other, in the schema's order; a key is the values of
// the key columns alone. The form is canonical: two values are equal exactly when their bytes are.
// eventstore/FORMAT.md has the payloads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/value.h"

namespace tidelog {

void put_value(std::string& out, const Value& value);

// Reads one value; it borrows from the reader's bytes. Fails the reader on bytes that no put_value
// wrote.
Value read_value(ByteReader& in);

// The bytes of the next value, tag included, without decoding it (text inside is not looked at).
std::string_view skip_value(ByteReader& in);

// A whole row or key: exactly `count` values.
Result<std::vector<Value>> read_row(std::string_view row, std::size_t count);

// The undecoded bytes of each value of a row: to copy or compare single columns.
Result<std::vector<std::string_view>> split_row(std::string_view row, std::size_t count);

}  // namespace tidelog
