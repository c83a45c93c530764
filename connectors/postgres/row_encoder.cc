#include "connectors/postgres/row_encoder.h"

#include <fmt/format.h>

#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog::postgres {

namespace {

constexpr char null_tag = static_cast<char>(ValueKind::null);
constexpr char unchanged_tag = static_cast<char>(ValueKind::unchanged);

std::string described(const Schema& schema) { return schema.table_schema + "." + schema.table; }

std::string described(const Schema& schema, std::size_t index) {
  const Column& column = schema.columns[index];
  return fmt::format("table {}, column {} ({})", described(schema), column.name, column.type);
}

// What a usual row takes is kept for the next one.
constexpr std::size_t kept_bytes_max = 1 << 20;

void empty(std::string& bytes) {
  if (bytes.capacity() > kept_bytes_max) std::string().swap(bytes);
  bytes.clear();
}

// At most so much of a value is shown in an error.
constexpr std::size_t shown_bytes_max = 40;

Status check_width(const Schema& schema, const Tuple& tuple) {
  if (tuple.size() == schema.columns.size()) return {};
  return fail(Code::corrupt, fmt::format("a row of table {} has {} columns, but its relation {}",
                                         described(schema), tuple.size(), schema.columns.size()));
}

}  // namespace

std::string_view EncodedRow::value(std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(bytes_).substr(begin, ends_[index] - begin);
}

bool EncodedRow::is_unchanged(std::size_t index) const {
  return value(index).front() == unchanged_tag;
}

Status EncodedRow::put_column(const Schema& schema, BinaryTypes types, std::size_t index,
                              const TupleColumn& column) {
  switch (column.state) {
    case TupleColumn::State::text: {
      auto put = put_value_from_text(bytes_, schema.columns[index].kind, column.bytes);
      if (put) return {};
      return fail_in(fmt::format("{}, value \"{}\"", described(schema, index),
                                 column.bytes.substr(0, shown_bytes_max)),
                     std::move(put).error());
    }
    case TupleColumn::State::null:
      bytes_.push_back(null_tag);
      return {};
    case TupleColumn::State::unchanged:
      bytes_.push_back(unchanged_tag);
      return {};
    case TupleColumn::State::binary:
      return put_binary(schema, types, index, column.bytes);
  }
  return {};
}

Status EncodedRow::put_binary(const Schema& schema, BinaryTypes types, std::size_t index,
                              std::string_view bytes) {
  if (index >= types.size()) {
    return fail(Code::unsupported,
                described(schema, index) + ": sent in binary form, which was not asked for");
  }
  auto put = binary_.put(bytes_, types[index], schema.columns[index].kind, bytes);
  if (put) return {};
  return fail_in(described(schema, index), std::move(put).error());
}

Status EncodedRow::encode(const Schema& schema, BinaryTypes types, const Tuple& tuple,
                          const EncodedRow* old) {
  TRY_DO(check_width(schema, tuple));
  empty(bytes_);
  ends_.resize(tuple.size());
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    const bool unchanged = tuple[i].state == TupleColumn::State::unchanged;
    if (unchanged && old != nullptr) {
      bytes_.append(old->value(i));
    } else {
      TRY_DO(put_column(schema, types, i, tuple[i]));
    }
    ends_[i] = bytes_.size();
  }
  return {};
}

Status EncodedRow::encode_key_tuple(const Schema& schema, BinaryTypes types, const Tuple& tuple) {
  TRY_DO(check_width(schema, tuple));
  empty(bytes_);
  ends_.resize(tuple.size());
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    if (schema.columns[i].key) {
      TRY_DO(put_column(schema, types, i, tuple[i]));
    } else {
      bytes_.push_back(unchanged_tag);
    }
    ends_[i] = bytes_.size();
  }
  return {};
}

Result<std::string_view> EncodedRow::key(const Schema& schema) {
  std::size_t first = schema.columns.size();
  std::size_t behind = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    if (!schema.columns[i].key) continue;
    if (is_unchanged(i)) {
      return fail(
          Code::unsupported,
          described(schema, i) + ": a key value was not sent with the row, so the row has no key");
    }
    first = std::min(first, i);
    behind = i + 1;
    ++count;
  }
  if (count == 0) return std::string_view();
  if (count == behind - first) {
    const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
    return std::string_view(bytes_).substr(begin, ends_[behind - 1] - begin);
  }
  empty(key_);
  for (std::size_t i = first; i < behind; ++i) {
    if (schema.columns[i].key) key_.append(value(i));
  }
  return key_;
}

}  // namespace tidelog::postgres
