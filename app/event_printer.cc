#include "app/event_printer.h"

#include <fmt/format.h>

#include "app/row_text.h"
#include "core/clock.h"
#include "formats/flat.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

// Rows that wait for each other so that their columns align.
constexpr std::size_t table_rows_max = 500;
constexpr std::size_t change_width_max = 160;
constexpr std::size_t key_width_max = 40;
constexpr std::size_t stream_width_max = 80;

std::string colored(std::string_view type, bool color) {
  if (!color) return std::string(type);
  if (type == "insert" || type == "load") return fmt::format("\x1b[32m{}\x1b[0m", type);
  if (type == "update") return fmt::format("\x1b[33m{}\x1b[0m", type);
  if (type == "delete" || type == "truncate" || type == "gap") {
    return fmt::format("\x1b[31m{}\x1b[0m", type);
  }
  return std::string(type);
}

Result<std::string> event_key_text(const Event& event) {
  if (!event.key) return std::string();
  // An application's key is text; a row's is values.
  if (event.type == EventType::application) return one_line(*event.key, key_width_max);
  TRY(const std::string text, key_text(*event.key));
  return one_line(text, key_width_max);
}

Result<std::vector<std::string>> table_row(const Event& event, const Schema* schema, bool color) {
  TRY(std::string key, event_key_text(event));
  TRY(const std::string change, change_text(event, schema));
  return std::vector<std::string>{fmt::format("{}", event.position.value),
                                  print_time(time_of(event)),
                                  one_line(event.stream_name, stream_width_max),
                                  colored(type_text(event), color),
                                  std::move(key),
                                  one_line(change, change_width_max)};
}

// {"topic":…,"key":…,"value":…,"headers":{…}}: what a sink sends, its bytes as JSON strings.
Result<std::string> record_line(const Event& event, const Schema* schema) {
  std::string value;
  TRY_DO(put_flat(value, event, schema));
  std::string out = "{\"topic\":";
  put_json_text(out, event.stream_name);
  out += ",\"key\":";
  if (event.key && schema != nullptr) {
    std::string key;
    TRY_DO(print_key_json(key, *event.key, *schema));
    put_json_text(out, key);
  } else if (event.key && event.type == EventType::application) {
    put_json_text(out, *event.key);
  } else {
    out += "null";
  }
  out += ",\"value\":";
  put_json_text(out, value);
  out += ",\"headers\":{}}";
  return out;
}

}  // namespace

EventPrinter::EventPrinter(Output& out, StoreReader& reader, EventForm form, bool color)
    : out_(out),
      reader_(reader),
      form_(form),
      color_(color),
      table_({{"position", Align::right}, {"time"}, {"stream"}, {"type"}, {"key"}, {"change"}}) {}

Result<EventPrinter::Row> EventPrinter::row_of(const Event& event) {
  const Schema* schema = nullptr;
  if (event.schema != SchemaId{}) {
    TRY(schema, reader_.schema(event.schema));
  }
  if (form_ == EventForm::table) return table_row(event, schema, color_);
  if (form_ == EventForm::record) {
    TRY(std::string line, record_line(event, schema));
    return Row{std::move(line)};
  }
  std::string line;
  TRY_DO(put_flat(line, event, schema));
  return Row{std::move(line)};
}

Status EventPrinter::print_row(Row row) {
  if (form_ != EventForm::table) return out_.line(row.front());
  table_.add(std::move(row));
  return ++waiting_ < table_rows_max ? Status{} : print_table();
}

Status EventPrinter::print_table() {
  waiting_ = 0;
  return out_.write(table_.take(color_));
}

Status EventPrinter::print(const Event& event) {
  TRY(Row row, row_of(event));
  return print_row(std::move(row));
}

Status EventPrinter::flush() {
  if (waiting_ > 0) TRY_DO(print_table());
  return out_.flush();
}

}  // namespace tidelog
