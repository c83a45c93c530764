#include "connectors/postgres/row_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/row_buffer.h"

namespace tidelog::postgres {

namespace {

char letter_of(TupleColumn::State state) {
  switch (state) {
    case TupleColumn::State::null:
      return 'n';
    case TupleColumn::State::unchanged:
      return 'u';
    case TupleColumn::State::text:
      return 't';
    case TupleColumn::State::binary:
      return 'b';
  }
  return 'n';
}

bool has_value(const TupleColumn& column) {
  return column.state == TupleColumn::State::text || column.state == TupleColumn::State::binary;
}

// u16 count | count * (letter, and of a value u32 size | bytes)
void put_tuple(std::string& out, const Tuple& tuple) {
  put_be(out, static_cast<std::uint16_t>(tuple.size()));
  for (const TupleColumn& column : tuple) {
    const char letter = letter_of(column.state);
    out.push_back(letter);
    if (letter == 'n' || letter == 'u') continue;
    put_be(out, static_cast<std::uint32_t>(column.bytes.size()));
    out.append(column.bytes);
  }
}

Result<RowChange> read_row(std::string_view message) {
  RowChange change;
  const ByteReader in(message.substr(1));
  switch (message.front()) {
    case 'I':
      TRY_DO(read_insert(in, change));
      return change;
    case 'U':
      TRY_DO(read_update(in, change));
      return change;
    default:
      TRY_DO(read_delete(in, change));
      return change;
  }
}

}  // namespace

std::unique_ptr<RowTransform> RowTransform::of(const TransformRules& rules,
                                               const Relation& relation) {
  if (!rules.concern(relation.schema, relation.table)) return nullptr;
  auto transform = std::make_unique<RowTransform>();
  transform->table_ = relation.schema + "." + relation.table;
  bool any = false;
  for (const RelationColumn& column : relation.columns) {
    const TransformRules::Decision decision =
        rules.of(relation.schema, relation.table, column.name);
    ColumnAction& action = transform->columns_.emplace_back();
    action.name = column.name;
    action.is_left_out = decision.is_left_out;
    action.kind = decision.kind;
    if (decision.transform != nullptr) action.transform = *decision.transform;
    any = any || decision.is_left_out || decision.kind != Transform::none;
  }
  return any ? std::move(transform) : nullptr;
}

std::unique_ptr<RowTransform> RowTransform::without_values(const Relation& relation) {
  auto transform = std::make_unique<RowTransform>();
  transform->table_ = relation.schema + "." + relation.table;
  for (const RelationColumn& column : relation.columns) {
    ColumnAction& action = transform->columns_.emplace_back();
    action.name = column.name;
    action.is_left_out = true;
  }
  return transform;
}

bool RowTransform::changes_rows() const {
  return std::ranges::any_of(columns_, [](const ColumnAction& column) {
    return column.is_left_out || column.transform.has_value();
  });
}

std::string_view RowTransform::key_of_hash(std::size_t column) const {
  const ColumnAction& action = columns_[column];
  return action.kind == Transform::hashed ? std::string_view(action.transform->key())
                                          : std::string_view();
}

// A key is stored, as it is or hashed: anything else of it would be that of several rows.
Status RowTransform::check_key(const ColumnAction& column) const {
  const bool tells_apart = !changes_values(column.kind) || column.kind == Transform::hashed;
  if (tells_apart && !column.is_left_out) return {};
  return fail(
      Code::misconfigured,
      fmt::format("the column {} of {} is part of the key, which tells rows apart, and cannot be "
                  "{}: `hash` it, or give the table another key with `keys`",
                  column.name, table_, column.is_left_out ? "left out" : name_of(column.kind)));
}

Result<Schema> RowTransform::schema_of(const Schema& sent) const {
  Schema schema = sent;
  schema.columns.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const ColumnAction& action = columns_[i];
    Column column = sent.columns[i];
    if (column.key) TRY_DO(check_key(action));
    if (action.is_left_out) {
      schema.left_out.push_back(column.name);
      continue;
    }
    column.transform = action.kind;
    if (action.transform) {
      column.kind = ValueKind::text;
      column.transform_detail = action.transform->detail();
    }
    schema.columns.push_back(std::move(column));
  }
  return schema;
}

Status RowTransform::check_width(const Tuple& tuple) const {
  if (tuple.size() == columns_.size()) return {};
  return fail(Code::corrupt, fmt::format("a row of table {} has {} columns, but its relation {}",
                                         table_, tuple.size(), columns_.size()));
}

// The texts move as they grow: they are pointed to once all are there.
Status RowTransform::change_values(const Tuple& sent) {
  TRY_DO(check_width(sent));
  empty_for_next(texts_);
  row_.assign(sent.begin(), sent.end());
  ends_.resize(row_.size());
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (columns_[i].is_left_out) row_[i] = {};
    if (columns_[i].transform && has_value(row_[i])) TRY_DO(change_value(i, row_[i]));
    ends_[i] = texts_.size();
  }
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (!columns_[i].transform || !has_value(row_[i])) continue;
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    row_[i] = {TupleColumn::State::text, std::string_view(texts_).substr(begin, ends_[i] - begin)};
  }
  return {};
}

Status RowTransform::change_value(std::size_t column, const TupleColumn& sent) {
  ValueTransform& transform = *columns_[column].transform;
  if (sent.state == TupleColumn::State::text) return transform.put(texts_, sent.bytes);
  if (column >= types_.size()) {
    return fail(Code::unsupported,
                fmt::format("the column {} of {} is to be {}, and came in binary form, which was "
                            "not asked for",
                            columns_[column].name, table_, name_of(columns_[column].kind)));
  }
  const auto text = binary_.text(types_[column], sent.bytes);
  if (text) return transform.put(texts_, *text);
  return fail(text.error().code,
              fmt::format("table {}, column {}: what came in binary form is none of its values "
                          "(and is not shown, as it is to be {})",
                          table_, columns_[column].name, name_of(columns_[column].kind)));
}

std::vector<BinaryType> RowTransform::stored_types() const {
  std::vector<BinaryType> stored;
  for (std::size_t i = 0; i < types_.size(); ++i) {
    if (!columns_[i].is_left_out) stored.push_back(types_[i]);
  }
  return stored;
}

void RowTransform::drop_left_out() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].is_left_out) row_[kept++] = row_[i];
  }
  row_.resize(kept);
}

Result<const Tuple*> RowTransform::held(const Tuple& sent) {
  TRY_DO(change_values(sent));
  return &row_;
}

Result<const Tuple*> RowTransform::stored(const Tuple& sent) {
  TRY_DO(change_values(sent));
  drop_left_out();
  return &row_;
}

Result<const Tuple*> RowTransform::stored_of_held(const Tuple& held) {
  TRY_DO(check_width(held));
  row_.assign(held.begin(), held.end());
  drop_left_out();
  return &row_;
}

RowTransform RowTransform::without_left_out() const {
  RowTransform rest = *this;
  std::erase_if(rest.columns_, [](const ColumnAction& column) { return column.is_left_out; });
  return rest;
}

// sized name | u8 left out | u8 transform | sized detail, of each column whose values are changed.
std::string RowTransform::description() const {
  std::string out;
  for (const ColumnAction& column : columns_) {
    if (!column.is_left_out && !column.transform) continue;
    put_sized(out, column.name);
    out.push_back(column.is_left_out ? '\1' : '\0');
    out.push_back(static_cast<char>(column.kind));
    put_sized(out, column.transform ? column.transform->detail() : std::string());
  }
  return out;
}

// letter | u32 relation | for each tuple its letter and itself
Result<std::string> held_message(std::string_view message, RowTransform& transform) {
  TRY(const RowChange change, read_row(message));
  std::string out(1, message.front());
  put_be(out, change.relation);
  if (change.old_kind != OldRow::none) {
    TRY(const Tuple* const old_row, transform.held(change.old_row));
    out.push_back(change.old_kind == OldRow::full ? 'O' : 'K');
    put_tuple(out, *old_row);
  }
  if (message.front() == 'D') return out;
  TRY(const Tuple* const new_row, transform.held(change.new_row));
  out.push_back('N');
  put_tuple(out, *new_row);
  return out;
}

std::string mark_of_transformed(std::uint32_t relation, const RowTransform& transform) {
  std::string out(1, transformed_mark);
  put_be(out, relation);
  return out + transform.description();
}

Result<TransformedMark> read_transformed_mark(std::string_view message) {
  ByteReader in(message.substr(1));
  TransformedMark mark;
  mark.relation = in.be<std::uint32_t>();
  mark.description = in.rest();
  return in.finish(mark, "the mark of rows that are held transformed");
}

}  // namespace tidelog::postgres
