// What the targets of MySQL's rows begin with: the golden events of real servers.
#include <doctest/doctest.h>

#include "connectors/mysql/json_binary.h"
#include "core/bytes.h"
#include "tests/fuzz/seeds.h"
#include "tests/mysql/golden_values.h"
#include "tests/mysql/hex.h"

namespace tidelog::fuzz {

void add_mysql_rows(Seeds& seeds) {
  using testing::from_hex;
  for (const testing::GoldenFile& file : testing::golden_files()) {
    for (const testing::GoldenTable& table : file.tables) {
      for (const testing::GoldenRows& event : table.events) {
        const bool is_mariadb = file.flavour == mysql::Flavour::mariadb;
        std::string seed(1, static_cast<char>(is_mariadb ? 3 : 0));
        seed.push_back(static_cast<char>(event.type));
        put_le(seed, static_cast<std::uint16_t>(event.map.size()));
        seeds["mysql_rows"].push_back(seed + event.map + event.rows);
      }
    }
  }
  // An update with JSON in parts, of tests/mysql/rows_event_test.cc.
  const std::string map = from_hex(
      "9300000000000100017400016a000403f5f5f5030404040e01010004090269640161016201630801000c01f0");
  const std::string rows = from_hex(
      "9300000000000100020004ffff0801000000570000000003005600190001001a0001001b000200021d000c2d0005"
      "07006270736304001000050100050500050600050700287878787878787878787878787878787878787878787878"
      "78"
      "787878787878787878787878787878780f0000000001000e000b0001000c0c007801790103080100000013000000"
      "020b242e625b6c6173742d315d0204242e736300000000");
  std::string partial("\0\x27", 2);
  put_le(partial, static_cast<std::uint16_t>(map.size()));
  seeds["mysql_rows"].push_back(partial + map + rows);
  // {"a": [1, -2], "bb": "x"}, and what changes it
  const std::string document =
      from_hex("000200210012000100130002000215000c1f0061626202000a0005010005feff0178");
  const std::string diffs = from_hex(
      "0006242e615b305d03050500"  // replace $.a[0] by 5
      "0104242e626102040"
      "1"                             // insert $.ba: true
      "0108242e615b6c6173745d020400"  // insert $.a[last]: null
      "0204242e6262");                // remove $.bb
  std::string json;
  put_le(json, static_cast<std::uint16_t>(document.size()));
  seeds["mysql_json"] = {json + document + diffs, json + document};
  for (const char* digits :
       {"0888e9", "0d82a0b1", "0c8fb0a18ea1a4a2", "f8813081309030813041", "3600e9d83dde00",
        "01a140", "1ca1a2", "13b0a1", "5fa0", "52405b", "12a1db"})
    seeds["mysql_texts"].push_back(from_hex(digits));
  seeds["mysql_texts"].push_back(std::string(1, '\0') + R"(enum('a','it''s','x\n\\',''))");
  seeds["mysql_texts"].push_back(std::string(1, '\0') + "set('é','q)')");
}

}  // namespace tidelog::fuzz
