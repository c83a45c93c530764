// Rows of answers in their stored form, and values as SQL.
#include "connectors/mysql/selected_row.h"

#include <doctest/doctest.h>

#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog::testing {

using namespace tidelog::mysql;

namespace {

MappedColumn column(const char* name, ColumnType type, std::uint16_t length = 0,
                    std::uint8_t decimals = 0) {
  MappedColumn mapped;
  mapped.name = name;
  mapped.type = type;
  mapped.length = length;
  mapped.decimals = decimals;
  mapped.is_unsigned = false;
  mapped.collation = 63;
  return mapped;
}

CatalogTable one_column(const MappedColumn& mapped, const char* type) {
  CatalogTable table;
  table.map.schema = "shop";
  table.map.table = "t";
  table.map.columns = {mapped};
  table.types = {type};
  return table;
}

// The text of what is stored, or the error.
std::string stored(const MappedColumn& mapped, const char* type, std::string_view value) {
  const CatalogTable table = one_column(mapped, type);
  const auto format = format_of(table.map, nullptr, Flavour::mysql);
  REQUIRE_MESSAGE(format, format.error().what);
  SelectedRow row;
  const std::optional<std::string_view> values[] = {value};
  if (auto read = row.read(values, *format); !read) return read.error().what;
  ByteReader in(row.row());
  std::string text;
  print_value(text, read_value(in));
  CHECK_FALSE(in.failed());
  return text;
}

std::string literal(const Value& value) {
  const auto sql = literal_of(value);
  return sql ? *sql : sql.error().what;
}

}  // namespace

TEST_CASE("selected row: zeros in front, years of zero and partial dates are stored as logged") {
  const MappedColumn decimal = column("d", ColumnType::newdecimal, 8, 2);
  CHECK(stored(decimal, "decimal", "000012.50") == "12.50");
  CHECK(stored(decimal, "decimal", "0.50") == "0.50");
  CHECK(stored(decimal, "decimal", "-0.50") == "-0.50");
  const MappedColumn date = column("d", ColumnType::date);
  CHECK(stored(date, "date", "0000-00-00") == "0000-00-00");
  CHECK(stored(date, "date", "2026-00-15") == "2026-00-15");
  CHECK(stored(date, "date", "0000-03-15") == "0001-03-15 BC");
  const MappedColumn moment = column("t", ColumnType::timestamp2, 0, 6);
  CHECK(stored(moment, "timestamp", "2026-11-27 10:00:00.500000") == "2026-11-27 10:00:00.5+00");
  const MappedColumn time = column("t", ColumnType::time2);
  CHECK(stored(time, "time", "-838:59:59") == "-838:59:59");
}

TEST_CASE("selected row: what is no such value is an error that names table and column") {
  const MappedColumn number = column("n", ColumnType::long_integer);
  CHECK(stored(number, "int", "x").find("table shop.t, column n (int): cannot read 'x'") == 0);
  const MappedColumn bits = column("b", ColumnType::bit, 4);
  CHECK(stored(bits, "bit", "\x05") == "0101");
  CHECK(stored(bits, "bit", "\x1F").find("bytes that are no such value") != std::string::npos);
  const CatalogTable table = one_column(number, "int");
  SelectedRow row;
  const auto format = format_of(table.map, nullptr, Flavour::mysql);
  REQUIRE(format);
  CHECK_FALSE(row.read({}, *format));
}

TEST_CASE("selected row: floats are asked for in full, and MariaDB's types as they are logged") {
  const auto selection = [](const MappedColumn& mapped, const char* type) {
    const CatalogTable table = one_column(mapped, type);
    return selection_of(table, *format_of(table.map, nullptr, Flavour::mariadb));
  };
  CHECK(selection(column("f", ColumnType::float_number, 4), "float") == "`f` * 1e0");
  CHECK(selection(column("a`b", ColumnType::date), "date") == "`a``b`");
  CHECK(selection(column("u", ColumnType::string, 16), "uuid") == "UNHEX(REPLACE(`u`, '-', ''))");
  CHECK(selection(column("i", ColumnType::string, 16), "inet6") == "INET6_ATON(`i`)");
}

TEST_CASE("selected row: values of keys as SQL") {
  CHECK(literal(std::int64_t{-5}) == "-5");
  CHECK(literal(std::uint64_t{18446744073709551615U}) == "18446744073709551615");
  CHECK(literal(Decimal{"1.50"}) == "1.50");
  CHECK(literal(Text{"it's"}) == "'it''s'");
  CHECK(literal(Text{"a\\b"}) == "_utf8mb4 0x615C62");
  CHECK(literal(Bytes{std::string_view("\0\xFF", 2)}) == "x'00FF'");
  CHECK(literal(Date{2026, 11, 27, Infinity::none}) == "'2026-11-27'");
  CHECK(literal(TimestampTz{{2026, 11, 27, Infinity::none}, 1'500'000}) ==
        "'2026-11-27 00:00:01.5'");
  CHECK(literal(Bits{3, "\xA0"}) == "b'101'");
  CHECK(literal(0.5F) == "5.00000000000000000e-01");
  CHECK(literal(Date{0, 3, 15, Infinity::none}).find("year 0") != std::string::npos);
  CHECK(literal(Json{"{}"}).find("cannot be asked for") != std::string::npos);
}

}  // namespace tidelog::testing
