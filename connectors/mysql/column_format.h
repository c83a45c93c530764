// How the columns of a table are read from its rows events and what they become: worked out once
// for each table map, so that a row needs no second look at types. From the table map alone where
// the server logs full metadata; otherwise with what the server's catalog says (ColumnFacts).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/charset.h"
#include "connectors/mysql/table_map.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/value.h"

namespace tidelog::mysql {

// How MariaDB's hidden columns begin that have the hash of a unique key over long columns. One of a
// user with such a name cannot be told from them where the server's catalog is not at hand.
inline constexpr std::string_view row_hash_prefix = "DB_ROW_HASH_";
// Whether it is somewhere in a statement, in any case.
bool has_row_hash_name(std::string_view statement);

// What the bytes of a value are; value_decoder.cc has one function for each.
enum class ValueForm : std::uint8_t {
  int8,
  int16,
  int24,
  int32,
  int64,
  uint8,
  uint16,
  uint24,
  uint32,
  uint64,
  year,
  float32,
  float64,
  decimal,
  bits,
  date,
  time2,
  datetime2,
  timestamp2,
  old_time,
  old_datetime,
  old_timestamp,
  mariadb53_time,
  mariadb53_datetime,
  mariadb53_timestamp,
  enumeration,
  set,
  // With a length in front.
  text,
  character,  // text whose spaces at the end do not count: CHAR
  bytes,
  binary,  // bytes of a fixed number, logged without zeros at the end: BINARY
  json,
  geometry,
  vector,
  uuid,
  inet4,
  inet6,
  compressed_text,
  compressed_bytes,
};

struct ColumnFormat {
  ValueForm form = ValueForm::int8;
  std::uint8_t length_bytes = 0;     // of the length in front of a value
  std::uint16_t length = 0;          // as in MappedColumn; binary: bytes of a value
  std::uint8_t decimals = 0;         // as in MappedColumn
  bool stored = true;                // false: a column that the server hides, MariaDB's row hash
  const Charset* charset = nullptr;  // of text
  std::vector<std::string> labels = {};  // of enumeration and set, in UTF-8
};

// What a server's catalog says of a column (information_schema.columns), where its log does not.
struct ColumnFacts {
  std::string name;
  std::string type;                  // COLUMN_TYPE: "int(10) unsigned", "enum('a','b')", "uuid"
  const Charset* charset = nullptr;  // CHARACTER_SET_NAME; null: none
  bool key = false;                  // part of the primary key
};

struct TableFormat {
  Schema schema;                      // of the stored columns
  std::vector<ColumnFormat> columns;  // of all that the table map has
};

// With full metadata, `facts` may be null: then MariaDB's UUID, INET4, INET6 and VECTOR are bytes.
// With facts there is one for each column, in order, but for those that MariaDB adds behind them
// and does not list: hashes of unique keys, and the versions' times of a table with system
// versioning. Misconfigured: the server logs too little to read rows without facts. Conflict: facts
// that cannot be of this table map. Unsupported: a type or character set that cannot be
// represented. Errors name table and column.
Result<TableFormat> format_of(const TableMap& map, const std::vector<ColumnFacts>* facts,
                              Flavour flavour);

}  // namespace tidelog::mysql
