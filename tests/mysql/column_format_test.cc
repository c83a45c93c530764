// What columns are read as: from the log alone, with the catalog, and where the two do not agree.
#include "connectors/mysql/column_format.h"

#include <doctest/doctest.h>

#include "connectors/mysql/address_text.h"
#include "connectors/mysql/type_text.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

MappedColumn mapped(ColumnType type, std::uint16_t length = 0) {
  MappedColumn column;
  column.type = type;
  column.length = length;
  column.name = "c";
  return column;
}

Result<TableFormat> format(MappedColumn column, const std::optional<ColumnFacts>& facts,
                           Flavour flavour = Flavour::mysql) {
  TableMap map;
  map.schema = "test";
  map.table = "t";
  map.columns = {std::move(column)};
  if (!facts) return format_of(map, nullptr, flavour);
  const std::vector<ColumnFacts> all = {*facts};
  return format_of(map, &all, flavour);
}

ColumnFacts fact(std::string type, const char* charset = nullptr) {
  return {.name = "c",
          .type = std::move(type),
          .charset = charset == nullptr ? nullptr : charset_named(charset)};
}

ValueKind kind(const Result<TableFormat>& table) {
  if (!table) FAIL(table.error().what);
  return table->schema.columns.at(0).kind;
}

std::string error(const Result<TableFormat>& table, Code code) {
  REQUIRE_FALSE(table);
  CHECK(table.error().code == code);
  return table.error().what;
}

TEST_CASE("column format: MariaDB's own types are told by the catalog alone") {
  auto column = mapped(ColumnType::string, 16);
  column.collation = 63;
  CHECK(kind(format(column, fact("uuid"), Flavour::mariadb)) == ValueKind::uuid);
  CHECK(kind(format(column, fact("inet6"), Flavour::mariadb)) == ValueKind::other);
  CHECK(kind(format(column, fact("binary(16)"), Flavour::mariadb)) == ValueKind::bytes);
  const auto unasked = format(column, std::nullopt, Flavour::mariadb);
  CHECK(kind(unasked) == ValueKind::bytes);
  CHECK(unasked->schema.columns[0].type == "binary(16)");
  CHECK(error(format(column, fact("inet4"), Flavour::mariadb), Code::conflict) ==
        "table test.t, column c: the catalog says inet4, which the log does not fit");
  auto vector = mapped(ColumnType::varchar, 12);
  vector.collation = 63;
  CHECK(kind(format(vector, fact("vector(3)"), Flavour::mariadb)) == ValueKind::vector);
  CHECK(kind(format(vector, fact("varbinary(12)"), Flavour::mariadb)) == ValueKind::bytes);
}

TEST_CASE("column format: what neither log nor catalog says is asked for, never guessed") {
  CHECK(error(format(mapped(ColumnType::long_integer), std::nullopt), Code::misconfigured) ==
        "table test.t, column c: the server's log does not say whether it is signed");
  CHECK(error(format(mapped(ColumnType::varchar, 20), std::nullopt), Code::misconfigured) ==
        "table test.t, column c: the server's log does not say its character set");
  CHECK(error(format(mapped(ColumnType::enumeration, 1), std::nullopt), Code::misconfigured) ==
        "table test.t, column c: the server's log does not say its labels");
  auto nameless = mapped(ColumnType::date);
  nameless.name.reset();
  CHECK(error(format(nameless, std::nullopt), Code::misconfigured) ==
        "table test.t, column 1: the server's log does not say its name");
}

TEST_CASE("column format: with the catalog a log without metadata is enough") {
  CHECK(kind(format(mapped(ColumnType::long_integer), fact("int(10) unsigned"))) ==
        ValueKind::uint64);
  CHECK(kind(format(mapped(ColumnType::long_integer), fact("int(11)"))) == ValueKind::int64);
  CHECK(kind(format(mapped(ColumnType::varchar, 20), fact("varchar(20)", "latin1"))) ==
        ValueKind::text);
  CHECK(kind(format(mapped(ColumnType::blob, 2), fact("blob"))) == ValueKind::bytes);
  CHECK(kind(format(mapped(ColumnType::blob, 2), fact("text", "utf8mb3"))) == ValueKind::text);
  const auto labelled =
      format(mapped(ColumnType::enumeration, 1), fact("enum('a','b')", "utf8mb4"));
  CHECK(kind(labelled) == ValueKind::enumeration);
  CHECK(labelled->columns[0].labels == std::vector<std::string>{"a", "b"});
}

TEST_CASE("column format: a catalog of another time is noticed") {
  auto number = mapped(ColumnType::longlong);
  number.is_unsigned = true;
  CHECK(error(format(number, fact("bigint(20)")), Code::conflict) ==
        "table test.t, column c: the catalog says bigint(20), which the log does not fit");
  auto text = mapped(ColumnType::varchar, 20);
  text.collation = 8;
  CHECK(format(text, fact("varchar(20)", "utf8mb4")).error().code == Code::conflict);
  CHECK(format(text, fact("varbinary(20)")).error().code == Code::conflict);
  auto other_name = fact("varchar(20)", "latin1");
  other_name.name = "d";
  CHECK(error(format(text, other_name), Code::conflict) ==
        "table test.t, column c: the catalog has d in its place");
  TableMap map;
  map.schema = "test";
  map.table = "t";
  map.columns = {text};
  const std::vector<ColumnFacts> two = {fact("varchar(20)", "latin1"), fact("int(11)")};
  CHECK(error(format_of(map, &two, Flavour::mysql), Code::conflict) ==
        "table test.t: the log has 1 columns, the catalog 2");
  const std::vector<ColumnFacts> none;
  CHECK(error(format_of(map, &none, Flavour::mysql), Code::conflict) ==
        "table test.t: the log has 1 columns, the catalog 0");
}

struct OfType {
  MappedColumn column;
  ColumnFacts facts;
};

// A column of each type, as the log and as the catalog have it.
std::vector<OfType> of_all_types() {
  auto text = [](ColumnType type, std::uint16_t length, std::uint32_t collation) {
    MappedColumn column = mapped(type, length);
    column.collation = collation;
    return column;
  };
  auto with_decimals = [](ColumnType type, std::uint16_t length, std::uint8_t decimals) {
    MappedColumn column = mapped(type, length);
    column.decimals = decimals;
    return column;
  };
  return {
      {mapped(ColumnType::tiny), fact("tinyint(1)")},
      {mapped(ColumnType::short_integer), fact("smallint(5) unsigned")},
      {mapped(ColumnType::int24), fact("mediumint")},
      {mapped(ColumnType::long_integer), fact("int(11)")},
      {mapped(ColumnType::longlong), fact("bigint(20) unsigned zerofill")},
      {mapped(ColumnType::year), fact("year(4)")},
      {mapped(ColumnType::float_number, 4), fact("float(7,3)")},
      {mapped(ColumnType::double_number, 8), fact("double")},
      {with_decimals(ColumnType::newdecimal, 10, 2), fact("decimal(10,2)")},
      {with_decimals(ColumnType::newdecimal, 10, 3), fact("decimal(10,3) unsigned")},
      {mapped(ColumnType::bit, 9), fact("bit(9)")},
      {mapped(ColumnType::date), fact("date")},
      {with_decimals(ColumnType::time2, 0, 3), fact("time(3)")},
      {with_decimals(ColumnType::datetime2, 0, 0), fact("datetime")},
      {with_decimals(ColumnType::datetime2, 0, 6), fact("datetime(6)")},
      {with_decimals(ColumnType::timestamp2, 0, 6), fact("timestamp(6)")},
      {text(ColumnType::string, 40, 45), fact("char(10)", "utf8mb4")},
      {text(ColumnType::string, 10, 63), fact("binary(10)")},
      {text(ColumnType::varchar, 80, 45), fact("varchar(20)", "utf8mb4")},
      {text(ColumnType::varchar, 20, 8), fact("varchar(20)", "latin1")},
      {text(ColumnType::varchar, 20, 63), fact("varbinary(20)")},
      {text(ColumnType::blob, 1, 63), fact("tinyblob")},
      {text(ColumnType::blob, 2, 63), fact("blob")},
      {text(ColumnType::blob, 3, 8), fact("mediumtext", "latin1")},
      {text(ColumnType::blob, 4, 8), fact("longtext", "latin1")},
      {mapped(ColumnType::enumeration, 1), fact("enum('a','b')", "latin1")},
      {mapped(ColumnType::set, 1), fact("set('a','b')", "latin1")},
      {mapped(ColumnType::json, 4), fact("json")},
      {mapped(ColumnType::geometry, 4), fact("point")},
      {mapped(ColumnType::vector, 4), fact("vector(3)")},
  };
}

TEST_CASE("column format: of two types each fits its own catalog alone, so none are swapped") {
  const std::vector<OfType> all = of_all_types();
  for (std::size_t log = 0; log < all.size(); ++log) {
    for (std::size_t catalog = 0; catalog < all.size(); ++catalog) {
      const auto table = format(all[log].column, all[catalog].facts);
      CAPTURE(all[log].facts.type);
      CAPTURE(all[catalog].facts.type);
      if (log == catalog && !table) FAIL_CHECK(table.error().what);
      if (log != catalog) CHECK_FALSE(table);
      if (!table) CHECK(table.error().code == Code::conflict);
    }
  }
}

TEST_CASE("column format: MariaDB's times of old are read with the catalog's digits") {
  const auto time = mapped(ColumnType::time);
  CHECK(format(time, fact("time(3) /* mariadb-5.3 */"), Flavour::mariadb)->columns[0].form ==
        ValueForm::mariadb53_time);
  CHECK(format(time, fact("time /* mariadb-5.3 */"), Flavour::mariadb)->columns[0].form ==
        ValueForm::old_time);
  CHECK(format(time, std::nullopt, Flavour::mariadb).error().code == Code::misconfigured);
  CHECK(format(time, std::nullopt, Flavour::mysql)->columns[0].form == ValueForm::old_time);
  CHECK(format(time, fact("time(3)"), Flavour::mysql).error().code == Code::conflict);
}

TEST_CASE("column format: a hidden row hash needs no facts and is no column of the schema") {
  TableMap map;
  map.schema = "test";
  map.table = "t";
  auto hash = mapped(ColumnType::longlong);
  hash.name.reset();
  auto id = mapped(ColumnType::date);
  id.name.reset();
  map.columns = {id, hash};
  const std::vector<ColumnFacts> facts = {fact("date")};
  const auto table = format_of(map, &facts, Flavour::mariadb);
  REQUIRE(table);
  CHECK(table->schema.columns.size() == 1);
  CHECK(table->columns.size() == 2);
  CHECK_FALSE(table->columns[1].stored);
  CHECK(format_of(map, &facts, Flavour::mysql).error().code == Code::conflict);
}

TEST_CASE("column format: a collation that is not known is named with the column") {
  auto column = mapped(ColumnType::varchar, 20);
  column.collation = 9999;
  CHECK(error(format(column, std::nullopt), Code::unsupported) ==
        "table test.t, column c: collation 9999 is not known");
}

TEST_CASE("type text: labels are read as servers print them, and printed the same") {
  // What MySQL 8.0, 9.7, MariaDB 10.11 and 11.8 print of these labels.
  const std::vector<std::string> labels = {"a\\\\b", "it's", "x\ny", "é", "t\ta", "", "c,d", "q)"};
  const std::string type = "enum('a\\\\\\\\b','it''s','x\\ny','é','t\ta','','c,d','q)')";
  CHECK(labels_of_type(type) == labels);
  ColumnFormat format;
  format.labels = labels;
  CHECK(type_text(mapped(ColumnType::enumeration, 1), format) == type);
  for (const char* other : {"", "int", "enum(", "enum('a'", "enum('a", "enum('a',)", "set('a';'b')",
                            "enum('\\x')", "enum()"}) {
    CAPTURE(other);
    CHECK_FALSE(labels_of_type(other));
  }
}

TEST_CASE("column format: labels that the catalog has otherwise are a catalog of another time") {
  auto column = mapped(ColumnType::set, 1);
  column.labels = std::vector<std::string>{"a", "b"};
  column.collation = 45;
  CHECK(format(column, fact("set('a','b')", "utf8mb4")));
  CHECK(format(column, fact("set('b','a')", "utf8mb4")).error().code == Code::conflict);
}

TEST_CASE("address text: as MariaDB prints it") {
  const auto inet6 = [](std::initializer_list<unsigned> words) {
    Inet6 address{};
    std::size_t at = 0;
    for (const unsigned word : words) {
      address[at++] = static_cast<std::uint8_t>(word >> 8);
      address[at++] = static_cast<std::uint8_t>(word);
    }
    return address_text(address);
  };
  CHECK(address_text(Inet4{1, 2, 3, 0}) == "1.2.3.0");
  CHECK(inet6({0, 0, 0, 0, 0, 0, 0, 0}) == "::");
  CHECK(inet6({0, 0, 0, 0, 0, 0, 0, 1}) == "::1");
  CHECK(inet6({0, 0, 0, 0, 0, 0xFFFF, 0x102, 0x304}) == "::ffff:1.2.3.4");
  CHECK(inet6({0, 0, 0, 0, 0, 0, 0x102, 0x304}) == "::1.2.3.4");
  CHECK(inet6({0x2001, 0xDB8, 0, 0, 1, 0, 0, 0}) == "2001:db8:0:0:1::");
  CHECK(inet6({1, 0, 2, 3, 4, 5, 6, 7}) == "1::2:3:4:5:6:7");
}

}  // namespace
}  // namespace tidelog::testing
