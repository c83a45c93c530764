#include "connectors/mysql/column_type.h"

namespace tidelog::mysql {

std::string_view name_of(ColumnType type) {
  switch (type) {
    case ColumnType::decimal:
      return "DECIMAL";
    case ColumnType::tiny:
      return "TINY";
    case ColumnType::short_integer:
      return "SHORT";
    case ColumnType::long_integer:
      return "LONG";
    case ColumnType::float_number:
      return "FLOAT";
    case ColumnType::double_number:
      return "DOUBLE";
    case ColumnType::null:
      return "NULL";
    case ColumnType::timestamp:
      return "TIMESTAMP";
    case ColumnType::longlong:
      return "LONGLONG";
    case ColumnType::int24:
      return "INT24";
    case ColumnType::date:
      return "DATE";
    case ColumnType::time:
      return "TIME";
    case ColumnType::datetime:
      return "DATETIME";
    case ColumnType::year:
      return "YEAR";
    case ColumnType::newdate:
      return "NEWDATE";
    case ColumnType::varchar:
      return "VARCHAR";
    case ColumnType::bit:
      return "BIT";
    case ColumnType::timestamp2:
      return "TIMESTAMP2";
    case ColumnType::datetime2:
      return "DATETIME2";
    case ColumnType::time2:
      return "TIME2";
    case ColumnType::typed_array:
      return "TYPED_ARRAY";
    case ColumnType::blob_compressed:
      return "BLOB_COMPRESSED";
    case ColumnType::varchar_compressed:
      return "VARCHAR_COMPRESSED";
    case ColumnType::vector:
      return "VECTOR";
    case ColumnType::json:
      return "JSON";
    case ColumnType::newdecimal:
      return "NEWDECIMAL";
    case ColumnType::enumeration:
      return "ENUM";
    case ColumnType::set:
      return "SET";
    case ColumnType::blob:
      return "BLOB";
    case ColumnType::var_string:
      return "VAR_STRING";
    case ColumnType::string:
      return "STRING";
    case ColumnType::geometry:
      return "GEOMETRY";
  }
  return {};
}

bool is_numeric(ColumnType type) {
  switch (type) {
    case ColumnType::tiny:
    case ColumnType::short_integer:
    case ColumnType::int24:
    case ColumnType::long_integer:
    case ColumnType::longlong:
    case ColumnType::float_number:
    case ColumnType::double_number:
    case ColumnType::newdecimal:
    case ColumnType::year:
      return true;
    case ColumnType::decimal:
    case ColumnType::null:
    case ColumnType::timestamp:
    case ColumnType::date:
    case ColumnType::time:
    case ColumnType::datetime:
    case ColumnType::newdate:
    case ColumnType::varchar:
    case ColumnType::bit:
    case ColumnType::timestamp2:
    case ColumnType::datetime2:
    case ColumnType::time2:
    case ColumnType::typed_array:
    case ColumnType::blob_compressed:
    case ColumnType::varchar_compressed:
    case ColumnType::vector:
    case ColumnType::json:
    case ColumnType::enumeration:
    case ColumnType::set:
    case ColumnType::blob:
    case ColumnType::var_string:
    case ColumnType::string:
    case ColumnType::geometry:
      return false;
  }
  return false;
}

}  // namespace tidelog::mysql
