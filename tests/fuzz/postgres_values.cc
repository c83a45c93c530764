// A value as a server prints it: u8 kind | text. What is taken is printed as a text that is read as
// the same value.
#include "core/bytes.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(postgres_values) {
  if (input.empty()) return;
  constexpr unsigned with_text = 2;  // the first kinds, null and unchanged, have none
  const unsigned number = static_cast<std::uint8_t>(input.front());
  const auto kind = static_cast<ValueKind>(with_text + number % (value_kind_count - with_text));
  std::string stored;
  if (!put_value_from_text(stored, kind, input.substr(1))) {
    INVARIANT(stored.empty(), "what is refused leaves nothing");
    return;
  }
  ByteReader in(stored);
  const Value value = read_value(in);
  INVARIANT(!in.failed() && in.remaining() == 0 && value.kind() == kind, "it is one such value");
  std::string text;
  print_value(text, value);
  std::string again;
  INVARIANT(put_value_from_text(again, kind, text), "what is printed can be read");
  INVARIANT(again == stored, "and is the same value");
}
