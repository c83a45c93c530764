// The character sets of the servers, and how their bytes become the UTF-8 that texts are stored in.
// ICU has the tables; where the servers' own conversion differs, it counts (charset_rules.h). Used
// by the decoders of rows; the integration test compares every code of every character set with the
// servers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

class CharsetTable;

// One of a fixed list that lives as long as the program: compare and keep pointers. Any thread.
class Charset {
 public:
  enum class Form : std::uint8_t { binary, utf8, ucs2, utf16, utf16le, utf32, table };

  constexpr Charset(std::string_view name, unsigned bytes_max, Form form, bool keeps_ascii)
      : name_(name), bytes_max_(bytes_max), form_(form), keeps_ascii_(keeps_ascii) {}

  constexpr std::string_view name() const { return name_; }  // "latin1"
  unsigned bytes_max() const { return bytes_max_; }          // of a character
  bool is_binary() const { return form_ == Form::binary; }
  // Its bytes are stored as they are. MariaDB lets halves of surrogate pairs in, which are kept.
  bool is_utf8() const { return form_ == Form::utf8; }
  // Bytes below 0x80 are ASCII, wherever they stand alone.
  bool keeps_ascii() const { return keeps_ascii_; }

  // Appends `bytes` as UTF-8. Unsupported: something in them is no character of this set; then
  // `out` is as it was. Not for binary.
  Status append_utf8(std::string& out, std::string_view bytes) const;

 private:
  std::string_view name_;
  unsigned bytes_max_;
  Form form_;
  bool keeps_ascii_;
};

// By the number of one of its collations. Unsupported: no server that we know has that number.
Result<const Charset*> charset_of_collation(std::uint32_t collation);

// As information_schema names it; nullptr: there is none.
const Charset* charset_named(std::string_view name);

bool is_ascii(std::string_view bytes);

}  // namespace tidelog::mysql
