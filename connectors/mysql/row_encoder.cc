#include "connectors/mysql/row_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/mysql/packed_integer.h"
#include "core/value.h"

namespace tidelog::mysql {

namespace {

constexpr char null_tag = static_cast<char>(ValueKind::null);
constexpr char unchanged_tag = static_cast<char>(ValueKind::unchanged);
constexpr char json_tag = static_cast<char>(ValueKind::json);

std::size_t count_of(std::string_view columns, std::size_t column_count) {
  if (columns.empty()) return 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < column_count; ++i) count += has_column(columns, i) ? 1 : 0;
  return count;
}

// binlog_row_value_options, as it stands before a row after a partial update
constexpr std::uint64_t partial_json_option = 1;

}  // namespace

// ---- EncodedRow ----

Result<std::string_view> EncodedRow::key(const Schema& schema) {
  const auto key = row_.key(schema);
  if (key) return *key;
  return fail(Code::unsupported,
              fmt::format("table {}.{}, column {}: a key value was not logged with the row, so "
                          "the row has no key",
                          schema.table_schema, schema.table, schema.columns[key.error()].name));
}

// ---- RowsReader ----

Result<RowsReader> RowsReader::open(const RowsEvent& event, const TableFormat& table,
                                    ValueDecoder& values) {
  if (event.column_count != table.columns.size()) {
    return fail(Code::corrupt,
                fmt::format("rows of {} columns, but table {}.{} has {}", event.column_count,
                            table.schema.table_schema, table.schema.table, table.columns.size()));
  }
  RowsReader reader(event, table, values);
  // No server writes such rows, which would be no bytes each: nobody could count them.
  const bool says_nothing = (event.change != RowsChange::write && reader.before_logged_ == 0) ||
                            (event.change != RowsChange::remove && reader.after_logged_ == 0);
  if (says_nothing) {
    return fail(Code::corrupt, fmt::format("rows of table {}.{} without any column",
                                           table.schema.table_schema, table.schema.table));
  }
  return reader;
}

RowsReader::RowsReader(const RowsEvent& event, const TableFormat& table, ValueDecoder& values)
    : event_(&event),
      table_(&table),
      values_(&values),
      in_(event.rows),
      before_logged_(count_of(event.before_columns, event.column_count)),
      after_logged_(count_of(event.after_columns, event.column_count)),
      json_columns_(static_cast<std::size_t>(std::ranges::count(
          table.columns, ValueForm::json, [](const ColumnFormat& c) { return c.form; }))) {}

// row: of an update and a delete the image before | of a write and an update the image after
Status RowsReader::next(EncodedRow& before, EncodedRow& after) {
  if (event_->change != RowsChange::write) {
    TRY_DO(read_image(event_->before_columns, before_logged_, nullptr, {}, before));
  }
  if (event_->change == RowsChange::remove) return {};
  PartialBits partial;
  if (event_->partial_json) {
    TRY(partial, read_partial_bits());
  }
  const EncodedRow* const old = event_->change == RowsChange::update ? &before : nullptr;
  return read_image(event_->after_columns, after_logged_, old, partial, after);
}

// packed options | with the option: one bit for each JSON column of the table, logged or not
Result<RowsReader::PartialBits> RowsReader::read_partial_bits() {
  const std::uint64_t options = packed_integer(in_);
  if (in_.failed() || (options & ~partial_json_option) != 0) {
    return fail(Code::corrupt,
                fmt::format("a row of table {}.{} has the options 0x{:x}",
                            table_->schema.table_schema, table_->schema.table, options));
  }
  PartialBits partial;
  if (options != 0) partial.bits = in_.bytes((json_columns_ + 7) / 8);
  return partial;
}

// image: (logged columns + 7) / 8 bytes of null bits | the values that are not null
Status RowsReader::read_image(std::string_view columns, std::size_t logged, const EncodedRow* old,
                              PartialBits partial, EncodedRow& row) {
  row.row_.begin(table_->schema.columns.size());
  const std::string_view nulls = in_.bytes((logged + 7) / 8);
  if (in_.failed()) {
    return fail(Code::corrupt, fmt::format("a row of table {}.{} is cut off",
                                           table_->schema.table_schema, table_->schema.table));
  }
  std::size_t null_bit = 0;
  std::size_t column = 0;  // of the schema
  for (std::size_t i = 0; i < table_->columns.size(); ++i) {
    const ColumnFormat& format = table_->columns[i];
    const std::size_t begin = row.row_.bytes().size();
    const bool is_partial = format.form == ValueForm::json && !partial.bits.empty() &&
                            has_column(partial.bits, partial.next++);
    if (!has_column(columns, i)) {
      if (format.stored && old != nullptr) row.row_.bytes().append(old->row_.value(column));
      if (format.stored && old == nullptr) row.row_.bytes().push_back(unchanged_tag);
    } else if (has_column(nulls, null_bit++)) {
      row.row_.bytes().push_back(null_tag);
    } else {
      TRY_DO(read_value(format, is_partial, column, old, row));
    }
    if (format.stored) {
      row.row_.end_value();
      ++column;
    } else {
      row.row_.bytes().resize(begin);
    }
  }
  return {};
}

Status RowsReader::read_value(const ColumnFormat& format, bool is_partial, std::size_t column,
                              const EncodedRow* old, EncodedRow& row) {
  Status done;
  if (is_partial) {
    ByteReader before(old->row_.value(column));
    if (before.le<char>() != json_tag) {
      return fail(Code::unsupported,
                  described(column) +
                      ": a JSON value was logged as its differences from one that was not logged "
                      "(binlog_row_value_options=PARTIAL_JSON needs binlog_row_image=FULL)");
    }
    done = values_->put_json_diffs(row.row_.bytes(), format, before.sized(), in_);
  } else {
    done = values_->put(row.row_.bytes(), format, in_);
  }
  if (!done) return fail_in(described(column), std::move(done).error());
  if (in_.failed()) {
    return fail(Code::corrupt, described(column) + ": bytes that are no such value, or cut off");
  }
  return {};
}

std::string RowsReader::described(std::size_t column) const {
  const Schema& schema = table_->schema;
  if (column >= schema.columns.size()) {
    return fmt::format("table {}.{}, a hidden column", schema.table_schema, schema.table);
  }
  return fmt::format("table {}.{}, column {} ({})", schema.table_schema, schema.table,
                     schema.columns[column].name, schema.columns[column].type);
}

}  // namespace tidelog::mysql
