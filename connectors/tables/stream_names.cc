#include "connectors/tables/stream_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidelog {
namespace {

std::string in_quotes(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) text.append(c == '"' ? 2 : 1, c);
  return text + "\"";
}

// By the length of its schema's name.
std::string quoted(std::string_view name, std::size_t schema) {
  return in_quotes(name.substr(0, schema)) + "." + in_quotes(name.substr(schema + 1));
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

}  // namespace tidelog
