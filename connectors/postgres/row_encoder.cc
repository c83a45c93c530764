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

// At most so much of a value is shown in an error.
constexpr std::size_t shown_bytes_max = 40;

Status check_width(const Schema& schema, const Tuple& tuple) {
  if (tuple.size() == schema.columns.size()) return {};
  return fail(Code::corrupt, fmt::format("a row of table {} has {} columns, but its relation {}",
                                         described(schema), tuple.size(), schema.columns.size()));
}

}  // namespace

Status EncodedRow::put_column(const Schema& schema, BinaryTypes types, std::size_t index,
                              const TupleColumn& column) {
  switch (column.state) {
    case TupleColumn::State::text: {
      auto put = put_value_from_text(row_.bytes(), schema.columns[index].kind, column.bytes);
      if (put) return {};
      return fail_in(fmt::format("{}, value \"{}\"", described(schema, index),
                                 column.bytes.substr(0, shown_bytes_max)),
                     std::move(put).error());
    }
    case TupleColumn::State::null:
      row_.bytes().push_back(null_tag);
      return {};
    case TupleColumn::State::unchanged:
      row_.bytes().push_back(unchanged_tag);
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
  auto put = binary_.put(row_.bytes(), types[index], schema.columns[index].kind, bytes);
  if (put) return {};
  return fail_in(described(schema, index), std::move(put).error());
}

Status EncodedRow::encode(const Schema& schema, BinaryTypes types, const Tuple& tuple,
                          const EncodedRow* old) {
  TRY_DO(check_width(schema, tuple));
  row_.begin(tuple.size());
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    const bool unchanged = tuple[i].state == TupleColumn::State::unchanged;
    if (unchanged && old != nullptr) {
      row_.bytes().append(old->row_.value(i));
    } else {
      TRY_DO(put_column(schema, types, i, tuple[i]));
    }
    row_.end_value();
  }
  return {};
}

Status EncodedRow::encode_key_tuple(const Schema& schema, BinaryTypes types, const Tuple& tuple) {
  TRY_DO(check_width(schema, tuple));
  row_.begin(tuple.size());
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    if (schema.columns[i].key) {
      TRY_DO(put_column(schema, types, i, tuple[i]));
    } else {
      row_.bytes().push_back(unchanged_tag);
    }
    row_.end_value();
  }
  return {};
}

Result<std::string_view> EncodedRow::key(const Schema& schema) {
  const auto key = row_.key(schema);
  if (key) return *key;
  return fail(Code::unsupported,
              described(schema, key.error()) +
                  ": a key value was not sent with the row, so the row has no key");
}

}  // namespace tidelog::postgres
