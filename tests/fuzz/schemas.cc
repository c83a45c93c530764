// A schema: u8 its length | schema | a row of it.
#include "core/bytes.h"
#include "core/schema.h"
#include "formats/flat.h"
#include "formats/key_text.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(schemas) {
  if (input.empty()) return;
  const std::size_t length = static_cast<std::uint8_t>(input.front());
  const std::string_view bytes = input.substr(1, length);
  const std::string_view row = input.substr(1 + bytes.size());
  fuzz::check_round_trip(bytes, read_schema, [](const Schema& schema) {
    std::string out;
    put_schema(out, schema);
    return out;
  });
  const auto schema = read_schema(bytes);
  if (!schema) return;
  std::string out;
  std::string key;
  if (put_key_of_row(key, *schema, row)) static_cast<void>(print_key_json(out, key, *schema));
  std::string unchanged;
  static_cast<void>(print_row_json(out, row, *schema, &unchanged));
  static_cast<void>(parse_key(row, *schema));
}
