#include "tests/integration/mysql_random_types.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <numbers>

namespace tidelog::testing {

namespace {

std::string digits(Dice& dice, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.push_back(static_cast<char>('0' + dice.below(10)));
  return text;
}

std::string hex_literal(Dice& dice, std::size_t bytes_max) {
  std::string text = "x'";
  const std::size_t bytes = dice.below(bytes_max + 1);
  // Zeros and spaces at the end are cut off by some types.
  for (std::size_t i = 0; i < bytes; ++i) {
    const auto byte = i + 2 >= bytes && dice.one_in(2) ? (dice.one_in(2) ? 0U : 0x20U)
                                                       : static_cast<unsigned>(dice.below(256));
    text += fmt::format("{:02x}", byte);
  }
  return text + "'";
}

std::string random_text(Dice& dice, std::size_t characters_max) {
  static const std::vector<std::string> characters = {
      "a", "Z", "0", " ", "'", "\"", "\\", "%",  "\n", "\t", "é",  "ß",  "€",    "Ж",    "Я",
      "λ", "ş", "ł", "č", "א", "ب",  "ก",  "あ", "カ", "漢", "字", "한", "글",   "中",   "国",
      "ﾊ", "😀", "𝄞", "~", "`", "_",  "{",  "}",  "[",  "]",  ",",  ".",  "\x01", "\x7f", "\r"};
  std::string text;
  for (std::size_t n = dice.below(characters_max + 1); n > 0; --n) text += dice.of(characters);
  return text;
}

MysqlType integer(Dice& dice) {
  struct Width {
    const char* name;
    int bits;
  };
  const auto [name, bits] = dice.of(std::vector<Width>{
      {"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}});
  const bool is_unsigned = dice.one_in(2);
  const auto literal = [bits = bits, is_unsigned](Dice& d) {
    const std::uint64_t raw = d.one_in(4) ? ~std::uint64_t{0} : d.bits();
    const std::uint64_t below = raw >> (64 - bits);
    if (is_unsigned) return std::to_string(below);
    const auto half = static_cast<std::int64_t>(raw >> (65 - bits));
    return std::to_string(d.one_in(2) ? half : -half - 1);
  };
  return {fmt::format("{}{}", name, is_unsigned ? " unsigned" : ""), literal};
}

MysqlType decimal(Dice& dice, const MysqlVersion& version) {
  const auto precision = static_cast<std::size_t>(dice.between(1, 65));
  const std::size_t scale =
      dice.below(std::min<std::size_t>(precision, version.is_mariadb() ? 38 : 30) + 1);
  const auto literal = [precision, scale](Dice& d) {
    std::string text = d.one_in(2) ? "-" : "";
    text += digits(d, d.one_in(3) ? 0 : d.below(precision - scale + 1));
    if (text.empty() || text == "-") text += "0";
    if (scale > 0) text += "." + digits(d, 1 + d.below(scale));
    return text;
  };
  return {fmt::format("decimal({},{})", precision, scale), literal};
}

MysqlType floating(Dice& dice) {
  const bool is_double = dice.one_in(2);
  const auto literal = [is_double](Dice& d) {
    if (d.one_in(3)) return fmt::format("{}e0", d.between(-100'000, 100'000));
    double number = 0;
    do {
      number =
          is_double
              ? std::bit_cast<double>(d.bits())
              : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(d.bits())));
    } while (!std::isfinite(number) || (number != 0 && std::fabs(number) < 1e-300));
    return fmt::format("{:.17e}", number);
  };
  return {.name = is_double ? "double" : "float",
          .literal = literal,
          .shown = "{}+0e0",
          .is_float = true};
}

MysqlType bits(Dice& dice) {
  const std::int64_t count = dice.between(1, 64);
  const auto literal = [count](Dice& d) {
    std::string text = "b'";
    for (std::int64_t i = 0; i < count; ++i) text += d.one_in(2) ? '1' : '0';
    return text + "'";
  };
  return {fmt::format("bit({})", count), literal, fmt::format("lpad(bin({{}}+0),{},'0')", count)};
}

std::string random_date(Dice& dice) {
  if (dice.one_in(8)) return "0000-00-00";
  if (dice.one_in(8))
    return fmt::format("{:04}-{:02}-00", dice.between(0, 9999), dice.between(0, 12));
  if (dice.one_in(8))
    return fmt::format("{:04}-00-{:02}", dice.between(0, 9999), dice.between(0, 31));
  return fmt::format("{:04}-{:02}-{:02}", dice.between(0, 9999), dice.between(1, 12),
                     dice.between(1, dice.one_in(4) ? 31 : 28));
}

std::string random_clock(Dice& dice) {
  return fmt::format("{:02}:{:02}:{:02}.{:06}", dice.between(0, 23), dice.between(0, 59),
                     dice.between(0, 59), dice.between(0, 999'999));
}

std::string with_decimals(Dice& dice, const std::string& name) {
  const std::int64_t decimals = dice.between(0, 6);
  return decimals == 0 ? name : fmt::format("{}({})", name, decimals);
}

MysqlType moment(Dice& dice) {
  switch (dice.below(5)) {
    case 0:
      return {"date", [](Dice& d) { return "'" + random_date(d) + "'"; }};
    case 1:
      return {.name = with_decimals(dice, "datetime"),
              .literal = [](Dice& d) { return "'" + random_date(d) + " " + random_clock(d) + "'"; },
              .has_fraction = true};
    case 2:
      return {.name = with_decimals(dice, "timestamp") + " null",
              .literal =
                  [](Dice& d) {
                    if (d.one_in(8)) return std::string("'0000-00-00 00:00:00'");
                    return fmt::format("'{:04}-{:02}-{:02} {}'", d.between(1971, 2037),
                                       d.between(1, 12), d.between(1, 28), random_clock(d));
                  },
              .shown = "concat({},'+00')",
              .has_fraction = true};
    case 3:
      return {.name = with_decimals(dice, "time"),
              .literal =
                  [](Dice& d) {
                    return fmt::format("'{}{}:{:02}:{:02}.{:06}'", d.one_in(2) ? "-" : "",
                                       d.one_in(2) ? d.between(0, 838) : d.between(0, 2),
                                       d.between(0, 59), d.between(0, 59),
                                       d.one_in(2) ? 0 : d.between(0, 999'999));
                  },
              .has_fraction = true};
    default:
      return {"year",
              [](Dice& d) {
                return d.one_in(5) ? std::string("0") : std::to_string(d.between(1901, 2155));
              },
              "{}+0"};
  }
}

const std::vector<std::string>& charsets(const MysqlVersion& version) {
  static const std::vector<std::string> both = {
      "armscii8", "ascii",  "big5",   "cp1250",  "cp1251",   "cp1256",  "cp1257",  "cp850",
      "cp852",    "cp866",  "cp932",  "dec8",    "eucjpms",  "euckr",   "gb2312",  "gbk",
      "geostd8",  "greek",  "hebrew", "hp8",     "keybcs2",  "koi8r",   "koi8u",   "latin1",
      "latin2",   "latin5", "latin7", "macce",   "macroman", "sjis",    "swe7",    "tis620",
      "ucs2",     "ujis",   "utf16",  "utf16le", "utf32",    "utf8mb4", "utf8mb4", "utf8mb4"};
  static const std::vector<std::string> with_gb18030 = [] {
    auto all = both;
    all.emplace_back("gb18030");
    return all;
  }();
  return version.is_mariadb() ? both : with_gb18030;
}

MysqlType text(Dice& dice, const MysqlVersion& version) {
  struct Kind {
    const char* name;
    bool has_length;
    std::size_t characters_max;
  };
  const auto kind = dice.of(std::vector<Kind>{{"char", true, 60},
                                              {"varchar", true, 300},
                                              {"tinytext", false, 60},
                                              {"text", false, 400},
                                              {"mediumtext", false, 400},
                                              {"longtext", false, 400}});
  const auto length =
      static_cast<std::size_t>(dice.between(1, static_cast<std::int64_t>(kind.characters_max)));
  const auto& charset = dice.of(charsets(version));
  const std::string size = kind.has_length ? fmt::format("({})", length) : "";
  const bool compressed =
      version.is_mariadb() && std::string_view(kind.name) != "char" && dice.one_in(4);
  const auto literal = [length](Dice& d) {
    if (d.one_in(8)) return fmt::format("repeat({},{})", mysql_literal(random_text(d, 3)), length);
    return mysql_literal(random_text(d, length));
  };
  return {fmt::format("{}{}{} character set {}", kind.name, size, compressed ? " compressed" : "",
                      charset),
          literal, "convert({} using utf8mb4)"};
}

MysqlType bytes(Dice& dice, const MysqlVersion& version) {
  struct Kind {
    const char* name;
    bool has_length;
    std::size_t bytes_max;
  };
  const auto kind = dice.of(std::vector<Kind>{{"binary", true, 255},
                                              {"varbinary", true, 400},
                                              {"tinyblob", false, 255},
                                              {"blob", false, 400},
                                              {"mediumblob", false, 400},
                                              {"longblob", false, 400}});
  const auto length =
      static_cast<std::size_t>(dice.between(1, static_cast<std::int64_t>(kind.bytes_max)));
  const std::string size = kind.has_length ? fmt::format("({})", length) : "";
  const bool compressed =
      version.is_mariadb() && std::string_view(kind.name) != "binary" && dice.one_in(4);
  return {fmt::format("{}{}{}", kind.name, size, compressed ? " compressed" : ""),
          [length](Dice& d) { return hex_literal(d, length); }, "hex({})"};
}

// Labels are all different, also to a collation that sees no case and no accents.
MysqlType labelled(Dice& dice) {
  const bool is_set = dice.one_in(2);
  const std::size_t count =
      static_cast<std::size_t>(dice.between(1, is_set ? 64 : (dice.one_in(4) ? 300 : 9)));
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i)
    labels.push_back(
        fmt::format("l{}{}", i, dice.of(std::vector<std::string>{"", "é", "'", "\\", " x", "Ж"})));
  std::string list;
  for (const std::string& label : labels) list += (list.empty() ? "" : ",") + mysql_literal(label);
  const auto literal = [is_set, labels](Dice& d) {
    if (!is_set)
      return d.one_in(8) ? std::string("''") : std::to_string(1 + d.below(labels.size()));
    const std::uint64_t mask =
        labels.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << labels.size()) - 1;
    return std::to_string(d.bits() & d.bits() & mask);
  };
  return {fmt::format("{}({}) character set {}", is_set ? "set" : "enum", list,
                      dice.one_in(2) ? "utf8mb4" : "utf16"),
          literal, "convert({} using utf8mb4)"};
}

std::string random_points(Dice& dice, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ",", dice.between(-80, 80), dice.between(-80, 80));
  return text;
}

MysqlType geometry(const MysqlVersion& version) {
  const auto literal = [has_srid = version == MysqlVersion{"mysql", "9.7"}](Dice& d) {
    const std::string shape = d.of(std::vector<std::string>{
        "point(" + random_points(d, 1) + ")", "linestring(" + random_points(d, 3) + ")",
        "polygon((0 0,0 " + std::to_string(d.between(1, 9)) + ",5 5,0 0))",
        "multipoint(" + random_points(d, 2) + ")",
        "geometrycollection(point(" + random_points(d, 1) + "))"});
    return fmt::format("st_geomfromtext('{}',{})", shape, has_srid && d.one_in(2) ? 4326 : 0);
  };
  return {"geometry", literal, "hex({})"};
}

MysqlType json(const MysqlVersion& version) {
  if (version.is_mariadb())
    return {"json",
            [](Dice& d) { return mysql_literal(fmt::format("[{}, \"é\"]", d.between(-9, 9))); }};
  return {"json", [version](Dice& d) { return random_json(d, version, 3); },
          "cast({} as char character set utf8mb4)"};
}

MysqlType vector(Dice& dice, const MysqlVersion& version) {
  const std::int64_t dimensions = dice.between(1, 20);
  const std::string function = version.is_mariadb() ? "vec_fromtext" : "string_to_vector";
  const auto literal = [dimensions, function](Dice& d) {
    std::string list;
    for (std::int64_t i = 0; i < dimensions; ++i)
      list += fmt::format("{}{}.5", i == 0 ? "" : ",", d.between(-99, 99));
    return fmt::format("{}('[{}]')", function, list);
  };
  return {fmt::format("vector({})", dimensions), literal, "hex({})"};
}

MysqlType uuid() {
  return {"uuid", [](Dice& d) {
            std::string text;
            for (int i = 0; i < 16; ++i)
              text += fmt::format("{:02x}", d.one_in(6) ? 0 : d.below(256));
            // A version above 7 with a variant of 0 is refused.
            text[12] = static_cast<char>('0' + d.below(8));
            return "'" + text + "'";
          }};
}

MysqlType address(Dice& dice) {
  if (dice.one_in(2))
    return {"inet4", [](Dice& d) {
              return fmt::format("'{}.{}.{}.{}'", d.below(256), d.below(256), d.below(3),
                                 d.below(2));
            }};
  return {"inet6", [](Dice& d) {
            if (d.one_in(4)) return fmt::format("'::ffff:{}.2.3.{}'", d.below(256), d.below(256));
            if (d.one_in(6)) return std::string("'::'");
            std::string text;
            for (int i = 0; i < 8; ++i)
              text += fmt::format("{}{:x}", i == 0 ? "" : ":", d.one_in(2) ? 0 : d.below(65536));
            return "'" + text + "'";
          }};
}

bool has_vector(const MysqlVersion& version) {
  return version == MysqlVersion{"mysql", "9.7"} || version == MysqlVersion{"mariadb", "11.8"};
}

// An SQL expression for a part of a document.
std::string json_scalar(Dice& dice, const MysqlVersion& version) {
  const std::size_t kind = dice.below(14);
  // 5.7 prints whole doubles as integers, and long bytes on several lines.
  if (version.number == "5.7" && (kind == 6 || kind == 7 || kind == 12)) return "7";
  switch (kind) {
    case 0:
      return "cast('null' as json)";
    case 1:
      return dice.one_in(2) ? "true" : "false";
    case 2:
      return std::to_string(dice.between(-40'000, 40'000));
    case 3:
      return std::to_string(static_cast<std::int64_t>(dice.bits()));
    case 4:
      return std::to_string(dice.bits());
    case 5:
      return std::to_string(static_cast<std::int32_t>(dice.bits()));
    case 6: {
      const auto exponent = static_cast<double>(dice.between(-20, 20));
      return fmt::format("{:.17e}", std::pow(10.0, exponent) *
                                        static_cast<double>(dice.between(-9'999, 9'999)) / 7);
    }
    case 7:
      return fmt::format("{}e{}", dice.between(-99, 99), dice.between(-18, 18));
    case 8:
      return fmt::format("cast('{}' as date)", "2001-02-03");
    case 9:  // MySQL 8.0 prints the hour of a time modulo 32
      return fmt::format("cast('{}{}:01:02.5' as time(6))", dice.one_in(2) ? "-" : "",
                         dice.between(0, 31));
    case 10:
      return fmt::format("cast('2001-02-03 {}' as datetime(6))", random_clock(dice));
    case 11:
      return fmt::format("cast({}{}.{} as decimal(40,20))", dice.one_in(2) ? "-" : "",
                         digits(dice, 1 + dice.below(19)), digits(dice, 1 + dice.below(20)));
    case 12:
      return fmt::format("cast({} as binary)", hex_literal(dice, 80));
    default:
      return mysql_literal(random_text(dice, dice.one_in(6) ? 200 : 8));
  }
}

}  // namespace

std::string mysql_literal(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

std::string random_json(Dice& dice, const MysqlVersion& version, int depth) {
  const std::size_t kind = depth == 0 ? 2 : dice.below(4);
  if (kind >= 2)
    return fmt::format("json_extract(json_array({}),'$[0]')", json_scalar(dice, version));
  std::string list;
  const std::size_t count = dice.one_in(10) ? 300 : dice.below(6);
  for (std::size_t i = 0; i < count; ++i) {
    if (!list.empty()) list += ",";
    if (kind == 0) list += mysql_literal(random_text(dice, 6) + std::to_string(i)) + ",";
    list += count > 50 || dice.one_in(2) ? json_scalar(dice, version)
                                         : random_json(dice, version, depth - 1);
  }
  return fmt::format("{}({})", kind == 0 ? "json_object" : "json_array", list);
}

MysqlType random_mysql_type(Dice& dice, const MysqlVersion& version) {
  switch (dice.below(14)) {
    case 0:
    case 1:
      return integer(dice);
    case 2:
      return decimal(dice, version);
    case 3:
      return floating(dice);
    case 4:
      return bits(dice);
    case 5:
    case 6:
      return moment(dice);
    case 7:
    case 8:
      return text(dice, version);
    case 9:
      return bytes(dice, version);
    case 10:
      return labelled(dice);
    case 11:
      return geometry(version);
    case 12:
      return json(version);
    default:
      break;
  }
  if (version.is_mariadb() && dice.one_in(3)) return uuid();
  if (version.is_mariadb() && dice.one_in(2)) return address(dice);
  return has_vector(version) ? vector(dice, version) : integer(dice);
}

}  // namespace tidelog::testing
