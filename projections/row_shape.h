// The shape of rows: filling in values that were not sent, and carrying a row from one schema
// version to another. For the folds and targets of this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/schema.h"
#include "eventstore/stored_row.h"

namespace tidelog {

// A row and the schema it was stored with.
struct ShapedRow {
  std::string_view row;
  const Schema* schema;
};

// Whether any column was not sent.
Result<bool> has_unchanged(std::string_view row, const Schema& schema);

// Appends `row` with each Unchanged value replaced by the one of the column of the same name in
// `known`. What is not there either, or is stored there under another transform, stays Unchanged.
// `out` may hold neither row.
Status put_filled(std::string& out, const ShapedRow& row, const ShapedRow& known);

// Appends the row in the shape of `to`, by column name. A column that the row does not have is
// Unchanged: the log does not say whether the database gave old rows a default or null; and so is
// one that was stored under another transform, unless it is part of the key. The value of a key
// column whose kind differs is read anew from its text, as equality is by bytes; other values stay
// what they were.
Status put_reshaped(std::string& out, const ShapedRow& row, const Schema& to);

// Whether rows of both have equal keys for equal rows: the same key columns, in the same order, of
// the same kinds.
bool same_key_shape(const Schema& a, const Schema& b);
// Whether the bytes of rows of both mean the same: columns of the same names, kinds and transforms
// in the same order.
bool same_row_shape(const Schema& a, const Schema& b);
// Whether rows of `before` must take the shape of `next` at once. Keyed rows keep their own shape
// until they are shown; whatever equality rests on must have the new one.
bool must_reshape(const Schema& before, const Schema& next);

// Two stored entries of a table without a key that are the same row.
StoredRow merged_copies(const StoredRow& a, const StoredRow& b);

// Whether two rows of the same schema are equal in all columns that both know.
Result<bool> equal_where_known(std::string_view a, std::string_view b, const Schema& schema);

}  // namespace tidelog
