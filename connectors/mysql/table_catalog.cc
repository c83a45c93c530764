#include "connectors/mysql/table_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "connectors/mysql/type_text.h"

namespace tidelog::mysql {

namespace {

constexpr std::uint32_t binary_collation = 63;
constexpr std::uint32_t utf8mb4_collation = 45;

// The character set of a text is named by any of its collations: they have no other meaning here.
constexpr const char* columns_sql = R"(
SELECT c.column_name, c.data_type, c.column_type, c.character_octet_length, c.numeric_precision,
       c.numeric_scale, c.datetime_precision, c.is_nullable, c.column_key,
       (SELECT MIN(x.id) FROM information_schema.collations x
         WHERE x.character_set_name = c.character_set_name)
  FROM information_schema.columns c
 WHERE c.table_schema = {} AND c.table_name = {}
 ORDER BY c.ordinal_position)";

constexpr const char* indexes_sql = R"(
SELECT index_name, column_name, sub_part, collation, index_type
  FROM information_schema.statistics
 WHERE table_schema = {} AND table_name = {} AND non_unique = 0
 ORDER BY index_name = 'PRIMARY' DESC, index_name, seq_in_index)";

constexpr const char* table_sql = R"(
SELECT engine, table_type, table_rows, data_length
  FROM information_schema.tables
 WHERE table_schema = {} AND table_name = {})";

// A row of columns_sql.
struct Listed {
  std::string name;
  std::string type;
  std::string text;
  std::uint64_t octets = 0;
  std::uint64_t precision = 0;
  std::uint64_t scale = 0;
  std::uint64_t fraction = 0;
  bool nullable = false;
  bool key = false;
  std::optional<std::uint32_t> collation;  // of a text
};

struct TypeWord {
  std::string_view word;
  ColumnType type;
};

constexpr TypeWord numbers[] = {
    {"tinyint", ColumnType::tiny},         {"smallint", ColumnType::short_integer},
    {"mediumint", ColumnType::int24},      {"int", ColumnType::long_integer},
    {"bigint", ColumnType::longlong},      {"float", ColumnType::float_number},
    {"double", ColumnType::double_number}, {"decimal", ColumnType::newdecimal},
};
constexpr TypeWord times[] = {
    {"time", ColumnType::time2},
    {"datetime", ColumnType::datetime2},
    {"timestamp", ColumnType::timestamp2},
};
// Four of each: bytes of a value's length.
constexpr std::array<std::string_view, 4> blobs = {"tinyblob", "blob", "mediumblob", "longblob"};
constexpr std::array<std::string_view, 4> texts = {"tinytext", "text", "mediumtext", "longtext"};
template <std::size_t size>
std::optional<std::size_t> place_in(const std::array<std::string_view, size>& words,
                                    std::string_view word) {
  const auto found = std::ranges::find(words, word);
  if (found == words.end()) return std::nullopt;
  return static_cast<std::size_t>(found - words.begin());
}

template <std::size_t size>
std::optional<ColumnType> type_in(const TypeWord (&words)[size], std::string_view word) {
  const auto* const found = std::ranges::find(words, word, &TypeWord::word);
  if (found == std::end(words)) return std::nullopt;
  return found->type;
}

std::uint64_t number_of(const std::optional<std::string>& text) {
  std::uint64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

void set_bytes(MappedColumn& column, ColumnType type, std::uint64_t bytes) {
  column.type = type;
  column.length = static_cast<std::uint16_t>(bytes);
  column.collation = binary_collation;
}

bool set_number(const Listed& listed, MappedColumn& column) {
  const auto type = type_in(numbers, listed.type);
  if (!type) return false;
  column.type = *type;
  column.is_unsigned = listed.text.find(" unsigned") != std::string::npos;
  if (*type != ColumnType::newdecimal) return true;
  column.length = static_cast<std::uint16_t>(listed.precision);
  column.decimals = static_cast<std::uint8_t>(listed.scale);
  return true;
}

bool set_time(const Listed& listed, MappedColumn& column) {
  if (listed.type == "date" || listed.type == "year") {
    column.type = listed.type == "date" ? ColumnType::date : ColumnType::year;
    return true;
  }
  const auto type = type_in(times, listed.type);
  if (!type) return false;
  column.type = *type;
  column.decimals = static_cast<std::uint8_t>(listed.fraction);
  return true;
}

bool set_text(const Listed& listed, MappedColumn& column) {
  const bool is_fixed = listed.type == "char" || listed.type == "binary";
  const bool is_varying = listed.type == "varchar" || listed.type == "varbinary";
  if (is_fixed || is_varying) {
    set_bytes(column, is_fixed ? ColumnType::string : ColumnType::varchar, listed.octets);
  } else if (const auto blob = place_in(blobs, listed.type)) {
    set_bytes(column, ColumnType::blob, *blob + 1);
  } else if (const auto text = place_in(texts, listed.type)) {
    set_bytes(column, ColumnType::blob, *text + 1);
  } else {
    return false;
  }
  if (listed.collation) column.collation = listed.collation;
  return true;
}

// Labels are told in UTF-8, whatever the column's character set.
bool set_labels(const Listed& listed, MappedColumn& column) {
  if (listed.type != "enum" && listed.type != "set") return false;
  column.type = listed.type == "enum" ? ColumnType::enumeration : ColumnType::set;
  column.labels = labels_of_type(listed.text);
  column.collation = utf8mb4_collation;
  return column.labels.has_value();
}

// MariaDB logs its own types as if they were BINARY and VARBINARY.
bool set_mariadb(const Listed& listed, MappedColumn& column) {
  constexpr std::uint64_t uuid_size = 16;
  constexpr std::uint64_t inet4_size = 4;
  constexpr std::uint64_t inet6_size = 16;
  if (listed.type == "uuid") {
    set_bytes(column, ColumnType::string, uuid_size);
  } else if (listed.type == "inet4") {
    set_bytes(column, ColumnType::string, inet4_size);
  } else if (listed.type == "inet6") {
    set_bytes(column, ColumnType::string, inet6_size);
  } else if (listed.type == "vector") {
    set_bytes(column, ColumnType::varchar, number_in_brackets(listed.text) * sizeof(float));
  } else {
    return false;
  }
  return true;
}

bool set_other(const Listed& listed, Flavour flavour, MappedColumn& column) {
  constexpr std::uint16_t length_bytes = 4;
  column.length = length_bytes;
  if (listed.type == "bit") {
    column.type = ColumnType::bit;
    column.length = static_cast<std::uint16_t>(listed.precision);
    return true;
  }
  if (flavour == Flavour::mariadb && set_mariadb(listed, column)) return true;
  if (listed.type == "json") {
    column.type = ColumnType::json;
    return true;
  }
  if (listed.type == "vector") {
    column.type = ColumnType::vector;
    column.dimensions = number_in_brackets(listed.text);
    return true;
  }
  column.geometry_type = geometry_type_of(listed.type);
  column.type = ColumnType::geometry;
  return column.geometry_type.has_value();
}

class CatalogReader {
 public:
  CatalogReader(Connection& connection, const NamedTable& named, const StopSignal& stop)
      : connection_(connection), named_(named), stop_(stop) {}

  Result<CatalogTable> read() {
    TRY_DO(read_table());
    TRY_DO(read_columns());
    TRY_DO(read_indexes());
    return std::move(table_);
  }

 private:
  Result<std::vector<TextRow>> ask(const char* statement) {
    return connection_.query(
        fmt::format(fmt::runtime(statement), quote_text(named_.database), quote_text(named_.table)),
        stop_);
  }

  Status read_table() {
    TRY(const std::vector<TextRow> rows, ask(table_sql));
    if (rows.size() != 1 || rows[0].size() != 4)
      return fail(Code::misconfigured, described() + ": there is no such table that we may see");
    table_.engine = rows[0][0].value_or("");
    if (rows[0][1] == "SYSTEM VERSIONED") {
      return fail(Code::unsupported,
                  described() +
                      ": rows of a table with system versioning cannot be loaded, as "
                      "they have a history");
    }
    table_.rows_estimated = number_of(rows[0][2]);
    table_.bytes_estimated = number_of(rows[0][3]);
    table_.map.schema = named_.database;
    table_.map.table = named_.table;
    return {};
  }

  Status read_columns() {
    TRY(const std::vector<TextRow> rows, ask(columns_sql));
    for (const TextRow& row : rows) {
      if (row.size() != 10 || !row[0] || !row[1] || !row[2])
        return fail(Code::corrupt, described() + ": the catalog lists a column without a type");
      Listed listed;
      listed.name = *row[0];
      listed.type = *row[1];
      listed.text = *row[2];
      listed.octets = number_of(row[3]);
      listed.precision = number_of(row[4]);
      listed.scale = number_of(row[5]);
      listed.fraction = number_of(row[6]);
      listed.nullable = row[7] == "YES";
      listed.key = row[8] == "PRI";
      if (row[9]) listed.collation = static_cast<std::uint32_t>(number_of(row[9]));
      TRY_DO(add(std::move(listed)));
    }
    if (!table_.map.columns.empty()) return {};
    return fail(Code::misconfigured, described() + ": it has no columns that we may see");
  }

  Status add(Listed listed) {
    MappedColumn column;
    const bool is_known = set_number(listed, column) || set_time(listed, column) ||
                          set_text(listed, column) || set_labels(listed, column) ||
                          set_other(listed, connection_.version().flavour, column);
    if (!is_known) {
      return fail(Code::unsupported, fmt::format("{}, column {}: values of type {} cannot be read",
                                                 described(), listed.name, listed.text));
    }
    column.nullable = listed.nullable;
    if (listed.key)
      table_.map.primary_key.push_back({static_cast<std::uint32_t>(table_.map.columns.size()), 0});
    table_.types.push_back(std::move(listed.type));
    column.name = std::move(listed.name);
    table_.map.columns.push_back(std::move(column));
    return {};
  }

  Status read_indexes() {
    TRY(const std::vector<TextRow> rows, ask(indexes_sql));
    for (auto begin = rows.begin(); begin != rows.end();) {
      const auto end = std::find_if(begin, rows.end(),
                                    [&](const TextRow& row) { return row[0] != (*begin)[0]; });
      if (const auto order = order_of({begin, end})) {
        table_.key_index = (*begin)[0].value_or("");
        table_.key_order = *order;
        return {};
      }
      begin = end;
    }
    return {};
  }

  std::optional<std::vector<std::size_t>> order_of(const std::vector<TextRow>& parts) const {
    std::vector<std::size_t> order;
    for (const TextRow& part : parts) {
      const bool is_whole = part[1] && !part[2] && part[3] == "A" && part[4] == "BTREE";
      if (!is_whole) return std::nullopt;
      const auto key = std::ranges::find_if(table_.map.primary_key, [&](const KeyPart& each) {
        return table_.map.columns[each.column].name == part[1];
      });
      if (key == table_.map.primary_key.end()) return std::nullopt;
      order.push_back(key->column);
    }
    if (order.size() != table_.map.primary_key.size()) return std::nullopt;
    return order;
  }

  std::string described() const { return "table " + full_name(named_); }

  Connection& connection_;
  const NamedTable& named_;
  const StopSignal& stop_;
  CatalogTable table_;
};

}  // namespace

Result<CatalogTable> look_up_table(Connection& connection, const NamedTable& named,
                                   const StopSignal& stop) {
  return CatalogReader(connection, named, stop).read();
}

std::string quote_name(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) quoted.append(c == '`' ? 2 : 1, c);
  return quoted + "`";
}

std::string quote_name(const NamedTable& named) {
  return fmt::format("{}.{}", quote_name(named.database), quote_name(named.table));
}

}  // namespace tidelog::mysql
