#include "connectors/mysql/charset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "connectors/mysql/charset_table.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

using Form = Charset::Form;

constexpr Charset charsets[] = {
    {"armscii8", 1, Form::table, true}, {"ascii", 1, Form::table, true},
    {"big5", 2, Form::table, true},     {"binary", 1, Form::binary, true},
    {"cp1250", 1, Form::table, true},   {"cp1251", 1, Form::table, true},
    {"cp1256", 1, Form::table, true},   {"cp1257", 1, Form::table, true},
    {"cp850", 1, Form::table, true},    {"cp852", 1, Form::table, true},
    {"cp866", 1, Form::table, true},    {"cp932", 2, Form::table, true},
    {"dec8", 1, Form::table, true},     {"eucjpms", 3, Form::table, true},
    {"euckr", 2, Form::table, true},    {"gb18030", 4, Form::table, true},
    {"gb2312", 2, Form::table, true},   {"gbk", 2, Form::table, true},
    {"geostd8", 1, Form::table, true},  {"greek", 1, Form::table, true},
    {"hebrew", 1, Form::table, true},   {"hp8", 1, Form::table, true},
    {"keybcs2", 1, Form::table, true},  {"koi8r", 1, Form::table, true},
    {"koi8u", 1, Form::table, true},    {"latin1", 1, Form::table, true},
    {"latin2", 1, Form::table, true},   {"latin5", 1, Form::table, true},
    {"latin7", 1, Form::table, true},   {"macce", 1, Form::table, true},
    {"macroman", 1, Form::table, true}, {"sjis", 2, Form::table, true},
    {"swe7", 1, Form::table, false},    {"tis620", 1, Form::table, true},
    {"ucs2", 2, Form::ucs2, false},     {"ujis", 3, Form::table, true},
    {"utf16", 4, Form::utf16, false},   {"utf16le", 4, Form::utf16le, false},
    {"utf32", 4, Form::utf32, false},   {"utf8mb3", 3, Form::utf8, true},
    {"utf8mb4", 4, Form::utf8, true},
};
static_assert(std::ranges::is_sorted(charsets, {}, &Charset::name));

struct CollationRange {
  std::uint32_t first;
  std::uint32_t last;
  std::string_view charset;
};

// Of MySQL and MariaDB alike: no number means two character sets. From 1024 on MariaDB's: below
// 2048 those without padding, then those of UCA 14.0.
constexpr CollationRange collations[] = {
    {1, 1, "big5"},          {2, 2, "latin2"},        {3, 3, "dec8"},        {4, 4, "cp850"},
    {5, 5, "latin1"},        {6, 6, "hp8"},           {7, 7, "koi8r"},       {8, 8, "latin1"},
    {9, 9, "latin2"},        {10, 10, "swe7"},        {11, 11, "ascii"},     {12, 12, "ujis"},
    {13, 13, "sjis"},        {14, 14, "cp1251"},      {15, 15, "latin1"},    {16, 16, "hebrew"},
    {18, 18, "tis620"},      {19, 19, "euckr"},       {20, 20, "latin7"},    {21, 21, "latin2"},
    {22, 22, "koi8u"},       {23, 23, "cp1251"},      {24, 24, "gb2312"},    {25, 25, "greek"},
    {26, 26, "cp1250"},      {27, 27, "latin2"},      {28, 28, "gbk"},       {29, 29, "cp1257"},
    {30, 30, "latin5"},      {31, 31, "latin1"},      {32, 32, "armscii8"},  {33, 33, "utf8mb3"},
    {34, 34, "cp1250"},      {35, 35, "ucs2"},        {36, 36, "cp866"},     {37, 37, "keybcs2"},
    {38, 38, "macce"},       {39, 39, "macroman"},    {40, 40, "cp852"},     {41, 42, "latin7"},
    {43, 43, "macce"},       {44, 44, "cp1250"},      {45, 46, "utf8mb4"},   {47, 49, "latin1"},
    {50, 52, "cp1251"},      {53, 53, "macroman"},    {54, 55, "utf16"},     {56, 56, "utf16le"},
    {57, 57, "cp1256"},      {58, 59, "cp1257"},      {60, 61, "utf32"},     {62, 62, "utf16le"},
    {63, 63, "binary"},      {64, 64, "armscii8"},    {65, 65, "ascii"},     {66, 66, "cp1250"},
    {67, 67, "cp1256"},      {68, 68, "cp866"},       {69, 69, "dec8"},      {70, 70, "greek"},
    {71, 71, "hebrew"},      {72, 72, "hp8"},         {73, 73, "keybcs2"},   {74, 74, "koi8r"},
    {75, 75, "koi8u"},       {76, 76, "utf8mb3"},     {77, 77, "latin2"},    {78, 78, "latin5"},
    {79, 79, "latin7"},      {80, 80, "cp850"},       {81, 81, "cp852"},     {82, 82, "swe7"},
    {83, 83, "utf8mb3"},     {84, 84, "big5"},        {85, 85, "euckr"},     {86, 86, "gb2312"},
    {87, 87, "gbk"},         {88, 88, "sjis"},        {89, 89, "tis620"},    {90, 90, "ucs2"},
    {91, 91, "ujis"},        {92, 93, "geostd8"},     {94, 94, "latin1"},    {95, 96, "cp932"},
    {97, 98, "eucjpms"},     {99, 99, "cp1250"},      {101, 124, "utf16"},   {128, 151, "ucs2"},
    {159, 159, "ucs2"},      {160, 183, "utf32"},     {192, 215, "utf8mb3"}, {223, 223, "utf8mb3"},
    {224, 247, "utf8mb4"},   {248, 250, "gb18030"},   {255, 323, "utf8mb4"}, {576, 579, "utf8mb3"},
    {608, 611, "utf8mb4"},   {640, 642, "ucs2"},      {672, 674, "utf16"},   {736, 738, "utf32"},
    {2048, 2303, "utf8mb3"}, {2304, 2559, "utf8mb4"}, {2560, 2815, "ucs2"},  {2816, 3071, "utf16"},
    {3072, 3327, "utf32"},
};
static_assert(std::ranges::is_sorted(collations, {}, &CollationRange::first));

// MariaDB numbers a collation without padding this much higher than its like with it.
constexpr std::uint32_t no_pad_bit = 0x400;
constexpr std::uint32_t uca1400_first = 2048;

constexpr std::uint32_t no_character = 0xFFFF'FFFF;

void append_code_point(std::string& out, std::uint32_t c) {
  const auto byte = [&out](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

template <bool big_endian>
std::uint32_t utf16_unit(ByteReader& in) {
  return big_endian ? in.be<std::uint16_t>() : in.le<std::uint16_t>();
}

// Halves of surrogate pairs may stand alone in ucs2, which knows no pairs, but not here.
template <bool big_endian>
std::uint32_t utf16_character(ByteReader& in) {
  const std::uint32_t first = utf16_unit<big_endian>(in);
  if (first < 0xD800 || first > 0xDFFF) return first;
  const std::uint32_t second = utf16_unit<big_endian>(in);
  if (first > 0xDBFF || second < 0xDC00 || second > 0xDFFF) return no_character;
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

std::uint32_t utf32_character(ByteReader& in) {
  const auto c = in.be<std::uint32_t>();
  return c <= 0x10FFFF ? c : no_character;
}

// False: there is something that is no character.
template <class Next>
bool append_all(std::string& out, std::string_view bytes, Next next) {
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    const std::uint32_t c = next(in);
    if (in.failed() || c == no_character) return false;
    append_code_point(out, c);
  }
  return true;
}

Result<bool> append_any(std::string& out, Form form, std::string_view charset,
                        std::string_view bytes) {
  switch (form) {
    case Form::binary:
    case Form::utf8:
      out.append(bytes);
      return true;
    case Form::ucs2:
      return append_all(out, bytes, utf16_unit<true>);
    case Form::utf16:
      return append_all(out, bytes, utf16_character<true>);
    case Form::utf16le:
      return append_all(out, bytes, utf16_character<false>);
    case Form::utf32:
      return append_all(out, bytes, utf32_character);
    case Form::table: {
      TRY(const CharsetTable* const table, CharsetTable::of(charset));
      return append_all(out, bytes,
                        [table](ByteReader& in) { return table->next(in).value_or(no_character); });
    }
  }
  return false;
}

// At most so much of a value is shown in an error.
constexpr std::size_t shown_bytes_max = 32;

std::string shown(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, shown_bytes_max)) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<std::uint8_t>(c));
  }
  if (bytes.size() > shown_bytes_max) out += "…";
  return out;
}

}  // namespace

Status Charset::append_utf8(std::string& out, std::string_view bytes) const {
  const std::size_t size_before = out.size();
  auto done = append_any(out, form_, name_, bytes);
  if (done && *done) return {};
  out.resize(size_before);
  if (!done) return error_of(done);
  return fail(Code::unsupported,
              fmt::format("bytes that are no characters of {}: {}", name_, shown(bytes)));
}

const Charset* charset_named(std::string_view name) {
  if (name == "utf8") name = "utf8mb3";  // as older servers call it
  const auto* found = std::ranges::lower_bound(charsets, name, {}, &Charset::name);
  return found != std::end(charsets) && found->name() == name ? found : nullptr;
}

Result<const Charset*> charset_of_collation(std::uint32_t collation) {
  const std::uint32_t number = collation < uca1400_first ? collation & ~no_pad_bit : collation;
  const auto* behind = std::ranges::upper_bound(collations, number, {}, &CollationRange::first);
  if (behind != std::begin(collations) && number <= std::prev(behind)->last) {
    return charset_named(std::prev(behind)->charset);
  }
  return fail(Code::unsupported, fmt::format("collation {} is not known", collation));
}

bool is_ascii(std::string_view bytes) {
  ByteReader in(bytes);
  while (in.remaining() >= sizeof(std::uint64_t)) {
    if ((in.le<std::uint64_t>() & 0x8080'8080'8080'8080) != 0) return false;
  }
  while (in.remaining() > 0) {
    if (in.le<std::uint8_t>() >= 0x80) return false;
  }
  return true;
}

}  // namespace tidelog::mysql
