// The codes of one character set and their characters: what ICU and the servers' differences
// (charset_rules.h) come to, made when it is first used. For charset.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/mysql/charset_rules.h"
#include "core/bytes.h"
#include "core/result.h"

namespace tidelog::mysql {

// Any thread: it never changes once it is made.
class CharsetTable {
 public:
  // One for each character set, which lives as long as the program. Failed: ICU has no such
  // converter.
  static Result<const CharsetTable*> of(std::string_view charset);

  // Takes the next character. Nothing: its bytes are no code of this set, or are cut off.
  std::optional<std::uint32_t> next(ByteReader& in) const;

 private:
  class Builder;

  std::optional<std::uint32_t> next_gb18030(ByteReader& in, std::uint8_t lead) const;

  CharacterShape shape_ = CharacterShape::one_byte;
  // Of codes of one, two and three bytes (the third behind 0x8F), by their last two; and of
  // gb18030's four bytes, by their number. 0: no character, but for code 0.
  std::vector<char16_t> short_codes_;
  std::vector<char16_t> long_codes_;
};

}  // namespace tidelog::mysql
