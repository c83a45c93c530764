// RowTransform: what the configuration makes of the rows of one relation before they are encoded,
// held or written anywhere. Made by the catalog of relations, once for each description of one;
// relations of which nothing is changed have none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/binary_value.h"
#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/transform_rules.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/value_transform.h"

namespace tidelog::postgres {

// One thread.
class RowTransform {
 public:
  // Null when no rule says anything about a column of it.
  static std::unique_ptr<RowTransform> of(const TransformRules& rules, const Relation& relation);

  // Leaves every column out.
  static std::unique_ptr<RowTransform> without_values(const Relation& relation);

  // The schema of rows as they are stored, from that of rows as they are sent. Code::misconfigured
  // when rows would no longer be told apart by their keys.
  Result<Schema> schema_of(const Schema& sent) const;

  // How values look that are sent in binary form, of all columns: their texts are what is changed.
  void read_binary(std::vector<BinaryType> types) { types_ = std::move(types); }
  // Of the columns that are stored.
  std::vector<BinaryType> stored_types() const;
  bool leaves_out(std::size_t column) const { return columns_[column].is_left_out; }

  // Whether rows are not stored as they are sent.
  bool changes_rows() const;
  // What a column's values are hashed with. Empty: they are not.
  std::string_view key_of_hash(std::size_t column) const;

  // The tuple as it is stored: values changed, columns left out. It lives until the next call.
  Result<const Tuple*> stored(const Tuple& sent);
  // As it is held until its transaction ends: values changed, null in columns that are left out.
  Result<const Tuple*> held(const Tuple& sent);
  // From the one to the other.
  Result<const Tuple*> stored_of_held(const Tuple& held);

  // Of rows that have no columns but those that are stored, in their order.
  RowTransform without_left_out() const;

  // What it does to rows, to be compared with that of another one.
  std::string description() const;

 private:
  struct ColumnAction {
    std::string name;
    bool is_left_out = false;
    Transform kind = Transform::none;
    std::optional<ValueTransform> transform;
  };
  Status check_key(const ColumnAction& column) const;
  Status check_width(const Tuple& tuple) const;
  Status change_values(const Tuple& sent);
  Status change_value(std::size_t column, const TupleColumn& sent);
  void drop_left_out();

  std::string table_;  // "public.people"
  std::vector<ColumnAction> columns_;
  std::vector<BinaryType> types_;  // empty: nothing is sent in binary form
  BinaryValues binary_;
  Tuple row_;
  std::string texts_;              // of the values that were changed
  std::vector<std::size_t> ends_;  // of each column's in it
};

// An insert, update or delete of the relation (with its letter) as it is held.
Result<std::string> held_message(std::string_view message, RowTransform& transform);

// Held behind the description of a relation whose rows are held as they are stored: this letter,
// u32 relation, and the description of what was done to them. The server sends no such message.
inline constexpr char transformed_mark = '\x01';
std::string mark_of_transformed(std::uint32_t relation, const RowTransform& transform);
struct TransformedMark {
  std::uint32_t relation = 0;
  std::string_view description;
};
Result<TransformedMark> read_transformed_mark(std::string_view message);

}  // namespace tidelog::postgres
