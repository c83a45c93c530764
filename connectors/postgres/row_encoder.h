// From a tuple of the wire to the stored row and key (core/value_codec.h), in buffers that are
// reused from row to row. Used by the change decoder and the initial load.
#pragma once

#include <cstdint>
#include <string_view>

#include "connectors/postgres/binary_value.h"
#include "connectors/postgres/pgoutput.h"
#include "core/result.h"
#include "core/row_buffer.h"
#include "core/schema.h"

namespace tidelog::postgres {

// One thread.
class EncodedRow {
 public:
  // The stored row of `tuple`, which has one column per column of the schema, and a type for each
  // whose values may be in binary form. A value that was not sent because it did not change is
  // taken from `old`, when that has it. Errors name the table, the column and the value's start.
  Status encode(const Schema& schema, BinaryTypes types, const Tuple& tuple, const EncodedRow* old);

  // Of a tuple that holds the key alone: the other columns were not sent, and are unchanged here.
  Status encode_key_tuple(const Schema& schema, BinaryTypes types, const Tuple& tuple);

  std::string_view row() const { return row_.row(); }
  // The values of the key columns, one after the other; a view into the row where they stand
  // together.
  Result<std::string_view> key(const Schema& schema);

 private:
  Status put_column(const Schema& schema, BinaryTypes types, std::size_t index,
                    const TupleColumn& column);
  Status put_binary(const Schema& schema, BinaryTypes types, std::size_t index,
                    std::string_view bytes);

  RowBuffer row_;
  BinaryValues binary_;
};

}  // namespace tidelog::postgres
