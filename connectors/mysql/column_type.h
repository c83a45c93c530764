// The types of columns as table map events number them (MySQL Server documentation,
// "enum_field_types"; MariaDB, "Table_map_event").
#pragma once

#include <cstdint>
#include <string_view>

namespace tidelog::mysql {

enum class ColumnType : std::uint8_t {
  decimal = 0,  // of servers before 5.0
  tiny = 1,
  short_integer = 2,
  long_integer = 3,
  float_number = 4,
  double_number = 5,
  null = 6,
  timestamp = 7,
  longlong = 8,
  int24 = 9,
  date = 10,
  time = 11,
  datetime = 12,
  year = 13,
  newdate = 14,
  varchar = 15,
  bit = 16,
  timestamp2 = 17,
  datetime2 = 18,
  time2 = 19,
  typed_array = 20,
  blob_compressed = 140,     // MariaDB
  varchar_compressed = 141,  // MariaDB
  vector = 242,              // MySQL; MariaDB's is a varchar
  json = 245,                // MySQL; MariaDB's is a blob
  newdecimal = 246,
  enumeration = 247,
  set = 248,
  blob = 252,  // of any size, and text
  var_string = 253,
  string = 254,
  geometry = 255,
};

// In the manual's words, without MYSQL_TYPE_: "NEWDECIMAL"; empty: no such type is known here.
std::string_view name_of(ColumnType type);

// Those that the metadata says the signedness of.
bool is_numeric(ColumnType type);

}  // namespace tidelog::mysql
