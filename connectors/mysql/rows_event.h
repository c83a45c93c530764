// The rows events: writes, updates and deletes of rows of one table (MySQL Server documentation,
// "Rows_event"; MariaDB, "Rows_event_v1/v2" and its compressed ones). What is taken apart here is
// the event; row_encoder.h has its rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/mysql/event_type.h"
#include "core/result.h"

namespace tidelog::mysql {

enum class RowsChange : std::uint8_t { write, update, remove };

// Borrows from the event's body, or from the buffer that its rows were inflated into.
struct RowsEvent {
  RowsChange change = RowsChange::write;
  std::uint64_t table_id = 0;  // of a table map before it
  std::uint16_t flags = 0;
  // Of a partitioned table, in MySQL 8.0.16 and later.
  std::optional<std::uint16_t> partition;
  std::optional<std::uint16_t> source_partition;  // where an update took the row from
  std::size_t column_count = 0;                   // as the table map's
  // One bit a column, the first the lowest of the first byte: whether rows have it. Of an image
  // that this change has not, nothing.
  std::string_view before_columns;
  std::string_view after_columns;
  bool partial_json = false;  // rows after an update may have JSON as differences
  std::string_view rows;

  bool ends_statement() const { return (flags & 1) != 0; }  // the table maps before it are over
};

bool is_rows_event(EventType type);

// Corrupt: short, or compressed rows that are damaged. Unsupported: a rows event of before
// MySQL 5.1 was released. `inflated` is where the rows of a compressed one go.
Result<RowsEvent> read_rows_event(EventType type, std::string_view body, std::string& inflated);

inline bool has_column(std::string_view columns, std::size_t index) {
  return (static_cast<std::uint8_t>(columns[index / 8]) >> (index % 8) & 1) != 0;
}

}  // namespace tidelog::mysql
