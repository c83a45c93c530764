#include "tests/mysql/binlog_rows.h"

#include <fmt/format.h>

#include <stdexcept>

#include "connectors/mysql/table_map.h"
#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog::testing {

namespace {

using namespace tidelog::mysql;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes)
    fmt::format_to(std::back_inserter(out), "{:02X}", static_cast<std::uint8_t>(c));
  return out;
}

std::vector<std::string> comparable_row(std::string_view row, std::size_t columns) {
  std::vector<std::string> texts;
  for (const Value& value : must(read_row(row, columns))) texts.push_back(comparable(value));
  return texts;
}

}  // namespace

std::vector<FileEvent> events_of(std::string_view file) {
  constexpr std::string_view magic =
      "\xFE"
      "bin";
  if (!file.starts_with(magic)) throw std::runtime_error("no binlog file");
  std::vector<FileEvent> events;
  bool has_checksums = false;
  for (std::size_t at = magic.size(); at + event_header_bytes <= file.size();) {
    const auto header = must(read_event_header(file.substr(at, event_header_bytes)));
    if (at + header.event_bytes > file.size()) break;  // just being written
    std::string_view body =
        file.substr(at + event_header_bytes, header.event_bytes - event_header_bytes);
    // The format description's last bytes: the algorithm, and a checksum that is always there.
    if (header.type == EventType::format_description)
      has_checksums = body[body.size() - event_checksum_bytes - 1] == 1;
    if (has_checksums) body.remove_suffix(event_checksum_bytes);
    events.push_back({header.type, std::string(body)});
    at += header.event_bytes;
  }
  return events;
}

std::string comparable(const Value& value) {
  if (const auto* bytes = std::get_if<Bytes>(&value)) return hex(bytes->bytes);
  if (const auto* vector = std::get_if<Vector>(&value)) return hex(vector->floats);
  if (const auto* geometry = std::get_if<Geometry>(&value)) {
    std::string bytes;
    put_le(bytes, geometry->srid);
    return hex(bytes + std::string(geometry->wkb));
  }
  if (const auto* number = std::get_if<float>(&value)) return fmt::format("{:.17g}", *number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:.17g}", *number);
  std::string text;
  print_value(text, value);
  const auto* date = std::get_if<Date>(&value);
  if (const auto* timestamp = std::get_if<Timestamp>(&value)) date = &timestamp->date;
  if (date != nullptr && date->year == 0 && text.ends_with(" BC"))
    text = "0000" + text.substr(4, text.size() - 4 - std::string_view(" BC").size());
  return text;
}

void BinlogRows::add(const FileEvent& event) {
  if (event.type == EventType::table_map) {
    const TableMap map = must(read_table_map(event.body, flavour_));
    const auto facts = facts_.find(map.described());
    TableFormat format =
        must(format_of(map, facts == facts_.end() ? nullptr : &facts->second, flavour_));
    schemas_.insert_or_assign(map.described(), format.schema);
    tables_.insert_or_assign(map.table_id, std::move(format));
  } else if (is_rows_event(event.type)) {
    add_rows(event);
  }
}

void BinlogRows::add_rows(const FileEvent& event) {
  const RowsEvent rows = must(read_rows_event(event.type, event.body, inflated_));
  const TableFormat& table = tables_.at(rows.table_id);
  RowsReader reader = must(RowsReader::open(rows, table, values_));
  const std::size_t columns = table.schema.columns.size();
  while (!reader.at_end()) {
    if (const auto done = reader.next(before_, after_); !done)
      throw std::runtime_error(done.error().what);
    ComparableRow row{table.schema.table_schema + "." + table.schema.table, rows.change, {}, {}};
    if (rows.change != RowsChange::write) row.before = comparable_row(before_.row(), columns);
    if (rows.change != RowsChange::remove) row.after = comparable_row(after_.row(), columns);
    rows_.push_back(std::move(row));
  }
}

}  // namespace tidelog::testing
