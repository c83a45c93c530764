#include "connectors/tables/table_pattern.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidelog {

namespace {

constexpr char32_t any_one = 0x110000;
constexpr char32_t any_run = 0x110001;
constexpr char32_t broken_byte = 0x120000;  // a byte that is not UTF-8 stands for itself

// The next character of `text`, which is not empty. What is no UTF-8 is taken byte by byte.
char32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first < 0x80    ? 1
                           : first >= 0xF0 ? 4
                           : first >= 0xE0 ? 3
                           : first >= 0xC0 ? 2
                                           : 0;
  char32_t character = size == 1 ? first : static_cast<char32_t>(first & (0x7FU >> size));
  bool whole = size > 0 && size <= text.size();
  for (std::size_t i = 1; whole && i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    whole = (next & 0xC0) == 0x80;
    character = (character << 6) | (next & 0x3F);
  }
  text.remove_prefix(whole ? size : 1);
  return whole ? character : broken_byte + first;
}

std::u32string characters_of(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) characters.push_back(take_character(text));
  return characters;
}

// Where the first unquoted dot is; npos for none.
std::size_t find_dot(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == '.' && !quoted) return i;
  }
  return std::string_view::npos;
}

// The name inside of "..." with "" for a quote.
Result<std::u32string> unquote(std::string_view text) {
  std::string name;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '"') {
      if (text[i + 1] != '"' || i + 2 >= text.size()) {
        return fail(Code::misconfigured,
                    std::string(text) + ": a quote inside of a quoted name is written twice");
      }
      ++i;
    }
    name.push_back(text[i]);
  }
  return characters_of(name);
}

}  // namespace

Result<NamePattern> NamePattern::parse(std::string_view text) {
  NamePattern pattern;
  if (text.empty() || text == "\"\"") return fail(Code::misconfigured, "the name is empty");
  if (text.front() == '"') {
    if (text.size() < 3 || text.back() != '"') {
      return fail(Code::misconfigured, std::string(text) + ": the closing quote is missing");
    }
    TRY(pattern.characters_, unquote(text));
    return pattern;
  }
  pattern.characters_ = characters_of(text);
  for (char32_t& c : pattern.characters_) {
    if (c != U'*' && c != U'?') continue;
    c = c == U'*' ? any_run : any_one;
    pattern.literal_ = false;
  }
  return pattern;
}

bool NamePattern::matches(std::string_view name_text) const {
  const std::u32string name = characters_of(name_text);
  // Greedy with one point to go back to: where the last any_run may take one character more.
  std::size_t at = 0;
  std::size_t in = 0;
  std::size_t run = std::u32string::npos;
  std::size_t run_end = 0;
  while (at < name.size()) {
    if (in < characters_.size() && characters_[in] == any_run) {
      run = in++;
      run_end = at;
    } else if (in < characters_.size() &&
               (characters_[in] == any_one || characters_[in] == name[at])) {
      ++in;
      ++at;
    } else if (run != std::u32string::npos) {
      in = run + 1;
      at = ++run_end;
    } else {
      return false;
    }
  }
  while (in < characters_.size() && characters_[in] == any_run) ++in;
  return in == characters_.size();
}

bool TablePattern::matches(std::string_view schema_name, std::string_view table_name) const {
  return schema.matches(schema_name) && table.matches(table_name);
}

Result<TablePattern> parse_table_pattern(std::string_view text) {
  const std::size_t dot = find_dot(text);
  const std::string doing = "table \"" + std::string(text) + "\"";
  if (dot == std::string_view::npos) {
    return fail(Code::misconfigured,
                doing + ": say schema.table, for instance public." + std::string(text));
  }
  auto schema = NamePattern::parse(text.substr(0, dot));
  if (!schema) return fail_in(doing, schema.error());
  auto table = NamePattern::parse(text.substr(dot + 1));
  if (!table) return fail_in(doing, table.error());
  return TablePattern{std::string(text), *std::move(schema), *std::move(table)};
}

// The column stands behind the second dot.
Result<ColumnPattern> parse_column_pattern(std::string_view text) {
  const std::size_t first = find_dot(text);
  const std::size_t second =
      first == std::string_view::npos ? first : find_dot(text.substr(first + 1));
  if (second == std::string_view::npos) {
    return fail(Code::misconfigured,
                fmt::format("column \"{}\": say schema.table.column, for instance "
                            "public.people.email",
                            text));
  }
  const std::size_t dot = first + 1 + second;
  ColumnPattern pattern;
  TRY(pattern.table, parse_table_pattern(text.substr(0, dot)));
  auto column = NamePattern::parse(text.substr(dot + 1));
  if (!column) return fail_in(fmt::format("column \"{}\"", text), column.error());
  pattern.column = *std::move(column);
  pattern.text = text;
  return pattern;
}

namespace {

Result<std::vector<TablePattern>> parse_all(const std::vector<std::string>& texts) {
  std::vector<TablePattern> patterns;
  for (const std::string& text : texts) {
    TRY(TablePattern pattern, parse_table_pattern(text));
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

bool any_matches(const std::vector<TablePattern>& patterns, std::string_view schema,
                 std::string_view table) {
  return std::ranges::any_of(patterns,
                             [&](const TablePattern& p) { return p.matches(schema, table); });
}

}  // namespace

Result<TableChoice> parse_table_choice(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& except) {
  TableChoice choice;
  TRY(choice.wanted, parse_all(wanted));
  TRY(choice.except, parse_all(except));
  return choice;
}

bool TableChoice::has(std::string_view schema, std::string_view table) const {
  if (schema == own_schema) return false;
  return (wanted.empty() || any_matches(wanted, schema, table)) && !leaves_out(schema, table);
}

bool TableChoice::leaves_out(std::string_view schema, std::string_view table) const {
  return any_matches(except, schema, table);
}

}  // namespace tidelog
