// From the rows of a SELECT to stored rows (core/value_codec.h): the same bytes as the binlog's row
// of the same values becomes. For the reader of existing rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/table_catalog.h"
#include "connectors/mysql/value_decoder.h"
#include "core/result.h"
#include "core/row_buffer.h"
#include "core/value.h"

namespace tidelog::mysql {

// What a session needs so that its answers are as read_row takes them: texts in the columns' own
// character sets, which are converted as the log's are, and moments in UTC.
inline constexpr const char* session_sql =
    "SET SESSION character_set_results = NULL, SESSION time_zone = '+00:00', SESSION sql_mode = "
    "'ALLOW_INVALID_DATES'";

// What to ask for, column by column: "`id`, `price` * 1e0, …".
std::string selection_of(const CatalogTable& table, const TableFormat& format);

// A value as the server reads it in a condition. Unsupported: of a kind that no key has.
Result<std::string> literal_of(const Value& value);

// One thread.
class SelectedRow {
 public:
  // A row of the selection. Errors name table and column.
  Status read(std::span<const std::optional<std::string_view>> values, const TableFormat& table);

  std::string_view row() const { return row_.row(); }
  std::string_view value(std::size_t column) const { return row_.value(column); }
  // Empty: it has none.
  std::string_view key(const Schema& schema);

 private:
  Status put(const ColumnFormat& format, ValueKind kind, std::string_view value);
  Status put_content(const ColumnFormat& format, std::string_view content);

  RowBuffer row_;
  ValueDecoder values_;
  std::string text_;
};

}  // namespace tidelog::mysql
