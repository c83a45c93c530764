#include "app/row_text.h"

#include <fmt/format.h>

#include <vector>

#include "app/table.h"
#include "core/bytes.h"
#include "core/load_step.h"
#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog {
namespace {

Result<std::string> value_text(std::string_view stored) {
  ByteReader in(stored);
  TRY(const Value value, in.finish(read_value(in), "value"));
  std::string out;
  print_value(out, value);
  return out;
}

bool is_kind(std::string_view stored, ValueKind kind) {
  return !stored.empty() &&
         static_cast<std::uint8_t>(stored.front()) == static_cast<std::uint8_t>(kind);
}

void add_part(std::string& out, std::string_view part) {
  if (!out.empty()) out += "  ";
  out += part;
}

Result<std::string> row_text(std::string_view row, const Schema& schema) {
  std::string out;
  TRY(const auto values, split_row(row, schema.columns.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_kind(values[i], ValueKind::unchanged)) continue;
    TRY(const std::string text, value_text(values[i]));
    add_part(out, fmt::format("{}={}", schema.columns[i].name, text));
  }
  return out;
}

// Only what differs; a column that was not sent did not change.
Result<std::string> difference_text(std::string_view before, std::string_view after,
                                    const Schema& schema) {
  std::string out;
  TRY(const auto old_values, split_row(before, schema.columns.size()));
  TRY(const auto new_values, split_row(after, schema.columns.size()));
  for (std::size_t i = 0; i < new_values.size(); ++i) {
    if (new_values[i] == old_values[i] || is_kind(new_values[i], ValueKind::unchanged)) continue;
    TRY(const std::string from, value_text(old_values[i]));
    TRY(const std::string to, value_text(new_values[i]));
    add_part(out, fmt::format("{}: {} → {}", schema.columns[i].name, from, to));
  }
  return out.empty() ? std::string("(nothing changed)") : out;
}

Result<std::string> row_change_text(const Event& event, const Schema& schema) {
  if (event.body && event.before_kind == Before::row) {
    return difference_text(event.before, *event.body, schema);
  }
  if (event.body) return row_text(*event.body, schema);
  if (event.before_kind == Before::row) return row_text(event.before, schema);
  return std::string();
}

Result<std::string> schema_text(std::string_view body) {
  TRY(const Schema schema, read_schema(body));
  std::string out;
  for (const Column& column : schema.columns) {
    const bool is_plain = column.transform == Transform::none;
    add_part(out, fmt::format("{} {}{}{}", column.name, column.type, column.key ? " (key)" : "",
                              is_plain ? "" : fmt::format(" ({})", name_of(column.transform))));
  }
  for (const std::string& name : schema.left_out) add_part(out, name + " (left out)");
  return out;
}

std::string truncate_text(const Event& event) {
  std::string out;
  if (find_attribute(event.attributes, Attribute::truncate_cascade)) add_part(out, "cascade");
  if (find_attribute(event.attributes, Attribute::truncate_restart)) {
    add_part(out, "restart identity");
  }
  if (const auto reason = find_attribute(event.attributes, Attribute::reason))
    add_part(out, *reason);
  return out;
}

std::string message_text(const Event& event) {
  return fmt::format("{}: {}", find_attribute(event.attributes, Attribute::name).value_or(""),
                     event.body.value_or(""));
}

}  // namespace

Result<std::string> key_text(std::string_view key) {
  std::string out;
  for (ByteReader in(key); in.remaining() > 0;) {
    const Value value = read_value(in);
    if (in.failed()) return fail(Code::corrupt, "a key that holds no values");
    if (!out.empty()) out += ", ";
    print_value(out, value);
  }
  return out;
}

Result<std::string> change_text(const Event& event, const Schema* schema) {
  switch (event.type) {
    case EventType::load:
    case EventType::insert:
    case EventType::update:
    case EventType::remove:
      if (schema == nullptr) return fail(Code::corrupt, "a row without a schema");
      return row_change_text(event, *schema);
    case EventType::schema:
      return schema_text(event.body.value_or(""));
    case EventType::truncate:
      return truncate_text(event);
    case EventType::message:
      return message_text(event);
    case EventType::undecoded:
      return fmt::format("{} bytes", event.body.value_or("").size());
    case EventType::ddl:
    case EventType::gap:
    case EventType::application:
      return std::string(event.body.value_or(""));
    case EventType::stream_truncated: {
      TRY(const Revision first, read_first_kept(event.body.value_or("")));
      return fmt::format("begins at revision {}", first.value);
    }
    case EventType::load_step: {
      TRY(const LoadStep step, read_load_step(event.body.value_or("")));
      return print_load_step(step);
    }
    case EventType::erased:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
      return std::string();
  }
  return fail(Code::corrupt, "an event of no known type");
}

Result<std::string> version_text(const Event& event, const std::optional<WholeRow>& before,
                                 const std::optional<WholeRow>& after) {
  if (!after) return std::string();
  const bool comparable = before && before->schema == after->schema;
  if (event.type == EventType::update && comparable) {
    return difference_text(before->row, after->row, *after->schema);
  }
  return row_text(after->row, *after->schema);
}

Result<std::vector<std::string>> cell_texts(std::string_view row, const Schema& schema,
                                            std::size_t width) {
  std::vector<std::string> cells;
  TRY(const auto values, split_row(row, schema.columns.size()));
  for (const std::string_view value : values) {
    TRY(const std::string text, value_text(value));
    cells.push_back(one_line(text, width));
  }
  return cells;
}

std::string_view type_text(const Event& event) {
  if (event.type != EventType::application) return name_of(event.type);
  return find_attribute(event.attributes, Attribute::name).value_or(name_of(event.type));
}

UnixMicros time_of(const Event& event) {
  return event.source_name.empty() ? event.append_time : event.transaction.commit_time;
}

}  // namespace tidelog
