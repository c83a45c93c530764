// Table patterns of the configuration: schema.table, where * stands for any characters and ? for
// one. A part in double quotes is a name as it is: public."What?". Letters are compared as they
// are, without folding. Used by preflight, publication and the change decoder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidelog {

// A name with wildcards, by Unicode characters.
class NamePattern {
 public:
  NamePattern() = default;
  static Result<NamePattern> parse(std::string_view text);
  bool matches(std::string_view name) const;
  bool literal() const { return literal_; }

 private:
  std::u32string characters_;  // wildcards are values beyond Unicode
  bool literal_ = true;
};

struct TablePattern {
  std::string text;  // as configured
  NamePattern schema;
  NamePattern table;
  bool matches(std::string_view schema_name, std::string_view table_name) const;
  // Names one table, which therefore must exist.
  bool literal() const { return schema.literal() && table.literal(); }
};

Result<TablePattern> parse_table_pattern(std::string_view text);

// Of columns: schema.table.column, each part as above.
struct ColumnPattern {
  TablePattern table;
  NamePattern column;
  std::string text;  // as configured
};

Result<ColumnPattern> parse_column_pattern(std::string_view text);

// Of items that are each for the tables of the pattern `table`, the first that is for this one.
// Null: none is.
template <class Item>
Result<const Item*> first_that_fits(const std::vector<Item>& items, std::string_view schema_name,
                                    std::string_view table_name) {
  for (const Item& item : items) {
    TRY(const TablePattern pattern, parse_table_pattern(item.table));
    if (pattern.matches(schema_name, table_name)) return &item;
  }
  return nullptr;
}

// Where what we make in the source's database is (ddl_triggers.h): never captured.
inline constexpr std::string_view own_schema = "tidelog";

// Which tables are captured: those that one of `wanted` matches, or every one when there is none,
// but for those that one of `except` matches.
struct TableChoice {
  std::vector<TablePattern> wanted;
  std::vector<TablePattern> except;
  bool has(std::string_view schema, std::string_view table) const;
  bool leaves_out(std::string_view schema, std::string_view table) const;
};

Result<TableChoice> parse_table_choice(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& except);

}  // namespace tidelog
