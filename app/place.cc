#include "app/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

namespace tidelog {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

Result<Place> parse_position(std::string_view text, std::string_view option) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) {
    return fail(Code::misconfigured, fmt::format("{} {}: larger than any position", option, text));
  }
  return Position{number};
}

// The source's name in "shop.public.orders".
std::string_view source_of(std::string_view stream) { return stream.substr(0, stream.find('.')); }

}  // namespace

Result<Place> parse_place(std::string_view text, std::string_view option, UnixMicros now) {
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_digit)) {
    return parse_position(text, option);
  }
  auto time = parse_time(text, now);
  if (time) return Place{*time};
  return fail(Code::misconfigured,
              fmt::format("{} `{}` is neither a position (1234) nor a time (2026-11-24 10:00, "
                          "2026-11-24T10:00:00Z, -5m): {}",
                          option, text, time.error().what));
}

Result<std::string> deciding_source(StoreReader& reader, const std::vector<std::string>& streams) {
  TRY(const std::vector<std::string> known, reader.source_names());
  std::set<std::string> sources;
  for (const std::string& stream : streams) sources.emplace(source_of(stream));
  if (streams.empty()) sources.insert(known.begin(), known.end());
  const bool is_one =
      sources.size() == 1 && std::binary_search(known.begin(), known.end(), *sources.begin());
  if (!is_one) return std::string();
  return *sources.begin();
}

Result<Position> first_position(StoreReader& reader, const Place& from, std::string_view source) {
  if (const auto* position = std::get_if<Position>(&from)) return *position;
  // What is not over before that moment is included.
  const UnixMicros before{std::get<UnixMicros>(from).value - 1};
  return reader.end_through(before, source);
}

Result<Position> end_position(StoreReader& reader, const Place& until, std::string_view source) {
  if (const auto* position = std::get_if<Position>(&until)) return reader.end_through(*position);
  return reader.end_through(std::get<UnixMicros>(until), source);
}

}  // namespace tidelog
