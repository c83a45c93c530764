// Whether a text is JSON, by RFC 8259: what targets hold our own printing and reading of JSON
// against.
#pragma once

#include <string_view>

namespace tidelog::fuzz {

bool is_json(std::string_view text);

}  // namespace tidelog::fuzz
