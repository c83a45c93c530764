#include "connectors/mysql/charset.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/bytes.h"
#include "tests/core/damage.h"
#include "tests/mysql/hex.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

std::string utf8(std::string_view charset, std::string_view bytes) {
  const Charset* const set = charset_named(charset);
  REQUIRE(set != nullptr);
  std::string out;
  const auto done = set->append_utf8(out, bytes);
  if (done) return out;
  CHECK(out.empty());
  return "(" + done.error().what + ")";
}

// Codes of one byte, of two, and of three behind 0x8F.
std::vector<std::string> every_code() {
  std::vector<std::string> codes;
  for (int byte = 0; byte < 0x100; ++byte) codes.emplace_back(1, static_cast<char>(byte));
  for (int lead = 0x81; lead < 0xFF; ++lead) {
    for (int trail = 0x30; trail < 0xFF; ++trail)
      codes.push_back({static_cast<char>(lead), static_cast<char>(trail)});
  }
  for (int second = 0xA1; second < 0xFF; ++second) {
    for (int third = 0xA1; third < 0xFF; ++third)
      codes.push_back({'\x8F', static_cast<char>(second), static_cast<char>(third)});
  }
  return codes;
}

bool is_one_character(std::string_view text) {
  std::size_t begun = 0;
  for (const char c : text) begun += (static_cast<std::uint8_t>(c) & 0xC0) != 0x80 ? 1 : 0;
  return begun == 1;
}

struct Golden {
  std::string_view charset;
  std::size_t characters;
  std::uint64_t hash;  // FNV-1a, 64 bits, over each code and its character
};

// Of what MySQL 8.0.31 and 9.7, MariaDB 10.11 and 11.8 say: `convert(convert(code using sjis) using
// utf8mb4)` for every code.
constexpr Golden goldens[] = {
    {"armscii8", 256, 0x37494CBDE082060B}, {"ascii", 128, 0x0E3683759D531325},
    {"cp1250", 251, 0x903E78C0A971E53B},   {"cp1251", 255, 0xF2509166B93B51FD},
    {"cp1256", 248, 0x308FE2179FA2B5D7},   {"cp1257", 244, 0x07145ED41D4807A2},
    {"cp850", 256, 0x674401169B5BB25F},    {"cp852", 256, 0x47F617181843557C},
    {"cp866", 256, 0xB725ACEF3DCBDAC0},    {"dec8", 242, 0x0A044231F109EFDA},
    {"geostd8", 215, 0x2A2D962D5EDB4AD4},  {"greek", 250, 0xC6189BF609041DEA},
    {"hebrew", 220, 0x0BC61AAF6FDBC995},   {"hp8", 255, 0x4525CE7CEB7A5F8C},
    {"keybcs2", 256, 0xAA943665281195D5},  {"koi8r", 256, 0xDF2C4F0EFDB4F817},
    {"koi8u", 256, 0x8F61F0ED9E019D3A},    {"latin1", 256, 0xEDDC94063E095E18},
    {"latin2", 256, 0x7AD2F2F739361546},   {"latin5", 256, 0x94D62805E1E1871E},
    {"latin7", 256, 0x91B68D5D6391AF31},   {"macce", 256, 0xCBDB64E57686AAF7},
    {"macroman", 256, 0xDCA7980B7CAC8CCD}, {"swe7", 127, 0x9FECBD2ED801D809},
    {"tis620", 256, 0x14285A301E33C5E0},   {"big5", 13845, 0xABB6CAA341A9E535},
    {"cp932", 9795, 0xCABB5FE096DC9439},   {"eucjpms", 15206, 0xF1B9AF8333338DBE},
    {"euckr", 17176, 0xB790F87D49D9862A},  {"gb18030", 24068, 0x6DF4CE1DA68CA42A},
    {"gb2312", 7573, 0x3B04D5BC0FE82F2C},  {"gbk", 21919, 0x3664DCE63B17277C},
    {"sjis", 7070, 0xD07C5FC454219809},    {"ujis", 15017, 0x79FAFFA0061D3ABD},
};

TEST_CASE("charset: every code of every character set becomes what the servers make of it") {
  const auto codes = every_code();
  for (const Golden& golden : goldens) {
    CAPTURE(golden.charset);
    const Charset* const set = charset_named(golden.charset);
    REQUIRE(set != nullptr);
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
    std::size_t characters = 0;
    std::string text;
    for (const std::string& code : codes) {
      if (code.size() > set->bytes_max()) continue;
      text.clear();
      if (!set->append_utf8(text, code) || !is_one_character(text)) continue;
      ++characters;
      for (const char c : code + text) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100'0000'01B3;
      }
    }
    CHECK(characters == golden.characters);
    CHECK(hash == golden.hash);
  }
}

TEST_CASE("charset: gb18030's codes of four bytes reach every plane") {
  CHECK(utf8("gb18030", from_hex("81308130")) == "\u0080");
  CHECK(utf8("gb18030", from_hex("8431A439")) == "\uFFFF");
  CHECK(utf8("gb18030", from_hex("90308130")) == "\U00010000");
  CHECK(utf8("gb18030", from_hex("E3329A35")) == "\U0010FFFF");
  CHECK(utf8("gb18030", from_hex("E3329A36")) ==
        "(bytes that are no characters of gb18030: "
        "e3329a36)");
  CHECK(utf8("gb18030", from_hex("8431A530")) ==
        "(bytes that are no characters of gb18030: "
        "8431a530)");
}

TEST_CASE("charset: wide characters") {
  CHECK(utf8("ucs2", from_hex("0041d55c")) == "A한");
  CHECK(utf8("ucs2", from_hex("d800")) == "\xED\xA0\x80");  // as MariaDB makes it
  CHECK(utf8("utf16", from_hex("0041d83dde00")) == "A😀");
  CHECK(utf8("utf16le", from_hex("41003dd800de")) == "A😀");
  CHECK(utf8("utf32", from_hex("000000410001f600")) == "A😀");
  for (const auto& [charset, bytes] :
       {std::pair("utf16", "d800"), std::pair("utf16", "d8000041"), std::pair("utf16", "dc00dc00"),
        std::pair("utf32", "00110000"), std::pair("utf32", "0041"), std::pair("ucs2", "41")}) {
    CAPTURE(charset);
    CAPTURE(bytes);
    CHECK(utf8(charset, from_hex(bytes)) ==
          std::string("(bytes that are no characters of ") + charset + ": " + bytes + ")");
  }
}

TEST_CASE("charset: MySQL's latin1 is cp1252, with its holes as control characters") {
  CHECK(utf8("latin1", "caf\xE9 \x80 \x81") == "café € \u0081");
}

TEST_CASE("charset: text of utf8mb3 and utf8mb4 is stored as it is") {
  CHECK(charset_named("utf8") == charset_named("utf8mb3"));
  CHECK(charset_named("utf8mb4")->is_utf8());
  CHECK(utf8("utf8mb4", "ä😀") == "ä😀");
}

TEST_CASE("charset: a code that is cut off is an error, in every set") {
  for (const auto& [charset, bytes] :
       {std::pair("sjis", "82"), std::pair("ujis", "8fa2"), std::pair("gb18030", "8130"),
        std::pair("big5", "41a1"), std::pair("eucjpms", "8f")}) {
    CAPTURE(charset);
    CHECK(utf8(charset, from_hex(bytes)) ==
          std::string("(bytes that are no characters of ") + charset + ": " + bytes + ")");
  }
}

TEST_CASE("charset: collations have the character set that both servers give them") {
  const auto name = [](std::uint32_t collation) {
    const auto set = charset_of_collation(collation);
    return set ? std::string((*set)->name()) : set.error().what;
  };
  CHECK(name(8) == "latin1");
  CHECK(name(33) == "utf8mb3");
  CHECK(name(45) == "utf8mb4");
  CHECK(name(63) == "binary");
  CHECK(name(255) == "utf8mb4");
  CHECK(name(248) == "gb18030");
  CHECK(name(1032) == "latin1");   // latin1_swedish_nopad_ci
  CHECK(name(2304) == "utf8mb4");  // utf8mb4_uca1400_ai_ci
  CHECK(name(3271) == "utf32");    // utf32_uca1400_croatian_nopad_as_cs
  CHECK(name(17) == "collation 17 is not known");
  CHECK(name(0) == "collation 0 is not known");
  CHECK(name(5000) == "collation 5000 is not known");
}

TEST_CASE("charset: random bytes are text or an error, and an error leaves nothing") {
  std::mt19937_64 random(6);
  for (const Golden& golden : goldens) {
    const Charset* const set = charset_named(golden.charset);
    for (int i = 0; i < 200; ++i) {
      std::string out = "kept";
      if (!set->append_utf8(out, random_bytes(random, 1 + random() % 9))) CHECK(out == "kept");
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
