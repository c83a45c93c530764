// The text of JSON, appended straight to a std::string: no tree, no allocation. For the formats of
// this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

// Appends "text", escaped. On invalid UTF-8 appends nothing and returns false.
[[nodiscard]] bool put_json_utf8(std::string& out, std::string_view text);

// Appends "text", or {"base64":"…"} when it is not valid UTF-8: the bytes are kept, never replaced.
void put_json_text(std::string& out, std::string_view text);

// Appends "name":, preceded by a comma unless it opens its object. Code::unsupported when it is not
// valid UTF-8.
Status put_json_name(std::string& out, std::string_view name);

// Appends "base64".
void put_json_base64(std::string& out, std::string_view bytes);

// Appends the JSON text on one line, without white space outside strings, otherwise as it is
// (digits, order and doubled names kept). When it is not JSON (RFC 8259) appends nothing and
// returns false.
[[nodiscard]] bool put_json_embedded(std::string& out, std::string_view json);

void put_json_number(std::string& out, std::int64_t number);
void put_json_number(std::string& out, std::uint64_t number);

}  // namespace tidelog
