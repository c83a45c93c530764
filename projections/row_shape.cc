#include "projections/row_shape.h"

#include <algorithm>
#include <optional>

#include "core/value_codec.h"
#include "core/value_text.h"
#include "core/value_transform.h"

namespace tidelog {
namespace {

constexpr char unchanged_tag = static_cast<char>(ValueKind::unchanged);

bool is_unchanged(std::string_view value) { return value.front() == unchanged_tag; }

// The values of a row for the columns of another schema. Unchanged's bytes when its own schema does
// not have the column; or when what was stored there is made otherwise: it would be shown in clear
// where it is to be masked, or masked where it is known.
class ByName {
 public:
  static Result<ByName> of(const ShapedRow& row, const Schema& to) {
    TRY(auto values, split_row(row.row, row.schema->columns.size()));
    return ByName(*row.schema, to, std::move(values));
  }

  // `place` of the column in `to`, which is its own where both schemas are alike.
  std::string_view find(std::size_t place) const {
    const Column& column = to_->columns[place];
    const std::size_t index = index_of(column.name, place);
    if (index >= values_.size()) return {&unchanged_tag, 1};
    if (to_ != schema_ && !is_as_stored(schema_->columns[index], column))
      return {&unchanged_tag, 1};
    return values_[index];
  }

 private:
  ByName(const Schema& schema, const Schema& to, std::vector<std::string_view> values)
      : schema_(&schema), to_(&to), values_(std::move(values)) {}

  // A key stays what it was: it tells rows apart.
  static bool is_as_stored(const Column& stored, const Column& column) {
    return column.key || is_stored_alike(stored, column);
  }

  std::size_t index_of(const std::string& name, std::size_t hint) const {
    const auto& columns = schema_->columns;
    if (hint < columns.size() && columns[hint].name == name) return hint;
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const Column& c) { return c.name == name; });
    return static_cast<std::size_t>(at - columns.begin());
  }

  const Schema* schema_;
  const Schema* to_;
  std::vector<std::string_view> values_;
};

// A value that another kind of column can read from its text, or the value as it is.
void put_as_kind(std::string& out, std::string_view stored, ValueKind kind) {
  ByteReader in(stored);
  std::string text;
  print_value(text, read_value(in));
  if (!put_value_from_text(out, kind, text)) out += stored;
}

bool needs_kind(const Column& column, ValueKind kind) {
  return column.key && kind != ValueKind::null && kind != ValueKind::unchanged &&
         kind != column.kind;
}

}  // namespace

Result<bool> has_unchanged(std::string_view row, const Schema& schema) {
  if (row.find(unchanged_tag) == std::string_view::npos) return false;
  ByteReader in(row);
  bool found = false;
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const std::string_view value = skip_value(in);
    found = found || (!value.empty() && is_unchanged(value));
  }
  return in.finish(found, "row of " + schema.table);
}

Status put_filled(std::string& out, const ShapedRow& row, const ShapedRow& known) {
  const auto& columns = row.schema->columns;
  TRY(const auto values, split_row(row.row, columns.size()));
  TRY(const auto source, ByName::of(known, *row.schema));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    out += is_unchanged(values[i]) ? source.find(i) : values[i];
  }
  return {};
}

Status put_reshaped(std::string& out, const ShapedRow& row, const Schema& to) {
  TRY(const auto source, ByName::of(row, to));
  for (std::size_t i = 0; i < to.columns.size(); ++i) {
    const Column& column = to.columns[i];
    const std::string_view value = source.find(i);
    if (needs_kind(column, static_cast<ValueKind>(value.front()))) {
      put_as_kind(out, value, column.kind);
    } else {
      out += value;
    }
  }
  return {};
}

bool same_key_shape(const Schema& a, const Schema& b) {
  const auto keys_of = [](const Schema& schema) {
    std::vector<std::pair<std::string_view, ValueKind>> keys;
    for (const Column& column : schema.columns) {
      if (column.key) keys.emplace_back(column.name, column.kind);
    }
    return keys;
  };
  return keys_of(a) == keys_of(b);
}

bool same_row_shape(const Schema& a, const Schema& b) {
  return std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const Column& x, const Column& y) {
                      return x.name == y.name && x.kind == y.kind && is_stored_alike(x, y);
                    });
}

bool must_reshape(const Schema& before, const Schema& next) {
  return !same_key_shape(before, next) || (!next.has_key() && !same_row_shape(before, next));
}

StoredRow merged_copies(const StoredRow& a, const StoredRow& b) {
  StoredRow merged = a.position > b.position ? a : b;
  merged.key = a.key;
  merged.copies = a.copies + b.copies;
  return merged;
}

Result<bool> equal_where_known(std::string_view a, std::string_view b, const Schema& schema) {
  TRY(const auto left, split_row(a, schema.columns.size()));
  TRY(const auto right, split_row(b, schema.columns.size()));
  return std::equal(left.begin(), left.end(), right.begin(),
                    [](std::string_view x, std::string_view y) {
                      return x == y || is_unchanged(x) || is_unchanged(y);
                    });
}

}  // namespace tidelog
