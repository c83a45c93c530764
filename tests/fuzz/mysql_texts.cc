// Text in a server's character set, and the types that its catalog prints: u8 collation, 0 for a
// type | text. What is taken is UTF-8; labels that are read are printed the same.
#include "connectors/mysql/charset.h"
#include "connectors/mysql/type_text.h"
#include "formats/json_text.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::mysql;

namespace {

void check_type(std::string_view type) {
  const auto labels = labels_of_type(type);
  if (!labels) return;
  MappedColumn column;
  column.type = type.starts_with('e') ? ColumnType::enumeration : ColumnType::set;
  ColumnFormat format;
  format.labels = *labels;
  const std::string printed = type_text(column, format);
  INVARIANT(labels_of_type(printed) == labels, "labels that are printed are read as the same");
}

// Those whose bytes are taken as they are, or may hold halves of surrogate pairs.
bool may_be_no_utf8(const Charset& charset) {
  return charset.is_utf8() || charset.is_binary() || charset.name() == "ucs2" ||
         charset.name() == "utf32";
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_texts) {
  if (input.empty()) return;
  const unsigned collation = static_cast<std::uint8_t>(input.front());
  if (collation == 0) return check_type(input.substr(1));
  const auto charset = charset_of_collation(collation);
  if (!charset) return;
  std::string text = "kept";
  if (!(*charset)->append_utf8(text, input.substr(1))) {
    INVARIANT(text == "kept", "what is refused leaves nothing");
    return;
  }
  std::string printed;
  INVARIANT(may_be_no_utf8(**charset) || put_json_utf8(printed, text), "text is UTF-8");
}
