#include "connectors/mysql/table_map.h"

#include <doctest/doctest.h>

#include "core/bytes.h"
#include "tests/core/damage.h"
#include "tests/mysql/hex.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

// MySQL 9.7, binlog_row_metadata=FULL: create table a(v vector(3), c varchar(20) charset latin1, vb
// varbinary(5), f int invisible, g2 geometry srid 4326, tx tinytext, mb mediumblob, nk char(5)
// charset utf16, dt date, gv int generated always as (f+1) virtual, gs int generated always as
// (f+2) stored, j json, primary key(c(3), f), with keys on expressions, whose hidden columns are
// not logged)
std::string mysql_full() {
  return from_hex(
      "70000000000001000174000161000cf20f0f03fffcfcfe0a0303f50b0414000500040103fe1404f50f0101000308"
      "3f083ffcff003f360701000d01030420017601630276620166026732027478026d62026e6b026474026776026773"
      "016a0904010303000c02eff0");
}

// MariaDB 11.8, FULL: create table a(b bit(3), y year, a int unsigned, u uuid, i4 inet4, i6 inet6,
// v vector(2) not null, c varchar(200) compressed, tb blob compressed, g point, e enum('x','y')
// charset latin1, s set('q','r'), j json, primary key(y))
std::string mariadb_full() {
  return from_hex(
      "17000000000001000174000161000d100d03fefefe0f8d8cfffefefc130300fe10fe04fe10080021030204f701f8"
      "0104bd1f0101c002073f04fc0009072e0701010"
      "41d016201790161017502693402693601760163027462016701650173016a0b0408fc00090505020171017206050"
      "201780179080101");
}

// MySQL 5.7 and others without optional metadata: the same event, cut off behind its nullable bits.
std::string without_metadata() { return mysql_full().substr(0, 41); }

const MappedColumn& column(const TableMap& map, std::string_view name) {
  for (const MappedColumn& c : map.columns) {
    if (c.name == name) return c;
  }
  FAIL("no column ", name);
  return map.columns.front();
}

TEST_CASE("table map: MySQL's full metadata gives names, character sets, keys and visibility") {
  const auto map = read_table_map(mysql_full(), Flavour::mysql);
  REQUIRE(map);
  CHECK(map->table_id == 0x70);
  CHECK(map->described() == "t.a");
  CHECK(map->sends_names());
  REQUIRE(map->columns.size() == 12);
  CHECK(column(*map, "v").type == ColumnType::vector);
  CHECK(column(*map, "v").dimensions == 3);
  CHECK(column(*map, "c").type == ColumnType::varchar);
  CHECK(column(*map, "c").length == 20);
  CHECK(column(*map, "c").collation == 8);
  CHECK_FALSE(column(*map, "c").nullable);
  CHECK(column(*map, "vb").collation == 63);
  CHECK(column(*map, "tx").length == 1);
  CHECK(column(*map, "tx").collation == 255);
  CHECK(column(*map, "mb").length == 3);
  CHECK(column(*map, "nk").type == ColumnType::string);
  CHECK(column(*map, "nk").length == 20);
  CHECK(column(*map, "nk").collation == 54);
  CHECK(column(*map, "f").visible == false);
  CHECK(column(*map, "c").visible == true);
  CHECK(column(*map, "f").is_unsigned == false);
  CHECK_FALSE(column(*map, "c").is_unsigned);
  CHECK(column(*map, "g2").geometry_type == 0);
  CHECK(column(*map, "j").type == ColumnType::json);
  CHECK(column(*map, "j").nullable);
  CHECK(map->primary_key == std::vector<KeyPart>{{1, 3}, {3, 0}});
}

TEST_CASE("table map: in MariaDB's list of character sets a geometry has a place, too") {
  const auto map = read_table_map(mariadb_full(), Flavour::mariadb);
  REQUIRE(map);
  CHECK(column(*map, "b").length == 3);
  CHECK(column(*map, "y").is_unsigned == true);
  CHECK(column(*map, "a").is_unsigned == true);
  CHECK(column(*map, "u").type == ColumnType::string);
  CHECK(column(*map, "u").length == 16);
  CHECK(column(*map, "u").collation == 63);
  CHECK(column(*map, "i4").length == 4);
  CHECK(column(*map, "v").type == ColumnType::varchar);
  CHECK(column(*map, "c").type == ColumnType::varchar_compressed);
  CHECK(column(*map, "c").collation == 2304);
  CHECK(column(*map, "tb").type == ColumnType::blob_compressed);
  CHECK(column(*map, "g").geometry_type == 1);
  CHECK(column(*map, "e").type == ColumnType::enumeration);
  CHECK(column(*map, "e").labels == std::vector<std::string>{"x", "y"});
  CHECK(column(*map, "e").collation == 8);
  CHECK(column(*map, "s").type == ColumnType::set);
  CHECK(column(*map, "s").labels == std::vector<std::string>{"q", "r"});
  CHECK(column(*map, "s").collation == 2304);
  CHECK(column(*map, "j").collation == 46);
  CHECK(map->primary_key == std::vector<KeyPart>{{1, 0}});
  // Read as MySQL's, it has one collation too many.
  CHECK(read_table_map(mariadb_full(), Flavour::mysql).error().code == Code::corrupt);
}

TEST_CASE("table map: what was not sent is told from what was") {
  const auto map = read_table_map(without_metadata(), Flavour::mysql);
  REQUIRE(map);
  CHECK_FALSE(map->sends_names());
  for (const MappedColumn& c : map->columns) {
    CHECK_FALSE(c.name);
    CHECK_FALSE(c.collation);
    CHECK_FALSE(c.is_unsigned);
    CHECK_FALSE(c.visible);
  }
}

TEST_CASE("table map: metadata of a kind that is not known is passed over") {
  const auto map = read_table_map(mysql_full() + from_hex("fa020102"), Flavour::mysql);
  REQUIRE(map);
  CHECK(*map == *read_table_map(mysql_full(), Flavour::mysql));
}

TEST_CASE("table map: a type that is not known is unsupported, and named with its column") {
  std::string bytes = mysql_full();
  const std::size_t first_type = 15;
  bytes[first_type] = 20;
  const auto map = read_table_map(bytes, Flavour::mysql);
  REQUIRE_FALSE(map);
  CHECK(map.error().code == Code::unsupported);
  CHECK(map.error().what == "table t.a, column 1: type 20 (TYPED_ARRAY) is not known");
}

TEST_CASE("table map: every prefix is corrupt, but for those that end between two parts") {
  for (const auto& [bytes, flavour] :
       {std::pair(mysql_full(), Flavour::mysql), std::pair(mariadb_full(), Flavour::mariadb)}) {
    std::size_t whole = 0;
    for_each_prefix(bytes, [&, of = flavour](std::string_view prefix) {
      const auto map = read_table_map(prefix, of);
      if (map) {
        ++whole;
      } else {
        CHECK(map.error().code == Code::corrupt);
      }
    });
    CHECK(whole <= 10);  // behind the nullable bits, and behind each kind of metadata
  }
}

TEST_CASE("table map: no flipped bit makes it anything but a table map or an error") {
  for (const auto& [bytes, flavour] :
       {std::pair(mysql_full(), Flavour::mysql), std::pair(mariadb_full(), Flavour::mariadb)}) {
    for_each_flipped_bit(bytes, [of = flavour](std::string_view flipped) {
      const auto map = read_table_map(flipped, of);
      if (!map) CHECK((map.error().code == Code::corrupt || map.error().code == Code::unsupported));
    });
  }
}

TEST_CASE("table map: more columns than bytes are refused before anything is made of them") {
  CHECK(read_table_map(from_hex("1700000000000100017400016100feffffffffffffff7f"), Flavour::mysql)
            .error()
            .code == Code::corrupt);
}

// Of the table t.a, with columns of one type.
std::string map_of(std::size_t columns, char type, std::string_view metadata) {
  const auto packed = [](std::size_t number) {
    std::string out(1, '\xFE');
    put_le<std::uint64_t>(out, number);
    return out;
  };
  std::string map = from_hex("17000000000001000174000161") + '\0';
  map += packed(columns) + std::string(columns, type);
  map += packed(columns * metadata.size());
  for (std::size_t i = 0; i < columns; ++i) map += metadata;
  return map.append((columns + 7) / 8, '\0');
}

TEST_CASE("table map: as many columns and labels as a server has, and no more") {
  CHECK(read_table_map(map_of(4096, '\3', ""), Flavour::mysql));
  CHECK(read_table_map(map_of(0, '\3', ""), Flavour::mysql).error().what ==
        "table t.a has 0 columns");
  CHECK(read_table_map(map_of(5000, '\3', ""), Flavour::mysql).error().code == Code::corrupt);
  const auto with_labels = [](std::size_t labels) {
    std::string content("\xFD");
    content.push_back(static_cast<char>(labels));
    content.append(2, '\0');
    content.append(labels, '\0');
    std::string map = map_of(1, '\xFE', "\xF8\1") + '\5';
    map.push_back(static_cast<char>(content.size()));
    return read_table_map(map + content, Flavour::mysql);
  };
  REQUIRE(with_labels(64));
  CHECK(with_labels(64)->columns.front().labels->size() == 64);
  CHECK_FALSE(with_labels(65));
}

}  // namespace
}  // namespace tidelog::testing
