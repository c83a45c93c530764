#include "connectors/mysql/type_text.h"

#include <fmt/format.h>

#include <array>

namespace tidelog::mysql {

namespace {

std::string integer(std::string_view name, const MappedColumn& column) {
  return fmt::format("{}{}", name, column.is_unsigned == true ? " unsigned" : "");
}

std::string with_decimals(std::string_view name, const ColumnFormat& format) {
  if (format.decimals == 0) return std::string(name);
  return fmt::format("{}({})", name, format.decimals);
}

// In characters of the column's set, or in bytes.
std::string with_length(std::string_view text_name, std::string_view bytes_name,
                        const ColumnFormat& format, unsigned length) {
  if (format.charset->is_binary()) return fmt::format("{}({})", bytes_name, length);
  return fmt::format("{}({})", text_name, length / format.charset->bytes_max());
}

std::string large(const ColumnFormat& format) {
  constexpr std::array<std::string_view, 4> prefixes = {"tiny", "", "medium", "long"};
  return fmt::format("{}{}", prefixes[format.length_bytes - 1U],
                     format.charset->is_binary() ? "blob" : "text");
}

std::string with_labels(std::string_view name, const ColumnFormat& format) {
  std::string text(name);
  char separator = '(';
  for (const std::string& label : format.labels) {
    text.push_back(std::exchange(separator, ','));
    text.push_back('\'');
    for (const char c : label) text.append(c == '\'' ? 2 : 1, c);
    text.push_back('\'');
  }
  return text + ")";
}

std::string geometry(const MappedColumn& column) {
  constexpr std::array<std::string_view, 8> names = {
      "geometry",   "point",           "linestring",   "polygon",
      "multipoint", "multilinestring", "multipolygon", "geomcollection"};
  const std::size_t number = column.geometry_type.value_or(0);
  return std::string(number < names.size() ? names[number] : names[0]);
}

}  // namespace

std::string type_text(const MappedColumn& column, const ColumnFormat& format) {
  switch (column.type) {
    case ColumnType::tiny:
      return integer("tinyint", column);
    case ColumnType::short_integer:
      return integer("smallint", column);
    case ColumnType::int24:
      return integer("mediumint", column);
    case ColumnType::long_integer:
      return integer("int", column);
    case ColumnType::longlong:
      return integer("bigint", column);
    case ColumnType::float_number:
      return integer("float", column);
    case ColumnType::double_number:
      return integer("double", column);
    case ColumnType::newdecimal:
      return integer(fmt::format("decimal({},{})", column.length, column.decimals), column);
    case ColumnType::year:
      return "year";
    case ColumnType::bit:
      return fmt::format("bit({})", column.length);
    case ColumnType::date:
    case ColumnType::newdate:
      return "date";
    case ColumnType::time:
    case ColumnType::time2:
      return with_decimals("time", format);
    case ColumnType::datetime:
    case ColumnType::datetime2:
      return with_decimals("datetime", format);
    case ColumnType::timestamp:
    case ColumnType::timestamp2:
      return with_decimals("timestamp", format);
    case ColumnType::string:
      return with_length("char", "binary", format, column.length);
    case ColumnType::varchar:
    case ColumnType::var_string:
      return with_length("varchar", "varbinary", format, column.length);
    case ColumnType::varchar_compressed:  // one byte more, which says how it is compressed
      return with_length("varchar", "varbinary", format, column.length - 1U);
    case ColumnType::blob:
    case ColumnType::blob_compressed:
      return large(format);
    case ColumnType::enumeration:
      return with_labels("enum", format);
    case ColumnType::set:
      return with_labels("set", format);
    case ColumnType::geometry:
      return geometry(column);
    case ColumnType::json:
      return "json";
    case ColumnType::vector:
      return column.dimensions ? fmt::format("vector({})", *column.dimensions) : "vector";
    case ColumnType::decimal:
    case ColumnType::null:
    case ColumnType::typed_array:
      break;
  }
  return std::string(name_of(column.type));
}

}  // namespace tidelog::mysql
