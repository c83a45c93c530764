// A value as a server sends it in binary form: u8 form | u8 form of elements | bytes. What is taken
// is stored as its text would be.
#include "connectors/postgres/binary_value.h"
#include "core/bytes.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::postgres;

namespace {

BinaryForm form_of(char number) {
  return static_cast<BinaryForm>(static_cast<std::uint8_t>(number) % (binary_form_max + 1));
}

}  // namespace

TIDELOG_FUZZ_TARGET(binary_values) {
  if (input.size() < 2) return;
  constexpr std::uint32_t element_type = 23;
  const BinaryType type{form_of(input[0]), form_of(input[1]), element_type};
  const ValueKind kind = kind_of_form(type.form);
  BinaryValues values;
  std::string stored;
  const bool is_taken = values.put(stored, type, kind, input.substr(2)).has_value();
  const auto text = values.text(type, input.substr(2));
  INVARIANT(text.has_value() == is_taken, "a value is stored when it has a text");
  INVARIANT(is_taken || stored.empty(), "what is refused leaves nothing");
  if (!is_taken) return;
  ByteReader in(stored);
  const Value value = read_value(in);
  INVARIANT(!in.failed() && in.remaining() == 0 && value.kind() == kind, "it is one such value");
  std::string of_text;
  INVARIANT(put_value_from_text(of_text, kind, *text), "the text can be read");
  INVARIANT(of_text == stored, "and is the same value");
}
