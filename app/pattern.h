// Patterns of names: `*` is any text, `?` one character; everything else is itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidelog {

bool is_pattern(std::string_view text);
bool matches(std::string_view pattern, std::string_view name);
// Whether any pattern matches; no pattern at all matches everything.
bool matches_any(const std::vector<std::string>& patterns, std::string_view name);

}  // namespace tidelog
