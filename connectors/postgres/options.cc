#include "connectors/postgres/options.h"

#include <algorithm>

namespace tidelog::postgres {

namespace {

constexpr std::size_t name_bytes_max = 63;  // NAMEDATALEN - 1

char slot_char(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  return allowed ? c : '_';
}

std::string default_name(const PostgresOptions& options) {
  std::string name = "tidelog_" + options.name;
  name.resize(std::min(name.size(), name_bytes_max));
  std::ranges::transform(name, name.begin(), slot_char);
  return name;
}

}  // namespace

std::string slot_name(const PostgresOptions& options) {
  return options.slot.empty() ? default_name(options) : options.slot;
}

std::string publication_name(const PostgresOptions& options) {
  return options.publication.empty() ? default_name(options) : options.publication;
}

bool owns_publication(const PostgresOptions& options) { return options.publication.empty(); }

}  // namespace tidelog::postgres
