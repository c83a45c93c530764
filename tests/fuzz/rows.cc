// A row: u8 number of values | values.
#include "core/bytes.h"
#include "core/value_codec.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(rows) {
  if (input.empty()) return;
  const std::size_t count = static_cast<std::uint8_t>(input.front());
  const std::string_view row = input.substr(1);
  const auto values = read_row(row, count);
  const auto parts = split_row(row, count);
  if (!values) return;
  INVARIANT(parts && parts->size() == count && values->size() == count, "the two agree");
  std::string written;
  for (const Value& value : *values) put_value(written, value);
  INVARIANT(written == row, "a row has one form");
}
