// From the rows of a rows event to stored rows and keys (core/value_codec.h), in buffers that are
// reused from row to row. For the change decoder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/rows_event.h"
#include "connectors/mysql/value_decoder.h"
#include "core/bytes.h"
#include "core/result.h"
#include "core/row_buffer.h"
#include "core/schema.h"

namespace tidelog::mysql {

// One image of a row, stored. One thread.
class EncodedRow {
 public:
  // Values that were not logged (binlog_row_image MINIMAL or NOBLOB) are unchanged values in it, or
  // those of the image before it: what an update does not log stayed as it was. In an insert an
  // unchanged value is a column that got its default.
  std::string_view row() const { return row_.row(); }
  bool is_unchanged(std::size_t column) const {
    return row_.is_unchanged(column);
  }  // of the schema's columns

  // The values of the key columns, one after the other; a view into the row where they stand
  // together. Unsupported: one of them was not logged.
  Result<std::string_view> key(const Schema& schema);

 private:
  friend class RowsReader;

  RowBuffer row_;
};

// The rows of one event, one after the other. One thread; event and format must outlive it.
class RowsReader {
 public:
  // Corrupt: the event has another number of columns than the table.
  static Result<RowsReader> open(const RowsEvent& event, const TableFormat& table,
                                 ValueDecoder& values);

  bool at_end() const { return in_.remaining() == 0; }

  // Takes the next row: `before` of an update and a delete, `after` of a write and an update; the
  // other is not touched. Errors name table and column.
  Status next(EncodedRow& before, EncodedRow& after);

 private:
  RowsReader(const RowsEvent& event, const TableFormat& table, ValueDecoder& values);

  struct PartialBits {
    std::string_view bits;  // one for each JSON column of the table; none: no column is partial
    std::size_t next = 0;
  };

  Status read_image(std::string_view columns, std::size_t logged, const EncodedRow* old,
                    PartialBits partial, EncodedRow& row);
  Status read_value(const ColumnFormat& format, bool is_partial, std::size_t column,
                    const EncodedRow* old, EncodedRow& row);
  Result<PartialBits> read_partial_bits();
  std::string described(std::size_t column) const;

  const RowsEvent* event_;
  const TableFormat* table_;
  ValueDecoder* values_;
  ByteReader in_;
  std::size_t before_logged_;  // columns that an image has
  std::size_t after_logged_;
  std::size_t json_columns_;
};

}  // namespace tidelog::mysql
