#include "core/schema.h"

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/invariant.h"
#include "core/value_codec.h"

namespace tidelog {
namespace {

constexpr std::uint8_t flag_key = 1;
constexpr std::uint8_t flag_transform = 2;
constexpr std::uint8_t flags_known = flag_key | flag_transform;
constexpr std::size_t column_bytes_min = 6;

constexpr std::uint8_t flag_types_asked = 1;
constexpr std::uint8_t flag_key_asked = 2;
constexpr std::uint8_t flag_ended = 4;
constexpr std::uint8_t schema_flags_known = flag_types_asked | flag_key_asked | flag_ended;

bool is_column_kind(std::uint8_t kind) {
  return kind > static_cast<std::uint8_t>(ValueKind::unchanged) && kind < value_kind_count;
}

// column: sized name | sized type | u8 kind | u8 flags (1: key, 2: transform) | varint type id
// | zigzag type modifier | with the flag: u8 transform | sized detail
void put_column(std::string& out, const Column& column) {
  INVARIANT(is_column_kind(static_cast<std::uint8_t>(column.kind)), "a column has a kind of value");
  put_sized(out, column.name);
  put_sized(out, column.type);
  out.push_back(static_cast<char>(column.kind));
  const bool has_transform = column.transform != Transform::none;
  out.push_back(
      static_cast<char>((column.key ? flag_key : 0) | (has_transform ? flag_transform : 0)));
  put_varint(out, column.type_id);
  put_zigzag(out, column.type_modifier);
  if (!has_transform) return;
  out.push_back(static_cast<char>(column.transform));
  put_sized(out, column.transform_detail);
}

void read_transform(ByteReader& in, Column& column) {
  const auto transform = in.le<std::uint8_t>();
  if (transform == 0 || transform > transform_max) in.fail();
  column.transform = static_cast<Transform>(transform);
  column.transform_detail = in.sized();
}

Column read_column(ByteReader& in) {
  Column column;
  column.name = in.sized();
  column.type = in.sized();
  const auto kind = in.le<std::uint8_t>();
  const auto flags = in.le<std::uint8_t>();
  const std::uint64_t type_id = in.varint();
  const std::int64_t type_modifier = in.zigzag_varint();
  if (!is_column_kind(kind) || flags > flags_known || !std::in_range<std::uint32_t>(type_id) ||
      !std::in_range<std::int32_t>(type_modifier)) {
    in.fail();
  }
  column.kind = static_cast<ValueKind>(kind);
  column.key = (flags & flag_key) != 0;
  column.type_id = static_cast<std::uint32_t>(type_id);
  column.type_modifier = static_cast<std::int32_t>(type_modifier);
  if ((flags & flag_transform) != 0) read_transform(in, column);
  return column;
}

ReplicaIdentity read_identity(ByteReader& in) {
  const auto identity = in.le<std::uint8_t>();
  if (identity < static_cast<std::uint8_t>(ReplicaIdentity::primary_key) ||
      identity > static_cast<std::uint8_t>(ReplicaIdentity::nothing)) {
    in.fail();
  }
  return static_cast<ReplicaIdentity>(identity);
}

bool knows_origin(const Schema& schema) {
  return schema.table_id != 0 || schema.types_asked || schema.key_asked || schema.ended;
}

void read_origin(ByteReader& in, Schema& schema) {
  const std::uint64_t id = in.varint();
  const auto flags = in.le<std::uint8_t>();
  if (!std::in_range<std::uint32_t>(id) || (flags & ~schema_flags_known) != 0) in.fail();
  schema.table_id = static_cast<std::uint32_t>(id);
  schema.types_asked = (flags & flag_types_asked) != 0;
  schema.key_asked = (flags & flag_key_asked) != 0;
  schema.ended = (flags & flag_ended) != 0;
  if (!knows_origin(schema) || (schema.ended && schema.table_id != 0)) in.fail();
}

std::string described(const Schema& schema) { return schema.table_schema + "." + schema.table; }

Status put_key_columns(std::string& out, const Schema& schema, std::string_view row) {
  ByteReader in(row);
  for (const Column& column : schema.columns) {
    const std::string_view value = skip_value(in);
    if (!column.key || in.failed()) continue;
    if (value.front() == static_cast<char>(ValueKind::unchanged)) {
      return fail(Code::unsupported, described(schema) + ": the key column " + column.name +
                                         " was not sent with the row, so the row has no key");
    }
    out.append(value);
  }
  if (auto whole = in.finish(true, "a row of " + described(schema)); !whole) {
    return tl::unexpected<Error>(std::move(whole).error());
  }
  return {};
}

}  // namespace

std::string_view name_of(Transform transform) {
  switch (transform) {
    case Transform::none:
      return "none";
    case Transform::kept:
      return "kept";
    case Transform::masked:
      return "masked";
    case Transform::hashed:
      return "hashed";
    case Transform::shortened:
      return "shortened";
  }
  return "unknown";
}

bool Schema::has_key() const {
  return std::any_of(columns.begin(), columns.end(), [](const Column& c) { return c.key; });
}

// schema: sized table schema | sized table | u8 identity | varint n | n * column
// | nothing, or varint m | m * sized name of a column that is left out
//   | nothing, or varint table id | u8 flags (1: types asked, 2: key asked, 4: ended)
// What would say nothing is not there.
void put_schema(std::string& out, const Schema& schema) {
  put_sized(out, schema.table_schema);
  put_sized(out, schema.table);
  out.push_back(static_cast<char>(schema.identity));
  put_varint(out, schema.columns.size());
  for (const Column& column : schema.columns) put_column(out, column);
  const bool has_origin = knows_origin(schema);
  if (schema.left_out.empty() && !has_origin) return;
  put_varint(out, schema.left_out.size());
  for (const std::string& name : schema.left_out) put_sized(out, name);
  if (!has_origin) return;
  put_varint(out, schema.table_id);
  out.push_back(static_cast<char>((schema.types_asked ? flag_types_asked : 0) |
                                  (schema.key_asked ? flag_key_asked : 0) |
                                  (schema.ended ? flag_ended : 0)));
}

Result<Schema> read_schema(std::string_view bytes) {
  ByteReader in(bytes);
  Schema schema;
  schema.table_schema = in.sized();
  schema.table = in.sized();
  schema.identity = read_identity(in);
  schema.columns.resize(in.varint_count(column_bytes_min));
  for (Column& column : schema.columns) column = read_column(in);
  if (!in.failed() && in.remaining() != 0) {
    schema.left_out.resize(in.varint_count(1));
    for (std::string& name : schema.left_out) name = in.sized();
    if (schema.left_out.empty() || in.remaining() != 0) read_origin(in, schema);
  }
  return in.finish(std::move(schema), "schema");
}

Status put_key_of_row(std::string& out, const Schema& schema, std::string_view row) {
  const std::size_t size_before = out.size();
  Status status = put_key_columns(out, schema, row);
  if (!status) out.resize(size_before);
  return status;
}

}  // namespace tidelog
