// A compressed transaction's body, whole and in pieces.
#include <algorithm>
#include <optional>

#include "connectors/mysql/payload_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace tidelog::fuzz {
namespace {

using namespace tidelog::mysql;

// How many events it has; nothing: it is damaged.
std::optional<std::size_t> count_events(std::string_view body, std::size_t piece_bytes) {
  PayloadReader reader;
  if (!reader.begin(body.substr(0, piece_bytes))) return std::nullopt;
  body.remove_prefix(std::min(piece_bytes, body.size()));
  for (std::size_t count = 0;;) {
    const auto event = reader.next();
    if (!event) return std::nullopt;
    if (*event) {
      ++count;
      continue;
    }
    if (body.empty()) return reader.end() ? std::optional(count) : std::nullopt;
    reader.add(body.substr(0, piece_bytes));
    body.remove_prefix(std::min(piece_bytes, body.size()));
  }
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_payload) {
  constexpr std::size_t header_bytes_max = 64;
  const std::optional<std::size_t> whole = count_events(input, input.size());
  if (!whole) return;
  INVARIANT(count_events(input, header_bytes_max).value_or(*whole) == *whole,
            "pieces make the same events");
}

}  // namespace tidelog::fuzz
