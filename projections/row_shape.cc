#include "projections/row_shape.h"

#include <algorithm>
#include <optional>

#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog {
namespace {

constexpr char unchanged_tag = static_cast<char>(ValueKind::unchanged);

bool is_unchanged(std::string_view value) { return value.front() == unchanged_tag; }

// The column's value in the row; Unchanged's bytes when the row's schema does not have it.
class ByName {
 public:
  static Result<ByName> of(const ShapedRow& row) {
    TRY(auto values, split_row(row.row, row.schema->columns.size()));
    return ByName(*row.schema, std::move(values));
  }

  // `hint`: where it is when both schemas are alike.
  std::string_view find(const std::string& name, std::size_t hint) const {
    const std::size_t index = index_of(name, hint);
    return index < values_.size() ? values_[index] : std::string_view(&unchanged_tag, 1);
  }

  ValueKind kind(const std::string& name, std::size_t hint) const {
    const std::size_t index = index_of(name, hint);
    return index < values_.size() ? static_cast<ValueKind>(values_[index].front())
                                  : ValueKind::unchanged;
  }

 private:
  ByName(const Schema& schema, std::vector<std::string_view> values)
      : schema_(&schema), values_(std::move(values)) {}

  std::size_t index_of(const std::string& name, std::size_t hint) const {
    const auto& columns = schema_->columns;
    if (hint < columns.size() && columns[hint].name == name) return hint;
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const Column& c) { return c.name == name; });
    return static_cast<std::size_t>(at - columns.begin());
  }

  const Schema* schema_;
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
  TRY(const auto source, ByName::of(known));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    out += is_unchanged(values[i]) ? source.find(columns[i].name, i) : values[i];
  }
  return {};
}

Status put_reshaped(std::string& out, const ShapedRow& row, const Schema& to) {
  TRY(const auto source, ByName::of(row));
  for (std::size_t i = 0; i < to.columns.size(); ++i) {
    const Column& column = to.columns[i];
    const std::string_view value = source.find(column.name, i);
    if (needs_kind(column, source.kind(column.name, i))) {
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
  return std::equal(
      a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
      [](const Column& x, const Column& y) { return x.name == y.name && x.kind == y.kind; });
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
