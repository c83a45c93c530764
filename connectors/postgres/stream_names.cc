#include "connectors/postgres/stream_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/connection.h"

namespace tidelog::postgres {
namespace {

// By the length of its schema's name.
std::string quoted(std::string_view name, std::size_t schema) {
  return quote_identifier(name.substr(0, schema)) + "." + quote_identifier(name.substr(schema + 1));
}

}  // namespace

Result<std::string> StreamNames::take(std::string_view schema, std::string_view table) {
  std::string name = fmt::format("{}.{}", schema, table);
  if (std::ranges::count(name, '.') == 1) return name;
  const auto [known, is_new] = schema_of_.try_emplace(name, schema);
  if (is_new || known->second == schema) return name;
  return fail(Code::misconfigured,
              fmt::format("the tables {} and {} would have one stream for their events: leave one "
                          "of them out of `tables`, or give it another name",
                          quoted(name, known->second.size()), quoted(name, schema.size())));
}

}  // namespace tidelog::postgres
