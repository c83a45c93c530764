// A table map and a rows event: u8 flags (1: MariaDB, 2: with facts of a catalog) | u8 type of the
// rows event | u16 length of the table map, little-endian | the bodies of both. Rows that are taken
// are values of the columns' kinds, in the one form that they have.
#include "connectors/mysql/column_format.h"
#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/rows_event.h"
#include "connectors/mysql/table_map.h"
#include "connectors/mysql/type_text.h"
#include "core/bytes.h"
#include "core/value_codec.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::mysql;

namespace {

std::string type_of(const MappedColumn& column) {
  const auto charset = charset_of_collation(column.collation.value_or(63));
  ColumnFormat format;
  format.charset = charset ? *charset : charset_named("binary");
  format.decimals = column.decimals;
  format.length_bytes = static_cast<std::uint8_t>(column.length);
  if (column.labels) format.labels = *column.labels;
  const bool is_blob =
      column.type == ColumnType::blob || column.type == ColumnType::blob_compressed;
  return is_blob && (column.length < 1 || column.length > 4) ? "blob" : type_text(column, format);
}

// A catalog that knows more than the log does.
std::vector<ColumnFacts> facts_of(const TableMap& map) {
  std::vector<ColumnFacts> facts;
  for (const MappedColumn& column : map.columns) {
    ColumnFacts fact{.name = column.name.value_or("c"), .type = type_of(column)};
    if (column.type == ColumnType::string && column.length == 16) fact.type = "uuid";
    if (column.type == ColumnType::string && column.length == 4) fact.type = "inet4";
    if (column.type == ColumnType::varchar && column.collation == 63 && column.length % 4 == 0)
      fact.type = "vector(" + std::to_string(column.length / 4) + ")";
    if (column.type == ColumnType::time || column.type == ColumnType::datetime ||
        column.type == ColumnType::timestamp)
      fact.type += "(3)";
    const auto charset = charset_of_collation(column.collation.value_or(63));
    if (charset && !(*charset)->is_binary()) fact.charset = *charset;
    facts.push_back(std::move(fact));
  }
  return facts;
}

void check(const EncodedRow& row, const Schema& schema) {
  const auto values = read_row(row.row(), schema.columns.size());
  INVARIANT(values, "a row that was taken can be read");
  std::string again;
  for (std::size_t i = 0; i < values->size(); ++i) {
    const Value& value = (*values)[i];
    INVARIANT(value.kind() == ValueKind::null || value.kind() == ValueKind::unchanged ||
                  value.kind() == schema.columns[i].kind,
              "a value is of its column's kind");
    put_value(again, value);
  }
  INVARIANT(again == row.row(), "a value has one form");
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_rows) {
  ByteReader in(input);
  const auto flags = in.le<std::uint8_t>();
  const auto type = static_cast<EventType>(in.le<std::uint8_t>());
  const std::string_view map_body = in.bytes(in.le<std::uint16_t>());
  if (in.failed()) return;
  const Flavour flavour = (flags & 1) != 0 ? Flavour::mariadb : Flavour::mysql;
  const auto map = read_table_map(map_body, flavour);
  if (!map) return;
  const auto facts = facts_of(*map);
  const auto table = format_of(*map, (flags & 2) != 0 ? &facts : nullptr, flavour);
  std::string inflated;
  const auto event = read_rows_event(type, in.rest(), inflated);
  if (!table || !event) return;
  ValueDecoder values;
  auto reader = RowsReader::open(*event, *table, values);
  if (!reader) return;
  EncodedRow before;
  EncodedRow after;
  while (!reader->at_end() && reader->next(before, after)) {
    if (event->change != RowsChange::write) check(before, table->schema);
    if (event->change != RowsChange::remove) check(after, table->schema);
  }
}
