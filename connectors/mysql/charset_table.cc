#include "connectors/mysql/charset_table.h"

#include <fmt/format.h>
#include <unicode/ucnv.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/invariant.h"

namespace tidelog::mysql {

namespace {

constexpr std::uint8_t first_not_ascii = 0x80;
constexpr std::uint8_t euc_long_lead = 0x8F;
constexpr std::uint8_t kana_first = 0xA1;
constexpr std::uint8_t kana_last = 0xDF;
constexpr char16_t private_use_first = 0xE000;
constexpr char16_t private_use_last = 0xF8FF;
constexpr std::size_t codes_of_two_bytes = 0x10000;

// GB18030's codes of four bytes are numbers: 126 * 10 * 126 * 10 digits. The first ones are the
// rest of the Basic Multilingual Plane, those from 189,000 on the other planes, in order.
constexpr std::uint32_t gb18030_bmp_count = 39'420;
constexpr std::uint32_t gb18030_planes_first = 189'000;

std::uint32_t gb18030_number(std::uint32_t code) {
  return ((code >> 24) - 0x81) * 12'600 + ((code >> 16 & 0xFF) - 0x30) * 1'260 +
         ((code >> 8 & 0xFF) - 0x81) * 10 + ((code & 0xFF) - 0x30);
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

Result<Converter> open_converter(const char* name) {
  UErrorCode error = U_ZERO_ERROR;
  Converter converter(ucnv_open(name, &error));
  if (U_SUCCESS(error)) {
    ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr,
                        &error);
  }
  if (U_SUCCESS(error)) return converter;
  return fail(Code::failed, fmt::format("ICU has no converter {}: {}", name, u_errorName(error)));
}

bool is_digit_byte(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }

}  // namespace

class CharsetTable::Builder {
 public:
  Builder(const CharsetRules& rules, Converter converter)
      : rules_(rules), converter_(std::move(converter)) {}

  CharsetTable build() {
    table_.shape_ = rules_.shape;
    table_.short_codes_.resize(rules_.shape == CharacterShape::one_byte ? 0x100
                                                                        : codes_of_two_bytes);
    for (std::uint32_t byte = 0; byte < 0x100; ++byte) add(byte, 1);
    if (rules_.shape != CharacterShape::one_byte) add_pairs(0, table_.short_codes_);
    if (rules_.shape == CharacterShape::euc_jp) {
      table_.long_codes_.resize(codes_of_two_bytes);
      add_pairs(euc_long_lead << 16, table_.long_codes_);
    }
    if (rules_.shape == CharacterShape::gb18030) add_gb18030();
    for (const Codes& codes : rules_.refused) {
      for (std::uint32_t code = codes.first; code <= codes.last; ++code) place(code) = 0;
    }
    for (const Characters& instead : rules_.instead) {
      for (std::size_t i = 0; i < instead.become.size(); ++i) {
        place(instead.first + static_cast<std::uint32_t>(i)) = instead.become[i];
      }
    }
    return std::move(table_);
  }

 private:
  char16_t& place(std::uint32_t code) {
    return (code > 0xFFFF ? table_.long_codes_ : table_.short_codes_)[code & 0xFFFF];
  }

  // A single byte of a set with longer codes is a character only where the shape says so.
  bool may_be_alone(std::uint32_t byte) const {
    if (byte < first_not_ascii || rules_.shape == CharacterShape::one_byte) return true;
    return rules_.shape == CharacterShape::shift_jis && byte >= kana_first && byte <= kana_last;
  }

  void add(std::uint32_t code, std::size_t bytes) {
    if (bytes == 1 && !may_be_alone(code)) return;
    place(code) = converted(code, bytes);
  }

  void add_pairs(std::uint32_t before, std::vector<char16_t>& codes) {
    for (std::uint32_t lead = first_not_ascii; lead <= 0xFF; ++lead) {
      for (std::uint32_t trail = 0x30; trail <= 0xFF; ++trail) {
        const std::uint32_t pair = lead << 8 | trail;
        codes[pair] = converted(before | pair, before == 0 ? 2 : 3);
      }
    }
  }

  void add_gb18030() {
    table_.long_codes_.resize(gb18030_bmp_count);
    for (std::uint32_t number = 0; number < gb18030_bmp_count; ++number) {
      const std::uint32_t code = (number / 12'600 + 0x81) << 24 |
                                 (number / 1'260 % 10 + 0x30) << 16 |
                                 (number / 10 % 126 + 0x81) << 8 | (number % 10 + 0x30);
      table_.long_codes_[number] = converted(code, 4);
    }
  }

  // Exactly one character of the Basic Multilingual Plane, or 0.
  char16_t converted(std::uint32_t code, std::size_t bytes) {
    char raw[4];
    for (std::size_t i = 0; i < bytes; ++i) {
      raw[i] = static_cast<char>(code >> (8 * (bytes - 1 - i)));
    }
    UChar characters[4];
    UErrorCode error = U_ZERO_ERROR;
    ucnv_resetToUnicode(converter_.get());
    const auto count = ucnv_toUChars(converter_.get(), characters, std::size(characters), raw,
                                     static_cast<std::int32_t>(bytes), &error);
    if (U_FAILURE(error) || count != 1) return 0;
    const bool is_private = characters[0] >= private_use_first && characters[0] <= private_use_last;
    return is_private && !rules_.private_use ? 0 : characters[0];
  }

  const CharsetRules& rules_;
  Converter converter_;
  CharsetTable table_;
};

Result<const CharsetTable*> CharsetTable::of(std::string_view charset) {
  static std::mutex mutex;
  static std::map<std::string_view, CharsetTable> tables;
  const CharsetRules* const rules = rules_of(charset);
  INVARIANT(rules != nullptr, "a character set that is made of a table has its rules");
  const std::lock_guard lock(mutex);
  const auto known = tables.find(rules->charset);
  if (known != tables.end()) return &known->second;
  TRY(Converter converter, open_converter(rules->converter));
  return &tables.emplace(rules->charset, Builder(*rules, std::move(converter)).build())
              .first->second;
}

std::optional<std::uint32_t> CharsetTable::next(ByteReader& in) const {
  const auto lead = in.le<std::uint8_t>();
  std::uint32_t code = lead;
  const auto* codes = &short_codes_;
  const bool is_alone =
      lead < first_not_ascii || shape_ == CharacterShape::one_byte ||
      (shape_ == CharacterShape::shift_jis && lead >= kana_first && lead <= kana_last);
  if (!is_alone) {
    if (shape_ == CharacterShape::gb18030) return next_gb18030(in, lead);
    if (shape_ == CharacterShape::euc_jp && lead == euc_long_lead) {
      codes = &long_codes_;
      code = in.be<std::uint16_t>();
    } else {
      code = std::uint32_t{lead} << 8 | in.le<std::uint8_t>();
    }
  }
  if (in.failed()) return std::nullopt;
  const char16_t character = (*codes)[code];
  if (character == 0 && code != 0) return std::nullopt;
  return character;
}

std::optional<std::uint32_t> CharsetTable::next_gb18030(ByteReader& in, std::uint8_t lead) const {
  const auto second = in.le<std::uint8_t>();
  const std::uint32_t pair = std::uint32_t{lead} << 8 | second;
  std::uint32_t character = 0;
  if (!is_digit_byte(second)) {
    character = short_codes_[pair];
  } else {
    const std::uint32_t code = pair << 16 | in.be<std::uint16_t>();
    const bool is_code = lead >= 0x81 && lead <= 0xFE && (code >> 8 & 0xFF) >= 0x81 &&
                         (code >> 8 & 0xFF) <= 0xFE && is_digit_byte(code & 0xFF);
    if (!is_code) return std::nullopt;
    const std::uint32_t number = gb18030_number(code);
    if (number < gb18030_bmp_count) {
      character = long_codes_[number];
    } else if (number >= gb18030_planes_first && number < gb18030_planes_first + 0x100000) {
      character = number - gb18030_planes_first + 0x10000;
    }
  }
  if (in.failed() || character == 0) return std::nullopt;
  return character;
}

}  // namespace tidelog::mysql
