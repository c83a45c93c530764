// Schema: what a table looked like when its rows were logged. A version is an event of its stream,
// before its first use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/value.h"

namespace tidelog {

// What the database logs of an old row (Postgres manual, ALTER TABLE ... REPLICA IDENTITY).
enum class ReplicaIdentity : std::uint8_t { primary_key = 1, index = 2, full = 3, nothing = 4 };

// What was made of a column's values before they were stored, because the configuration says so.
// The numbers are stored: never renumber, only add.
enum class Transform : std::uint8_t {
  none = 0,
  kept = 1,  // nothing: it was said to be stored as it is
  masked = 2,
  hashed = 3,
  shortened = 4,
};
inline constexpr std::uint8_t transform_max = 4;
std::string_view name_of(Transform transform);  // "none", "kept", …
// Whether stored values are not what the database said; they are texts then.
constexpr bool changes_values(Transform transform) {
  return transform != Transform::none && transform != Transform::kept;
}

struct Column {
  std::string name;
  std::string type;                   // as the source prints it: "numeric(10,2)"
  ValueKind kind = ValueKind::other;  // what its values are, when neither null nor unchanged
  bool key = false;                   // part of the event key
  std::uint32_t type_id = 0;          // Postgres: the type's oid
  std::int32_t type_modifier = -1;    // Postgres: atttypmod
  Transform transform = Transform::none;
  // masked: what stands in the place of every value; empty: a * for each character.
  // hashed: which key it was, without telling it. shortened: to how many characters.
  std::string transform_detail = {};
  bool operator==(const Column&) const = default;
};

struct Schema {
  std::string table_schema;  // "public"; in MySQL the database
  std::string table;
  ReplicaIdentity identity = ReplicaIdentity::primary_key;
  std::vector<Column> columns;
  // Columns that the table has and that are not stored, because the configuration says so.
  std::vector<std::string> left_out = {};
  // Postgres: the relation's oid. Another one under the same name is another table. 0: not known.
  std::uint32_t table_id = 0;
  // The log did not say it: the database was asked instead, perhaps when it was another already.
  bool types_asked = false;  // how a column's type is called
  bool key_asked = false;    // which columns are the key
  // The table is gone, or is called otherwise now: of no table, whose id is 0. A row that comes
  // after it is of a table that had rows before, of which the stream knows none.
  bool ended = false;
  bool operator==(const Schema&) const = default;

  // Without a key column a stream folds to a multiset of rows.
  bool has_key() const;
};

void put_schema(std::string& out, const Schema& schema);
Result<Schema> read_schema(std::string_view bytes);

// Appends the key of a whole row: the stored values of the key columns, in column order.
Status put_key_of_row(std::string& out, const Schema& schema, std::string_view row);

}  // namespace tidelog
