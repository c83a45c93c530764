// Every code of every character set, against the server's own conversion.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <charconv>

#include "connectors/mysql/charset.h"
#include "tests/mysql/hex.h"
#include "tests/support/mysql_server.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

// All codes of one byte and of two, and what follows 0x8F in the sets of Japanese; for GB18030 some
// of four, in steps that meet each of their bytes' values.
std::vector<std::string> codes_of(const Charset& charset) {
  std::vector<std::string> codes;
  for (unsigned byte = 0; byte < 0x100; ++byte) codes.push_back(fmt::format("{:02x}", byte));
  if (charset.bytes_max() == 1) return codes;
  for (unsigned lead = 0x80; lead < 0x100; ++lead) {
    for (unsigned trail = 0; trail < 0x100; ++trail)
      codes.push_back(fmt::format("{:02x}{:02x}", lead, trail));
  }
  for (unsigned rest = 0xA1A1; charset.bytes_max() == 3 && rest <= 0xFEFE; ++rest) {
    if ((rest & 0xFF) >= 0xA1) codes.push_back(fmt::format("8f{:04x}", rest));
  }
  for (unsigned number = 0; charset.bytes_max() == 4 && number < 1'587'600; number += 97) {
    codes.push_back(fmt::format("{:02x}{:02x}{:02x}{:02x}", number / 12'600 + 0x81,
                                number / 1'260 % 10 + 0x30, number / 10 % 126 + 0x81,
                                number % 10 + 0x30));
  }
  return codes;
}

void make_codes(MysqlServer& server, const std::string& table,
                const std::vector<std::string>& codes) {
  constexpr std::size_t at_once = 5'000;
  server.sql("create table " + table + " (c varbinary(4) not null)");
  for (std::size_t from = 0; from < codes.size(); from += at_once) {
    std::string list;
    for (std::size_t i = from; i < std::min(codes.size(), from + at_once); ++i)
      list += fmt::format("{}(x'{}')", list.empty() ? "" : ",", codes[i]);
    server.sql("insert into " + table + " values " + list);
  }
}

std::vector<std::string> charsets_of(MysqlServer& server) {
  std::vector<std::string> names;
  for (const auto& row : server.sql(
           "select character_set_name from information_schema.character_sets where "
           "character_set_name not like 'utf%' and character_set_name not in ('binary', 'ucs2') "
           "order by 1"))
    names.push_back(row.at(0));
  return names;
}

std::uint32_t number(const std::string& text) {
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::size_t characters_in(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<std::uint8_t>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

// A code that the server has no character for becomes nothing, or a question mark.
bool is_refused(const std::string& code, const std::string& shown) {
  if (shown == "NULL" || shown.empty()) return true;
  return from_hex(shown).find('?') != std::string::npos && code != "3f";
}

void check_charset(MysqlServer& server, const std::string& name) {
  CAPTURE(name);
  const Charset* const charset = charset_named(name);
  REQUIRE(charset != nullptr);
  CHECK(server.sql("select maxlen from information_schema.character_sets where "
                   "character_set_name = '" +
                   name + "'") == Rows{{std::to_string(charset->bytes_max())}});
  const std::string table = fmt::format("codes.of{}", charset->bytes_max());
  std::size_t characters = 0;
  for (const auto& row : server.sql(fmt::format(
           "select lower(hex(c)), hex(convert(convert(c using {}) using utf8mb4)) from {}", name,
           table))) {
    std::string text;
    const bool is_taken = charset->append_utf8(text, from_hex(row[0])).has_value();
    if (is_taken && characters_in(text) > 1) continue;  // two codes, of one byte each
    CAPTURE(row[0]);
    CAPTURE(row[1]);
    if (is_refused(row[0], row[1])) {
      if (is_taken) FAIL_CHECK("the server has no such character");
    } else if (!is_taken || text != from_hex(row[1])) {
      FAIL_CHECK("the server makes another character of it");
    }
    characters += is_taken ? 1 : 0;
  }
  CHECK(characters >= 127);
}

TEST_CASE("mysql charsets: every code becomes what the server makes of it") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql("create database codes; set sql_log_bin = 0");
    for (const char* like : {"cp1250", "big5", "ujis"})
      make_codes(server, fmt::format("codes.of{}", charset_named(like)->bytes_max()),
                 codes_of(*charset_named(like)));
    if (!version.is_mariadb()) make_codes(server, "codes.of4", codes_of(*charset_named("gb18030")));
    const auto names = charsets_of(server);
    CHECK(names.size() >= 33);
    for (const std::string& name : names) check_charset(server, name);
  }
}

TEST_CASE("mysql charsets: every collation of the server has its character set") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    for (const auto& row : server.sql("select id, character_set_name from "
                                      "information_schema.collations where id is not null "
                                      "and character_set_name is not null")) {
      CAPTURE(row[0]);
      const auto charset = charset_of_collation(number(row[0]));
      REQUIRE(charset);
      CHECK(*charset == charset_named(row[1]));
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
