// From the bytes of a value in a rows event to its stored form (core/value_codec.h), without a tree
// between them. For the encoder of rows.
#pragma once

#include <string>
#include <string_view>

#include "connectors/mysql/column_format.h"
#include "core/bytes.h"
#include "core/result.h"

namespace tidelog::mysql {

// One thread. Its buffers are reused from value to value.
class ValueDecoder {
 public:
  // Takes one value, which is not null, off `in` and appends its stored form. When its bytes are
  // short or cannot be what a server wrote, `in` has failed, and what was appended is of no use.
  // Unsupported: bytes that are what they should be and cannot be represented, such as an ordinal
  // that has no label.
  Status put(std::string& out, const ColumnFormat& format, ByteReader& in);

  // A JSON value that was logged as its differences from `before`, a document's text.
  Status put_json_diffs(std::string& out, const ColumnFormat& format, std::string_view before,
                        ByteReader& in);

 private:
  Status put_text(std::string& out, const ColumnFormat& format, std::string_view bytes);
  Status put_json(std::string& out, std::string_view document);
  // Of a column that is compressed: what it holds; in inflated_ or in `bytes` itself.
  Result<std::string_view> uncompressed(std::string_view bytes);

  std::string text_;
  std::string inflated_;
};

}  // namespace tidelog::mysql
