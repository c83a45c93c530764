// MySQL's binary form of JSON documents (MySQL source, sql-common/json_binary.h), printed as the
// server prints it: `{"a": 1, "b": [true, 1.5]}`. For the decoder of values and for JSON diffs.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

// Appends the text of a document. No bytes at all are the JSON null, as for the server. Corrupt: no
// such document, parts of it that lie on each other, more than 100 levels; then `out` is as it was.
Status append_json_text(std::string& out, std::string_view document);

// A string in quotes, with what JSON has to escape.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tidelog::mysql
