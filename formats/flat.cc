#include "formats/flat.h"

#include <vector>

#include "core/application_event.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/load_step.h"
#include "core/source_position.h"
#include "core/value_codec.h"
#include "formats/json_text.h"
#include "formats/json_value.h"

namespace tidelog {
namespace {

void put_member(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  out.append(1, '"').append(name).append("\":");
}

void put_text_member(std::string& out, std::string_view name, std::string_view text) {
  put_member(out, name);
  put_json_text(out, text);
}

void put_flag(std::string& out, std::string_view name, bool set) {
  put_member(out, name);
  out += set ? "true" : "false";
}

enum class Columns : std::uint8_t { all, key };

// The values in `bytes` by the names of their columns. What is Unchanged is left out and named in
// `unchanged`.
Status put_columns(std::string& out, std::string_view bytes, const Schema& schema, Columns which,
                   std::string* unchanged) {
  ByteReader in(bytes);
  out += '{';
  for (const Column& column : schema.columns) {
    if (which == Columns::key && !column.key) continue;
    const Value value = read_value(in);
    if (in.failed()) break;
    if (value.kind() == ValueKind::unchanged) {
      if (unchanged == nullptr) continue;
      *unchanged += unchanged->empty() ? "[" : ",";
      put_json_text(*unchanged, column.name);
      continue;
    }
    TRY_DO(put_json_name(out, column.name));
    put_json_value(out, value);
  }
  out += '}';
  if (unchanged != nullptr && !unchanged->empty()) *unchanged += ']';
  TRY_DO(in.finish(true, "row of " + schema.table));
  return {};
}

Status put_key(std::string& out, const Event& event, const Schema* schema) {
  put_member(out, "key");
  if (event.key) return print_key_json(out, *event.key, *schema);
  out += "null";
  return {};
}

Status put_before(std::string& out, const Event& event, const Schema* schema) {
  put_member(out, "before");
  std::string unchanged;
  switch (event.before_kind) {
    case Before::none:
      out += "null";
      break;
    case Before::key:
      TRY_DO(put_columns(out, event.before, *schema, Columns::key, nullptr));
      put_flag(out, "before_is_key", true);
      break;
    case Before::row:
      TRY_DO(put_columns(out, event.before, *schema, Columns::all, &unchanged));
      break;
  }
  if (!unchanged.empty()) {
    put_member(out, "before_unchanged");
    out += unchanged;
  }
  return {};
}

Status put_after(std::string& out, const Event& event, const Schema* schema) {
  put_member(out, "after");
  if (!event.body) {
    out += "null";
    return {};
  }
  std::string unchanged;
  TRY_DO(put_columns(out, *event.body, *schema, Columns::all, &unchanged));
  if (!unchanged.empty()) {
    put_member(out, "unchanged");
    out += unchanged;
  }
  return {};
}

Status put_row_event(std::string& out, const Event& event, const Schema* schema) {
  const bool has_values = event.key || event.body || event.before_kind != Before::none;
  if (has_values && schema == nullptr) return fail(Code::corrupt, "a row event without a schema");
  TRY_DO(put_key(out, event, schema));
  TRY_DO(put_before(out, event, schema));
  TRY_DO(put_after(out, event, schema));
  if (event.moved) put_flag(out, "moved", true);
  return {};
}

std::string_view name_of_identity(ReplicaIdentity identity) {
  switch (identity) {
    case ReplicaIdentity::primary_key:
      return "primary_key";
    case ReplicaIdentity::index:
      return "index";
    case ReplicaIdentity::full:
      return "full";
    case ReplicaIdentity::nothing:
      return "nothing";
  }
  return "";
}

// Only of columns that the configuration says something about.
void put_transform(std::string& out, const Column& column) {
  if (column.transform == Transform::none) return;
  put_text_member(out, "transform", name_of(column.transform));
  if (!column.transform_detail.empty())
    put_text_member(out, "transform_detail", column.transform_detail);
}

void put_schema_columns(std::string& out, const Schema& schema) {
  put_member(out, "columns");
  out += '[';
  for (const Column& column : schema.columns) {
    out += out.back() == '[' ? "{" : ",{";
    put_text_member(out, "name", column.name);
    put_text_member(out, "type", column.type);
    put_text_member(out, "kind", json_kind_name(column.kind));
    if (column.key) put_flag(out, "key", true);
    put_transform(out, column);
    out += '}';
  }
  out += ']';
}

void put_left_out(std::string& out, const Schema& schema) {
  if (schema.left_out.empty()) return;
  put_member(out, "left_out");
  out += '[';
  for (const std::string& name : schema.left_out) {
    if (out.back() != '[') out += ',';
    put_json_text(out, name);
  }
  out += ']';
}

// Which table it is, and what was not told by the log but asked for, perhaps later.
void put_origin_of(std::string& out, const Schema& schema) {
  if (schema.table_id != 0) {
    put_member(out, "table_id");
    put_json_number(out, std::uint64_t{schema.table_id});
  }
  if (schema.ended) put_flag(out, "ended", true);
  if (!schema.types_asked && !schema.key_asked) return;
  put_member(out, "asked");
  out += schema.types_asked ? "[\"types\"" : "[";
  if (schema.key_asked) out += schema.types_asked ? ",\"key\"" : "\"key\"";
  out += ']';
}

Status put_schema_event(std::string& out, const Event& event) {
  TRY(const Schema schema, read_schema(event.body.value_or("")));
  put_member(out, "schema");
  out += '{';
  put_text_member(out, "table_schema", schema.table_schema);
  put_text_member(out, "table", schema.table);
  put_text_member(out, "identity", name_of_identity(schema.identity));
  put_schema_columns(out, schema);
  put_left_out(out, schema);
  put_origin_of(out, schema);
  out += '}';
  return {};
}

void put_truncate(std::string& out, const Event& event) {
  const auto said = [&](Attribute tag) {
    return find_attribute(event.attributes, tag).has_value();
  };
  put_member(out, "truncate");
  out += '{';
  put_flag(out, "cascade", said(Attribute::truncate_cascade));
  put_flag(out, "restart_identity", said(Attribute::truncate_restart));
  if (const auto reason = find_attribute(event.attributes, Attribute::reason))
    put_text_member(out, "reason", *reason);
  out += '}';
}

void put_message(std::string& out, const Event& event) {
  put_member(out, "message");
  out += '{';
  put_text_member(out, "prefix", find_attribute(event.attributes, Attribute::name).value_or(""));
  put_member(out, "content");
  put_json_base64(out, event.body.value_or(""));
  out += '}';
}

void put_gap(std::string& out, const Event& event) {
  put_member(out, "gap");
  out += '{';
  put_text_member(out, "reason", event.body.value_or(""));
  out += '}';
}

void put_undecoded(std::string& out, const Event& event) {
  put_member(out, "undecoded");
  put_json_base64(out, event.body.value_or(""));
}

void put_text_if_given(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) put_text_member(out, name, text);
}

// JSON as JSON, if it is what it is said to be.
void put_json_or_text(std::string& out, std::string_view name, bool is_json,
                      std::string_view text) {
  put_member(out, name);
  if (!is_json || !put_json_embedded(out, text)) put_json_text(out, text);
}

void put_application(std::string& out, const Event& event) {
  const ApplicationAttributes attributes = read_application_attributes(event.attributes);
  put_text_if_given(out, "id", print_event_id(attributes.id));
  if (event.key) put_text_member(out, "key", *event.key);
  put_text_if_given(out, "content_type", attributes.content_type);
  put_json_or_text(out, "data", is_json_type(attributes.content_type), event.body.value_or(""));
  if (!attributes.metadata.empty()) put_json_or_text(out, "metadata", true, attributes.metadata);
  put_text_if_given(out, "correlation_id", attributes.correlation_id);
  put_text_if_given(out, "causation_id", attributes.causation_id);
}

Status put_stream_truncated(std::string& out, const Event& event) {
  TRY(const Revision first, read_first_kept(event.body.value_or("")));
  put_member(out, "first_revision");
  put_json_number(out, first.value);
  return {};
}

Status put_load_step(std::string& out, const Event& event) {
  TRY(const LoadStep step, read_load_step(event.body.value_or("")));
  put_member(out, "load");
  put_json_number(out, step.number);
  put_text_member(out, "step", name_of(step.kind));
  put_member(out, "rows");
  put_json_number(out, step.rows);
  put_text_if_given(out, "where", step.where);
  put_text_if_given(out, "reason", step.reason);
  return {};
}

Status put_ddl(std::string& out, const Event& event) {
  put_text_member(out, "ddl", event.body.value_or(""));
  if (const auto command = find_attribute(event.attributes, Attribute::name))
    put_text_member(out, "command", *command);
  if (const auto reason = find_attribute(event.attributes, Attribute::reason))
    put_text_member(out, "problem", *reason);
  const auto tables = find_attribute(event.attributes, Attribute::tables);
  if (!tables) return {};
  TRY(const std::vector<std::string> names, read_names(*tables));
  put_member(out, "tables");
  out += '[';
  for (const std::string& name : names) {
    if (out.back() != '[') out += ',';
    put_json_text(out, name);
  }
  out += ']';
  return {};
}

Status put_content(std::string& out, const Event& event, const Schema* schema) {
  switch (event.type) {
    case EventType::load:
    case EventType::insert:
    case EventType::update:
    case EventType::remove:
      return put_row_event(out, event, schema);
    case EventType::schema:
      return put_schema_event(out, event);
    case EventType::truncate:
      put_truncate(out, event);
      return {};
    case EventType::message:
      put_message(out, event);
      return {};
    case EventType::gap:
      put_gap(out, event);
      return {};
    case EventType::undecoded:
      put_undecoded(out, event);
      return {};
    case EventType::ddl:
      return put_ddl(out, event);
    case EventType::application:
      put_application(out, event);
      return {};
    case EventType::stream_truncated:
      return put_stream_truncated(out, event);
    case EventType::load_step:
      return put_load_step(out, event);
    case EventType::erased:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
      return {};
  }
  return fail(Code::corrupt, "an event of no known type");
}

void put_source_position(std::string& out, std::string_view position) {
  if (position.empty()) return;
  if (const auto lsn = read_postgres_lsn(position)) {
    put_text_member(out, "lsn", print_lsn(*lsn));
  } else {
    put_text_member(out, "position", print_source_position(position));
  }
}

void put_origin(std::string& out, const Transaction& transaction) {
  if (transaction.origin.empty()) return;
  put_text_member(out, "origin", transaction.origin);
  if (const auto lsn = read_postgres_lsn(transaction.origin_position))
    put_text_member(out, "origin_lsn", print_lsn(*lsn));
}

void put_source(std::string& out, const Event& event) {
  put_member(out, "source");
  if (event.source_name.empty()) {
    out += "null";
    return;
  }
  out += '{';
  put_text_member(out, "name", event.source_name);
  put_source_position(out, event.transaction.position);
  put_member(out, "ordinal");
  put_json_number(out, std::uint64_t{event.ordinal});
  put_origin(out, event.transaction);
  if (!event.transaction.global_id.empty())
    put_text_member(out, "global_id", event.transaction.global_id);
  out += '}';
}

std::string_view type_of(const Event& event) {
  if (event.type != EventType::application) return name_of(event.type);
  return find_attribute(event.attributes, Attribute::name).value_or(name_of(event.type));
}

void put_head(std::string& out, const Event& event) {
  out += '{';
  put_member(out, "position");
  put_json_number(out, event.position.value);
  put_text_member(out, "stream", event.stream_name);
  put_member(out, "revision");
  put_json_number(out, event.revision.value);
  put_text_member(out, "type", type_of(event));
  // Application events have no commit time of a source: theirs is when they were appended.
  const bool from_source = !event.source_name.empty();
  put_text_member(out, "time",
                  print_time(from_source ? event.transaction.commit_time : event.append_time));
  if (event.transaction.id.empty()) {
    put_member(out, "transaction");
    out += "null";
  } else {
    put_text_member(out, "transaction", event.transaction.id);
  }
}

}  // namespace

Status put_flat(std::string& out, const Event& event, const Schema* schema) {
  const std::size_t before = out.size();
  put_head(out, event);
  if (auto put = put_content(out, event, schema); !put) {
    out.resize(before);
    return fail_in(
        "event " + std::to_string(event.position.value) + " of " + std::string(event.stream_name),
        std::move(put).error());
  }
  put_source(out, event);
  out += '}';
  return {};
}

Status print_row_json(std::string& out, std::string_view row, const Schema& schema,
                      std::string* unchanged) {
  return put_columns(out, row, schema, Columns::all, unchanged);
}

Status print_key_json(std::string& out, std::string_view key, const Schema& schema) {
  return put_columns(out, key, schema, Columns::key, nullptr);
}

}  // namespace tidelog
