// What a character set of the servers is made of: a converter of ICU, and where the servers' own
// conversion differs from it. For charset_table.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tidelog::mysql {

// How many bytes a character has, told by its first one; those below 0x80 stand for themselves.
enum class CharacterShape : std::uint8_t {
  one_byte,
  two_bytes,  // big5, euckr, gb2312, gbk
  shift_jis,  // two; 0xA1 to 0xDF stand alone
  euc_jp,     // two; three after 0x8F
  gb18030,    // two; four when the second is a digit
};

struct Characters {
  std::uint32_t first;  // code, its first byte highest; the others follow it
  std::u16string_view become;
};

struct Codes {
  std::uint32_t first;
  std::uint32_t last;
};

struct CharsetRules {
  std::string_view charset;
  const char* converter;  // ICU's name
  CharacterShape shape;
  bool private_use;                     // characters of private use count
  std::span<const Characters> instead;  // of what the converter makes of them
  std::span<const Codes> refused;       // by the servers, not by the converter
};

// Nullptr: no character set of this name that is made of a table.
const CharsetRules* rules_of(std::string_view charset);

}  // namespace tidelog::mysql
