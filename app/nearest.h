// The nearest of a few known words, for "did you mean": used by the configuration and the commands.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tidelog {

// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
std::size_t edit_distance(std::string_view from, std::string_view to);

// The word with the smallest distance, unless it is so far away that it is no misspelling.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> known);

// " (did you mean `tables`?)", or " (there are: `a`, `b`)" when nothing is near.
std::string suggestion(std::string_view word, std::span<const std::string_view> known);

}  // namespace tidelog
