#include "connectors/mysql/type_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

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

// What servers write with a backslash between quotes.
constexpr std::string_view escaped = std::string_view("\\\0\n\r", 4);
constexpr std::string_view escapes = "\\0nr";

void append_quoted(std::string& text, std::string_view label) {
  text.push_back('\'');
  for (const char c : label) {
    const std::size_t escape = escaped.find(c);
    if (escape != std::string_view::npos) {
      text.push_back('\\');
      text.push_back(escapes[escape]);
    } else {
      text.append(c == '\'' ? 2 : 1, c);
    }
  }
  text.push_back('\'');
}

std::string with_labels(std::string_view name, const ColumnFormat& format) {
  std::string text(name);
  char separator = '(';
  for (const std::string& label : format.labels) {
    text.push_back(std::exchange(separator, ','));
    append_quoted(text, label);
  }
  return text + ")";
}

// Takes a quoted label off `text`, quotes included.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string label;
  if (!text.starts_with('\'')) return std::nullopt;
  for (std::size_t at = 1; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\'') {
      const bool is_doubled = text.substr(at + 1).starts_with('\'');
      if (!is_doubled) {
        text.remove_prefix(at + 1);
        return label;
      }
      ++at;
    } else if (c == '\\' && at + 1 < text.size()) {
      const std::size_t escape = escapes.find(text[++at]);
      if (escape == std::string_view::npos) return std::nullopt;
      c = escaped[escape];
    }
    label.push_back(c);
  }
  return std::nullopt;
}

constexpr std::array<std::string_view, 8> geometry_names = {
    "geometry",   "point",           "linestring",   "polygon",
    "multipoint", "multilinestring", "multipolygon", "geomcollection"};

std::string geometry(const MappedColumn& column) {
  const std::size_t number = column.geometry_type.value_or(0);
  return std::string(number < geometry_names.size() ? geometry_names[number] : geometry_names[0]);
}

constexpr std::array<std::string_view, 8> with_display_width = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "year", "float", "double"};

// Without what says nothing of a value's bytes: int(10) unsigned zerofill, set('a'), varchar(9)
// /*M! … */. An old name becomes the new one.
std::string plain(std::string_view type) {
  const std::string_view word = type.substr(0, type.find_first_of(" ("));
  if (word == "enum" || word == "set" || std::ranges::count(with_display_width, word) != 0)
    return std::string(word);
  if (const auto geometry = geometry_type_of(word)) return std::string(geometry_names[*geometry]);
  const std::size_t end = type.find(')');
  return std::string(end == type.npos ? word : type.substr(0, end + 1));
}

}  // namespace

bool is_same_type(std::string_view catalog, std::string_view logged) {
  const std::string by_catalog = plain(catalog);
  const std::string by_log = plain(logged);
  if (by_log == "geometry") return geometry_type_of(by_catalog).has_value();  // it may be any
  if (by_log == "vector") return by_catalog.starts_with("vector");
  return by_catalog == by_log;
}

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

unsigned number_in_brackets(std::string_view type) {
  const std::size_t open = type.find('(');
  unsigned number = 0;
  if (open != std::string_view::npos) {
    std::from_chars(type.data() + open + 1, type.data() + type.size(), number);
  }
  return number;
}

std::optional<std::uint32_t> geometry_type_of(std::string_view word) {
  if (word == "geometrycollection") word = geometry_names.back();
  const auto* const found = std::ranges::find(geometry_names, word);
  if (found == geometry_names.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - geometry_names.begin());
}

std::optional<std::vector<std::string>> labels_of_type(std::string_view type) {
  for (const std::string_view name : {"enum(", "set("}) {
    if (!type.starts_with(name)) continue;
    type.remove_prefix(name.size());
    std::vector<std::string> labels;
    while (true) {
      auto label = take_quoted(type);
      if (!label) return std::nullopt;
      labels.push_back(*std::move(label));
      if (type.starts_with(')')) return labels;
      if (!type.starts_with(',')) return std::nullopt;
      type.remove_prefix(1);
    }
  }
  return std::nullopt;
}

}  // namespace tidelog::mysql
