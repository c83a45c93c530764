// A binary JSON document and differences: u16 length of the document, little-endian | document |
// diffs. What is printed is JSON, before and after, but for bytes in strings that are no UTF-8.
#include "connectors/mysql/charset.h"
#include "connectors/mysql/json_binary.h"
#include "connectors/mysql/json_diff.h"
#include "core/bytes.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_judge.h"

using namespace tidelog;
using namespace tidelog::mysql;

TIDELOG_FUZZ_TARGET(mysql_json) {
  ByteReader in(input);
  const std::string_view document = in.bytes(in.le<std::uint16_t>());
  if (in.failed()) return;
  std::string text = "kept";
  if (!append_json_text(text, document)) {
    INVARIANT(text == "kept", "what is refused leaves nothing");
    return;
  }
  text.erase(0, 4);
  INVARIANT(!is_ascii(text) || fuzz::is_json(text), "what is printed is JSON");
  if (!apply_json_diffs(text, in.rest())) return;
  INVARIANT(!is_ascii(text) || fuzz::is_json(text), "what is changed is JSON");
}
