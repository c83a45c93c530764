// Values in their stored form.
#include "core/value_codec.h"
#include "core/value_text.h"
#include "formats/json_value.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_judge.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(values) {
  ByteReader in(input);
  ByteReader skipping(input);
  while (in.remaining() != 0) {
    const std::string_view before(in.at(), in.remaining());
    const Value value = read_value(in);
    const std::string_view skipped = skip_value(skipping);
    if (in.failed()) return;
    const std::string_view bytes = before.substr(0, before.size() - in.remaining());
    INVARIANT(!skipping.failed() && skipped == bytes, "skipping ends where reading does");
    std::string written;
    put_value(written, value);
    INVARIANT(written == bytes, "a value has one form");
    std::string text;
    print_value(text, value);
    if (value.kind() == ValueKind::unchanged) continue;
    std::string json;
    put_json_value(json, value);
    INVARIANT(fuzz::is_json(json), "a value is printed as JSON");
  }
}
