// The table map event: what the rows events behind it are made of (MySQL Server documentation,
// "Table_map_event"; MariaDB, "TABLE_MAP_EVENT"). Decoded before the rows of each statement, by
// whoever decodes those. How much a server says beyond the types depends on its version and on its
// binlog_row_metadata: 5.7 nothing, MINIMAL signedness, character sets and kinds of geometry, FULL
// all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/column_type.h"
#include "connectors/mysql/flavour.h"
#include "core/result.h"

namespace tidelog::mysql {

struct MappedColumn {
  ColumnType type =
      ColumnType::null;  // of the column itself: string, enumeration and set told apart
  // string, varchar, var_string and varchar_compressed: bytes that a value may have; blob,
  // geometry, json, vector: bytes of a value's length; newdecimal: digits; bit: bits; enumeration,
  // set, float and double: bytes of a value.
  std::uint16_t length = 0;
  std::uint8_t decimals = 0;  // newdecimal: digits behind the point; times: of a second's fraction
  bool nullable = false;

  // What was sent beside it.
  std::optional<bool> is_unsigned;             // of numeric columns
  std::optional<std::uint32_t> collation;      // of columns that may hold characters; 63: bytes
  std::optional<std::uint32_t> geometry_type;  // as in information_schema: 0 any, 1 a point, …
  std::optional<std::uint32_t> dimensions;     // of a vector, in MySQL
  std::optional<std::string> name;             // UTF-8
  std::optional<std::vector<std::string>> labels;  // of enumeration and set, in their character set
  std::optional<bool> visible;                     // MySQL 8.0.23 and later
  bool operator==(const MappedColumn&) const = default;
};

struct KeyPart {
  std::uint32_t column = 0;         // from 0
  std::uint32_t prefix_length = 0;  // characters of it that count; 0: the whole
  bool operator==(const KeyPart&) const = default;
};

struct TableMap {
  std::uint64_t table_id = 0;  // of this opening of the table: the rows events' name for it
  std::uint16_t flags = 0;
  std::string schema;
  std::string table;
  std::vector<MappedColumn> columns;
  // In the key's order. Without: not sent, or there is none (FULL metadata: see sends_names).
  std::vector<KeyPart> primary_key;
  bool operator==(const TableMap&) const = default;

  // FULL metadata: then a primary key is there if the table has one.
  bool sends_names() const { return !columns.empty() && columns.front().name.has_value(); }
  std::string described() const { return schema + "." + table; }
};

// A whole event's body. Corrupt: short, bytes too many, metadata that does not fit the columns.
// Unsupported: a type that is not known, named with its column.
Result<TableMap> read_table_map(std::string_view body, Flavour flavour);

// The names alone, as views of the body.
struct TableName {
  std::string_view schema;
  std::string_view table;
};
Result<TableName> read_table_name(std::string_view body);

// The table id alone.
Result<std::uint64_t> table_id_of(std::string_view body);

}  // namespace tidelog::mysql
