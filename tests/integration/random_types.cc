#include "tests/integration/random_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace tidelog::testing {

std::int64_t Dice::between(std::int64_t first, std::int64_t last) {
  const std::uint64_t count =
      static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) + 1;
  const std::uint64_t step = count == 0 ? bits() : bits() % count;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + step);
}

namespace {

using Texts = std::vector<std::string>;
using Text = std::function<std::string(Dice&)>;

constexpr int pg15 = 150'000;
constexpr int pg17 = 170'000;
constexpr int depth_max = 4;

Text one_of(Texts texts) {
  return [texts = std::move(texts)](Dice& dice) { return dice.of(texts); };
}

// Now and then one of the texts that break things, else another.
Text mostly(Text usual, Texts edges) {
  return [usual = std::move(usual), edges = std::move(edges)](Dice& dice) {
    return dice.one_in(3) ? dice.of(edges) : usual(dice);
  };
}

std::string digits(Dice& dice, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + dice.below(10));
  return text;
}

// ---- numbers ----

Text integers(std::int64_t first, std::int64_t last) {
  return mostly([=](Dice& dice) { return std::to_string(dice.between(first, last)); },
                {std::to_string(first), std::to_string(last), first < 0 ? "-1" : "1", "0"});
}

template <class Float, class Bits>
std::string any_float(Dice& dice) {
  const auto number = std::bit_cast<Float>(static_cast<Bits>(dice.bits()));
  return std::isnan(number) ? "NaN" : fmt::format("{}", number);
}

std::string small_float(Dice& dice) {
  return fmt::format("{}", static_cast<double>(dice.between(-9'999, 9'999)) / 16.0);
}

std::string any_double(Dice& dice) {
  static const Texts edges = {"NaN", "Infinity", "-Infinity", "-0", "0", "5e-324", "1e15", "1e16"};
  if (dice.one_in(4)) return dice.of(edges);
  return dice.one_in(2) ? small_float(dice) : any_float<double, std::uint64_t>(dice);
}

std::string any_numeric(Dice& dice) {
  static const Texts edges = {"NaN",  "Infinity", "-Infinity",     "0",     "0.000",
                              "-0.0", "1e400",    "-1.5e-400",     "1e-20", "10000",
                              "9999", "0.0001",   "99999999999.10"};
  if (dice.one_in(3)) return dice.of(edges);
  return (dice.one_in(2) ? "-" : "") + digits(dice, 1 + dice.below(40)) + "." +
         digits(dice, dice.below(40)) + "0";
}

// 131072 digits before the point and 16383 behind it are the most that there are.
std::string huge_numeric(Dice& dice) {
  return (dice.one_in(2) ? "-9" : "9") + digits(dice, 131'071) + "." + digits(dice, 16'383);
}

std::string rounded_numeric(Dice& dice, int precision, int scale) {
  if (dice.one_in(6)) return "NaN";
  const auto before = static_cast<std::size_t>(std::max(0, precision - scale - 1));
  return (dice.one_in(2) ? "-0" : "0") + digits(dice, before) + "." +
         (scale > precision ? std::string(static_cast<std::size_t>(scale - precision + 1), '0')
                            : "") +
         digits(dice, static_cast<std::size_t>(std::clamp(scale, 0, precision)));
}

RandomType numeric_of(Dice& dice, int server_version) {
  const int precision = static_cast<int>(dice.between(1, 40));
  int scale = static_cast<int>(dice.between(0, precision));
  if (server_version >= pg15) scale = static_cast<int>(dice.between(-5, precision + 5));
  return {fmt::format("numeric({},{})", precision, scale), ValueKind::decimal,
          [=](Dice& d) { return rounded_numeric(d, precision, scale); }};
}

// ---- texts ----

std::string any_character(Dice& dice) {
  static const Texts pieces = {
      "\t", "\n", "\r", "\\", "'", "\"", ",",   "{",    "}",    "(",    ")",        "[",     "]",
      " ",  "\b", "\f", "\v", "a", "B",  "7",   "\x01", "\x7f", "ü",    "注",       "😀",     "|",
      ";",  "%",  "=",  ">",  "N", "$",  "\\N", "\\.",  "NULL", "null", "\xc2\xa0", "\u2028"};
  return dice.of(pieces);
}

std::size_t characters_in(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & '\xC0') != '\x80'; }));
}

std::string any_text(Dice& dice, std::size_t characters_max) {
  std::string text;
  const std::size_t wanted = dice.one_in(8) ? 0 : dice.below(characters_max + 1);
  for (;;) {
    const std::string more = any_character(dice);
    if (characters_in(text) + characters_in(more) > wanted) return text;
    text += more;
  }
}

// Random enough that it is not compressed, so that it is stored out of line.
std::string toasted_text(Dice& dice) {
  std::string text;
  for (int i = 0; i < 700; ++i) text += fmt::format("{:x}", dice.bits());
  return text + any_text(dice, 30);
}

std::string word(Dice& dice) {
  std::string text(1, static_cast<char>('a' + dice.below(26)));
  return text + digits(dice, dice.below(4));
}

// Nothing that a parser of another syntax would stumble on is left unescaped.
std::string quoted(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == '\\' || c == quote) out += c == quote && quote == '\'' ? '\'' : '\\';
    out += c;
  }
  return out + quote;
}

// ---- JSON ----

std::string json_string(Dice& dice) {
  std::string out = "\"";
  for (const char c : any_text(dice, 8)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  if (dice.one_in(4)) out += "\\u00fc\\ud83d\\ude00\\/\\b\\f\\n\\r\\t";
  return out + "\"";
}

std::string json_text(Dice& dice, int depth) {
  static const Texts plain = {
      "null",  "true",   "false", "0",  "-0",  "1.10", "1e400",
      "-1E-5", "1e-400", "[]",    "{}", "[ ]", "{ }",  "123456789012345678901234567890.5"};
  if (depth == 0 || dice.one_in(3)) return dice.one_in(2) ? dice.of(plain) : json_string(dice);
  std::string out(1, dice.one_in(2) ? '[' : '{');
  const bool list = out == "[";
  for (std::size_t i = dice.below(4); i > 0; --i) {
    if (!list) out += json_string(dice) + " : ";
    out += json_text(dice, depth - 1);
    if (i > 1) out += dice.one_in(2) ? ", " : ",";
  }
  return out + (list ? "]" : "}");
}

// ---- dates and times ----

std::string time_of_day(Dice& dice) {
  static const Texts edges = {"24:00:00", "00:00:00", "23:59:59.999999", "00:00:00.000001"};
  if (dice.one_in(4)) return dice.of(edges);
  return fmt::format("{:02}:{:02}:{:02}.{}", dice.below(24), dice.below(60), dice.below(60),
                     digits(dice, 1 + dice.below(6)));
}

std::string day(Dice& dice, std::int64_t year) {
  return fmt::format("{:04}-{:02}-{:02}", year, 1 + dice.below(12), 1 + dice.below(28));
}

std::string any_date(Dice& dice) {
  static const Texts edges = {"infinity",      "-infinity",  "4713-01-01 BC", "0001-12-31 BC",
                              "5874897-12-31", "0001-01-01", "2024-02-29"};
  if (dice.one_in(3)) return dice.of(edges);
  if (dice.one_in(4)) return day(dice, dice.between(1, 4'712)) + " BC";
  return day(dice, dice.one_in(2) ? dice.between(1, 9'999) : dice.between(10'000, 5'874'896));
}

std::string offset(Dice& dice) {
  static const Texts edges = {"+00", "+15:59:59", "-15:59:59", "+05:30", "-08", "-00:00:01"};
  return dice.of(edges);
}

std::string any_moment(Dice& dice, bool zoned) {
  static const Texts edges = {"infinity", "-infinity"};
  if (dice.one_in(5)) return dice.of(edges);
  const std::string zone = zoned ? offset(dice) : "";
  const std::string time = time_of_day(dice).replace(0, 2, fmt::format("{:02}", dice.below(24)));
  if (dice.one_in(4)) return day(dice, dice.between(1, 4'712)) + " " + time + zone + " BC";
  if (dice.one_in(4))
    return "294276-12-" + fmt::format("{:02}", dice.between(1, 29)) + " " + time + zone;
  return day(dice, dice.one_in(2) ? dice.between(1, 9'999) : dice.between(10'000, 294'275)) + " " +
         time + zone;
}

std::string parts_of_interval(Dice& dice) {
  return fmt::format("{} years {} mons {} days {} hours {} mins {}.{} secs",
                     dice.between(-999, 999), dice.between(-11, 11), dice.between(-99, 99),
                     dice.between(-99, 99), dice.between(-59, 59), dice.between(-59, 59),
                     digits(dice, 6));
}

std::string any_interval(Dice& dice, bool infinite) {
  static const Texts edges = {"0",
                              "178000000 years",
                              "-178000000 years",
                              "-00:00:00.000001",
                              "2147483647 days",
                              "-2147483648 days",
                              "2147483647 months",
                              "-2147483648 months",
                              "2147483647:59:59.999999",
                              "-2147483647:59:59.999999",
                              "1 mon -1 day 01:00:00.000001",
                              "-1 mon 1 day -01:00:00.5"};
  if (infinite && dice.one_in(6)) return dice.one_in(2) ? "infinity" : "-infinity";
  if (dice.one_in(3)) return dice.of(edges);
  return parts_of_interval(dice);
}

// ---- the network, geometry, search ----

std::string address(Dice& dice, bool is_network) {
  if (dice.one_in(2)) {
    const std::size_t bits = dice.below(5) * 8;
    std::string text;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool zero = is_network && i * 8 >= bits;
      text += (i == 0 ? "" : ".") + std::to_string(zero ? 0 : dice.below(256));
    }
    return text + (is_network || dice.one_in(2) ? "/" + std::to_string(bits) : "");
  }
  static const Texts networks = {"::/0", "2001:db8::/32", "::ffff:1.2.3.0/120", "fe80::/10"};
  static const Texts addresses = {"::", "::1", "2001:db8::1/32", "::ffff:10.0.0.1", "fe80::a:b/64"};
  return dice.of(is_network ? networks : addresses);
}

std::string mac(Dice& dice, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i)
    text += fmt::format("{}{:02x}", i == 0 ? "" : ":", dice.below(256));
  return text;
}

std::string point(Dice& dice) { return "(" + any_double(dice) + "," + any_double(dice) + ")"; }
std::string near_point(Dice& dice) {
  return "(" + small_float(dice) + "," + small_float(dice) + ")";
}

std::string points(Dice& dice, char open, char close) {
  std::string text(1, open);
  for (std::size_t i = 1 + dice.below(5); i > 0; --i)
    text += (text.size() > 1 ? "," : "") + near_point(dice);
  return text + close;
}

std::string line(Dice& dice) {
  return fmt::format("{{{},{},{}}}", dice.between(1, 99), small_float(dice), small_float(dice));
}

std::string lexeme(Dice& dice) { return quoted("x" + any_text(dice, 6), '\''); }

// In a lexeme a backslash escapes.
std::string escaped_lexeme(Dice& dice) {
  std::string out;
  for (const char c : lexeme(dice)) {
    if (c == '\\') continue;
    out += c;
  }
  return out;
}

std::string tsvector(Dice& dice) {
  std::string text;
  for (std::size_t i = dice.below(5); i > 0; --i) {
    text += escaped_lexeme(dice);
    if (dice.one_in(2))
      text += fmt::format(":{}{}", dice.between(1, 16'383), "ABCD"[dice.below(4)]);
    text += " ";
  }
  return text;
}

std::string tsquery(Dice& dice, int depth) {
  if (depth == 0 || dice.one_in(3)) return escaped_lexeme(dice) + (dice.one_in(3) ? ":*AB" : "");
  static const Texts operators = {" & ", " | ", " <-> ", " <3> "};
  if (dice.one_in(4)) return "!(" + tsquery(dice, depth - 1) + ")";
  return "(" + tsquery(dice, depth - 1) + ")" + dice.of(operators) + "(" +
         tsquery(dice, depth - 1) + ")";
}

std::string hex(Dice& dice, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += fmt::format("{:02x}", dice.below(256));
  return text;
}

std::string bits(Dice& dice, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += dice.one_in(2) ? '1' : '0';
  return text;
}

std::string uuid(Dice& dice) {
  std::string text = hex(dice, 16);
  for (const std::size_t place : {20U, 16U, 12U, 8U}) text.insert(place, "-");
  return text;
}

std::string snapshot(Dice& dice) {
  const std::int64_t first = dice.between(1, 1'000'000'000'000);
  return fmt::format("{}:{}:{},{}", first, first + 20, first, first + 7);
}

std::string xml(Dice& dice) {
  std::string out = "<a b=\"c'd\">";
  for (const char c : any_text(dice, 12)) {
    if (c == '<' || c == '&' || c == '>') continue;
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') continue;
    out += c;
  }
  return out + "</a>" + (dice.one_in(3) ? "<!-- more --><b/>" : "");
}

// ---- types of extensions ----

std::string hstore(Dice& dice) {
  std::string text;
  for (std::size_t i = dice.below(4); i > 0; --i) {
    const std::string value = dice.one_in(4) ? "NULL" : quoted(any_text(dice, 8), '"');
    text += quoted(any_text(dice, 8), '"') + "=>" + value + (i > 1 ? ", " : "");
  }
  return text;
}

std::string cube(Dice& dice) {
  const std::size_t dimensions = 1 + dice.below(4);
  std::string corner;
  for (std::size_t i = 0; i < dimensions; ++i) corner += (i > 0 ? "," : "") + small_float(dice);
  return dice.one_in(2) ? "(" + corner + ")" : "(" + corner + "),(" + corner + ")";
}

std::string label_path(Dice& dice) {
  std::string text;
  for (std::size_t i = dice.below(5); i > 0; --i) text += (text.empty() ? "" : ".") + word(dice);
  return text;
}

// ---- rising values, for ranges ----

Texts rising_numbers(Dice& dice, std::size_t count) {
  Texts texts;
  std::int64_t number = dice.between(-1'000, 1'000);
  for (std::size_t i = 0; i < count; ++i) {
    texts.push_back(std::to_string(number));
    number += dice.between(1, 500);
  }
  return texts;
}

Texts rising_fractions(Dice& dice, std::size_t count) {
  Texts texts = rising_numbers(dice, count);
  for (std::string& text : texts) text += text.starts_with('-') ? "" : ".2500";
  return texts;
}

Texts rising_dates(Dice& dice, std::size_t count) {
  Texts texts;
  std::int64_t year = dice.between(1, 2'000);
  for (std::size_t i = 0; i < count; ++i, year += dice.between(1, 500))
    texts.push_back(day(dice, year));
  if (dice.one_in(4)) texts.front() = "-infinity";
  if (dice.one_in(4)) texts.back() = "infinity";
  return texts;
}

// In the order of bytes.
Texts rising_texts(Dice& dice, std::size_t count) {
  Texts texts;
  for (std::size_t i = 0; i < count; ++i)
    texts.push_back(fmt::format("{:03}", i * 10) + any_text(dice, 6));
  return texts;
}

void add_numbers(std::vector<RandomType>& types) {
  using Limits = std::numeric_limits<std::int64_t>;
  const auto add = [&](std::string name, ValueKind kind, Text text) {
    types.push_back({std::move(name), kind, std::move(text), rising_numbers});
  };
  add("smallint", ValueKind::int64, integers(-32'768, 32'767));
  add("integer", ValueKind::int64, integers(-2'147'483'648, 2'147'483'647));
  add("bigint", ValueKind::int64, integers(Limits::min(), Limits::max()));
  add("numeric", ValueKind::decimal, any_numeric);
  add("double precision", ValueKind::float64, any_double);
  add("real", ValueKind::float32,
      mostly(any_float<float, std::uint32_t>, {"-0", "1e-45", "3.4028235e38", "0.1", "NaN"}));
  types.back().rising = rising_fractions;
  types.push_back({"boolean", ValueKind::boolean, one_of({"t", "f"})});
  const Text small = integers(0, 4'294'967'295);
  for (const char* name : {"oid", "xid", "cid"}) types.push_back({name, ValueKind::uint64, small});
  types.push_back(
      {"xid8", ValueKind::uint64,
       mostly([](Dice& d) { return std::to_string(d.bits()); }, {"0", "18446744073709551615"})});
  types.push_back(
      {"money", ValueKind::other,
       mostly([](Dice& d) { return std::to_string(d.between(-99'999, 99'999)) + ".07"; },
              {"-92233720368547758.08", "92233720368547758.07", "0"})});
}

void add_texts(Dice& dice, std::vector<RandomType>& types) {
  const auto text_of = [](std::size_t length) {
    return [length](Dice& d) { return any_text(d, length); };
  };
  types.push_back({"text", ValueKind::text, text_of(30), rising_texts});
  for (int i = 0; i < 2; ++i) {
    const std::size_t length = 1 + dice.below(20);
    types.push_back(
        {fmt::format("character varying({})", length), ValueKind::text, text_of(length)});
    types.push_back({fmt::format("character({})", length), ValueKind::text, text_of(length)});
  }
  types.push_back({"character varying", ValueKind::text, text_of(10)});
  types.push_back({"name", ValueKind::text, text_of(15)});
  types.push_back({"\"char\"", ValueKind::text, one_of({"a", "\\", "'", "\"", ",", "}", " "})});
  types.push_back({"xml", ValueKind::text, xml});
  types.push_back({"json", ValueKind::json, [](Dice& d) { return json_text(d, 3); }});
  types.push_back({"jsonb", ValueKind::json, [](Dice& d) { return json_text(d, 3); }});
  types.push_back({"jsonpath", ValueKind::other,
                   one_of({"$", "$.a[*] ? (@ > 1)", "strict $.\"a b\"[0 to last]", "$.\"\\\"\""})});
  types.push_back({"bytea", ValueKind::bytes, [](Dice& d) { return "\\x" + hex(d, d.below(20)); }});
  types.push_back({"uuid", ValueKind::uuid, uuid});
  const std::size_t length = 1 + dice.below(70);
  types.push_back({fmt::format("bit({})", length), ValueKind::bits,
                   [length](Dice& d) { return bits(d, length); }});
  types.push_back({fmt::format("bit varying({})", length), ValueKind::bits,
                   [length](Dice& d) { return bits(d, d.below(length + 1)); }});
  types.push_back({"bit varying", ValueKind::bits, [](Dice& d) { return bits(d, d.below(200)); }});
}

void add_times(Dice& dice, int server_version, std::vector<RandomType>& types) {
  const auto moment = [](bool zoned) { return [zoned](Dice& d) { return any_moment(d, zoned); }; };
  const auto interval = [infinite = server_version >= pg17](Dice& d) {
    return any_interval(d, infinite);
  };
  const std::size_t places = dice.below(7);
  types.push_back({"date", ValueKind::date, any_date, rising_dates});
  types.push_back({"time without time zone", ValueKind::time, time_of_day});
  types.push_back(
      {fmt::format("time({}) without time zone", places), ValueKind::time, time_of_day});
  types.push_back({"time with time zone", ValueKind::time_tz,
                   [](Dice& d) { return time_of_day(d) + offset(d); }});
  types.push_back(
      {"timestamp without time zone", ValueKind::timestamp, moment(false), rising_dates});
  types.push_back({fmt::format("timestamp({}) without time zone", places), ValueKind::timestamp,
                   moment(false)});
  types.push_back(
      {"timestamp with time zone", ValueKind::timestamp_tz, moment(true), rising_dates});
  types.push_back(
      {fmt::format("timestamp({}) with time zone", places), ValueKind::timestamp_tz, moment(true)});
  types.push_back({"interval", ValueKind::interval, interval});
  static const Texts fields = {"year", "month", "day to second", "year to month", "hour to minute"};
  types.push_back({"interval " + dice.of(fields), ValueKind::interval, parts_of_interval});
}

void add_others(std::vector<RandomType>& types) {
  const auto add = [&](std::string name, Text text) {
    types.push_back({std::move(name), ValueKind::other, std::move(text)});
  };
  add("inet", [](Dice& d) { return address(d, false); });
  add("cidr", [](Dice& d) { return address(d, true); });
  add("macaddr", [](Dice& d) { return mac(d, 6); });
  add("macaddr8", [](Dice& d) { return mac(d, 8); });
  add("point", point);
  add("line", line);
  add("lseg", [](Dice& d) { return "[" + point(d) + "," + near_point(d) + "]"; });
  add("box", [](Dice& d) { return near_point(d) + "," + near_point(d); });
  types.back().delimiter = ';';
  add("path", [](Dice& d) { return d.one_in(2) ? points(d, '[', ']') : points(d, '(', ')'); });
  add("polygon", [](Dice& d) { return points(d, '(', ')'); });
  add("circle", [](Dice& d) { return "<" + near_point(d) + "," + digits(d, 3) + ">"; });
  add("tsvector", tsvector);
  add("tsquery", [](Dice& d) { return tsquery(d, 2); });
  add("tid", one_of({"(0,1)", "(4294967295,65535)"}));
  add("pg_lsn", one_of({"0/0", "FFFFFFFF/FFFFFFFF", "1/ABCDEF"}));
  add("pg_snapshot", snapshot);
  add("txid_snapshot", snapshot);
  add("int2vector", one_of({"1 2", "", "-32768 32767 0"}));
  add("oidvector", one_of({"1 4294967295", ""}));
  add("refcursor", [](Dice& d) { return any_text(d, 10); });
  add("aclitem", one_of({"postgres=r/postgres", "=rw/postgres", "postgres=a*w*/postgres"}));
  add("regclass", one_of({"pg_class", "pg_catalog.pg_type", "0"}));
  add("regtype", one_of({"integer", "text[]", "timestamp with time zone"}));
  add("regproc", one_of({"now", "pg_sleep"}));
  add("regprocedure", one_of({"abs(integer)", "pg_sleep(double precision)"}));
  add("regoperator", one_of({"+(integer,integer)"}));
  add("regrole", one_of({"postgres"}));
  add("regnamespace", one_of({"pg_catalog", "public"}));
  add("regconfig", one_of({"english", "simple"}));
}

void add_of_extensions(std::vector<RandomType>& types) {
  const auto add = [&](std::string name, Text text) {
    types.push_back({"public." + std::move(name), ValueKind::other, std::move(text)});
  };
  add("hstore", hstore);
  add("citext", [](Dice& d) { return any_text(d, 20); });
  add("ltree", label_path);
  add("lquery", one_of({"a.*.b", "*{1,2}.x@*", "!a|b.c"}));
  add("ltxtquery", one_of({"a & b*", "(a | b) & !c@"}));
  add("cube", cube);
  add("earth", one_of({"(6378168,0,0)", "(0,6378168,0)"}));
  add("seg", one_of({"1.50 .. 2", "~1 .. <2", "3(+-)1", ".. 5"}));
  add("query_int", one_of({"1&(2|!3)", "7"}));
  add("lo", integers(0, 4'294'967'295));
  types.back().kind = ValueKind::uint64;  // a domain over oid
  add("isbn", one_of({"0-393-04002-X", "978-0-11-000222-4"}));
  add("isbn13", one_of({"978-0-393-04002-9"}));
  add("issn", one_of({"1436-4522"}));
  add("ean13", one_of({"220-356483010-8", "978-0-393-04002-9"}));
  add("upc", one_of({"220356483016"}));
}

// ---- ranges ----

std::string quoted_bound(const std::string& text) { return quoted(text, '"'); }

std::string range_from(Dice& dice, const std::string& low, const std::string& high) {
  std::string out(1, dice.one_in(2) ? '[' : '(');
  if (!dice.one_in(5)) out += quoted_bound(low);
  out += ",";
  if (!dice.one_in(5)) out += quoted_bound(high);
  return out + (dice.one_in(2) ? ']' : ')');
}

RandomType range_of(std::string name, const RandomType& subtype) {
  const auto text = [rising = subtype.rising](Dice& dice) {
    if (dice.one_in(6)) return std::string("empty");
    const Texts bounds = rising(dice, 2);
    return range_from(dice, bounds[0], bounds[1]);
  };
  return {std::move(name), ValueKind::other, text, nullptr, ',', true, subtype.depth + 1};
}

RandomType multirange_of(std::string name, const RandomType& subtype) {
  const auto text = [rising = subtype.rising](Dice& dice) {
    const std::size_t count = dice.below(4);
    const Texts bounds = count == 0 ? Texts() : rising(dice, 2 * count);
    std::string out = "{";
    for (std::size_t i = 0; i < count; ++i)
      out += (i == 0 ? "" : ",") + range_from(dice, bounds[2 * i], bounds[2 * i + 1]);
    return out + "}";
  };
  return {std::move(name), ValueKind::other, text, nullptr, ',', true, subtype.depth + 1};
}

void add_ranges(std::vector<RandomType>& types) {
  const auto add = [&](const std::string& subtype, const std::string& name) {
    const RandomType type = *std::ranges::find(types, subtype, &RandomType::name);
    types.push_back(range_of(name + "range", type));
    types.push_back(multirange_of(name + "multirange", type));
  };
  add("integer", "int4");
  add("bigint", "int8");
  add("numeric", "num");
  add("timestamp without time zone", "ts");
  add("timestamp with time zone", "tstz");
  add("date", "date");
}

// ---- types made of types ----

// Of its place among the statements, so that no two have the same.
std::string new_name(const std::string& statements, Dice& dice) {
  static const Texts odd = {"", " x", "Größe", "\"quote", ",'", "select"};
  return fmt::format("t{}{}", statements.size(), dice.of(odd));
}

std::string public_name(const std::string& name) { return "public." + sql_name(name); }

void add_enum(Dice& dice, std::vector<RandomType>& types, std::string& statements) {
  const std::string name = public_name(new_name(statements, dice));
  Texts labels;
  std::string list;
  for (std::size_t i = 0; i < 2 + dice.below(6); ++i) {
    labels.push_back(fmt::format("{}{}", any_text(dice, 6), i));
    list += (i == 0 ? "" : ", ") + sql_literal(labels.back());
  }
  statements += fmt::format("create type {} as enum ({});", name, list);
  const auto rising = [labels](Dice& d, std::size_t count) {
    Texts chosen;
    for (std::size_t i = 0; i < count; ++i)  // equal ones are in order, too
      chosen.push_back(labels[i * labels.size() / (count + d.below(2))]);
    return chosen;
  };
  types.push_back({name, ValueKind::enumeration, one_of(labels), rising});
}

void add_domain(Dice& dice, std::vector<RandomType>& types, std::string& statements) {
  RandomType type = dice.of(types);
  const std::string base = std::exchange(type.name, public_name(new_name(statements, dice)));
  type.rising = nullptr;
  type.delimiter = ',';
  ++type.depth;
  statements += fmt::format("create domain {} as {};", type.name, base);
  types.push_back(std::move(type));
}

std::string composite_text(Dice& dice, const std::vector<Text>& fields) {
  std::string out = "(";
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ",";
    if (!dice.one_in(5)) out += quoted(fields[i](dice), '"');
  }
  return out + ")";
}

void add_composite(Dice& dice, std::vector<RandomType>& types, std::string& statements) {
  const std::string name = public_name(new_name(statements, dice));
  std::vector<Text> fields;
  std::string list;
  int depth = 0;
  for (std::size_t i = 0; i < 1 + dice.below(4); ++i) {
    const RandomType& type = dice.of(types);
    list += fmt::format("{}f{} {}", i == 0 ? "" : ", ", i, type.name);
    fields.push_back(type.text);
    depth = std::max(depth, type.depth + 1);
  }
  statements += fmt::format("create type {} as ({});", name, list);
  types.push_back({name, ValueKind::other, [fields](Dice& d) { return composite_text(d, fields); },
                   nullptr, ',', true, depth});
}

std::string array_level(Dice& dice, const RandomType& element, const std::vector<int>& counts,
                        std::size_t level) {
  std::string out = "{";
  for (int i = 0; i < counts[level]; ++i) {
    if (i > 0) out += element.delimiter;
    if (level + 1 < counts.size()) {
      out += array_level(dice, element, counts, level + 1);
    } else {
      out += dice.one_in(6) ? "NULL" : quoted(element.text(dice), '"');
    }
  }
  return out + "}";
}

std::string array_text(Dice& dice, const RandomType& element) {
  if (dice.one_in(6)) return "{}";
  std::vector<int> counts(dice.one_in(2) ? 1 : 1 + dice.below(3));
  std::string bounds;
  for (int& count : counts) {
    count = static_cast<int>(dice.between(1, counts.size() == 1 ? 4 : 2));
    const std::int64_t first = dice.between(-5, 5);
    bounds += fmt::format("[{}:{}]", first, first + count - 1);
  }
  return (dice.one_in(2) ? bounds + "=" : "") + array_level(dice, element, counts, 0);
}

void add_array(Dice& dice, std::vector<RandomType>& types) {
  const RandomType element = dice.of(types);
  if (!element.has_array) return;
  types.push_back({element.name + "[]", ValueKind::other,
                   [element](Dice& d) { return array_text(d, element); }, nullptr, ',', false,
                   element.depth + 1});
}

void add_range(Dice& dice, std::vector<RandomType>& types, std::string& statements) {
  std::vector<RandomType> ordered;
  std::ranges::copy_if(types, std::back_inserter(ordered),
                       [](const RandomType& type) { return type.rising != nullptr; });
  const RandomType subtype = dice.of(ordered);
  const std::string name = new_name(statements, dice);
  const std::string collation = subtype.name == "text" ? ", collation = \"C\"" : "";
  statements += fmt::format("create type {} as range (subtype = {}{}, multirange_type_name = {});",
                            public_name(name), subtype.name, collation, public_name(name + "m"));
  types.push_back(range_of(public_name(name), subtype));
  types.push_back(multirange_of(public_name(name + "m"), subtype));
}

}  // namespace

const std::vector<std::string>& extensions() {
  static const Texts all = {"hstore", "citext",        "ltree", "cube",    "isn",
                            "seg",    "earthdistance", "lo",    "intarray"};
  return all;
}

std::vector<RandomType> existing_types(Dice& dice, int server_version) {
  std::vector<RandomType> types;
  add_numbers(types);
  types.push_back(numeric_of(dice, server_version));
  types.push_back(numeric_of(dice, server_version));
  add_texts(dice, types);
  add_times(dice, server_version, types);
  add_others(types);
  add_of_extensions(types);
  add_ranges(types);
  return types;
}

void add_random_type(Dice& dice, std::vector<RandomType>& types, std::string& statements) {
  const std::size_t before = types.size();
  switch (dice.below(8)) {
    case 0:
      add_enum(dice, types, statements);
      break;
    case 1:
    case 2:
      add_domain(dice, types, statements);
      break;
    case 3:
    case 4:
      add_composite(dice, types, statements);
      break;
    case 5:
      add_range(dice, types, statements);
      break;
    default:
      add_array(dice, types);
      break;
  }
  // What is nested too deeply exists, but nothing is made of it.
  for (std::size_t i = before; i < types.size(); ++i) {
    if (types[i].depth > depth_max) types.erase(types.begin() + static_cast<std::ptrdiff_t>(i--));
  }
}

std::string sql_literal(const std::string& text) {
  std::string out = "E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c == '\'' ? '\'' : '\\';
    out += c;
  }
  return out + "'";
}

std::string sql_name(const std::string& name) {
  const bool plain = name != "select" && std::ranges::all_of(name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                     });
  if (plain) return name;
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

std::string random_literal(Dice& dice, const RandomType& type) {
  if (dice.one_in(8)) return "NULL";
  if (type.name == "numeric" && dice.one_in(12)) return sql_literal(huge_numeric(dice));
  if (type.name == "text" && dice.one_in(3)) return sql_literal(toasted_text(dice));
  return sql_literal(type.text(dice));
}

}  // namespace tidelog::testing
