// Rows events and the images of rows in them, from the bytes of real servers.
#include "connectors/mysql/rows_event.h"

#include <doctest/doctest.h>

#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/table_map.h"
#include "core/value_codec.h"
#include "tests/core/damage.h"
#include "tests/mysql/binlog_rows.h"
#include "tests/mysql/hex.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

struct Images {
  std::vector<std::string> before;
  std::vector<std::string> after;
  std::string before_key;  // comparable, with commas; or the error
  std::string after_key;
};

std::string joined(std::string_view stored, std::size_t count) {
  const auto values = read_row(stored, count);
  REQUIRE(values);
  std::string text;
  for (const Value& value : *values) text += (text.empty() ? "" : ",") + comparable(value);
  return text;
}

std::string key_text(EncodedRow& row, const Schema& schema) {
  std::size_t count = 0;
  for (const Column& column : schema.columns) count += column.key ? 1 : 0;
  const auto key = row.key(schema);
  return key ? joined(*key, count) : key.error().what;
}

std::vector<std::string> texts(const EncodedRow& row, const Schema& schema) {
  const auto values = read_row(row.row(), schema.columns.size());
  REQUIRE(values);
  std::vector<std::string> all;
  for (const Value& value : *values) all.push_back(comparable(value));
  return all;
}

Result<std::vector<Images>> read_all(EventType type, const std::string& map_body,
                                     std::string_view rows_body, Flavour flavour = Flavour::mysql) {
  TRY(const TableMap map, read_table_map(map_body, flavour));
  TRY(const TableFormat table, format_of(map, nullptr, flavour));
  std::string inflated;
  TRY(const RowsEvent event, read_rows_event(type, rows_body, inflated));
  ValueDecoder values;
  TRY(RowsReader reader, RowsReader::open(event, table, values));
  EncodedRow before;
  EncodedRow after;
  std::vector<Images> all;
  while (!reader.at_end()) {
    TRY_DO(reader.next(before, after));
    Images& row = all.emplace_back();
    if (event.change != RowsChange::write) {
      row.before = texts(before, table.schema);
      row.before_key = key_text(before, table.schema);
    }
    if (event.change != RowsChange::remove) {
      row.after = texts(after, table.schema);
      row.after_key = key_text(after, table.schema);
    }
  }
  return all;
}

Images read_one(EventType type, const std::string& map, const std::string& rows,
                Flavour flavour = Flavour::mysql) {
  const auto all = read_all(type, map, rows, flavour);
  if (!all) FAIL(all.error().what);
  REQUIRE(all->size() == 1);
  return all->front();
}

std::string error_of_rows(EventType type, const std::string& map, const std::string& rows,
                          Code code, Flavour flavour = Flavour::mysql) {
  const auto all = read_all(type, map, rows, flavour);
  REQUIRE_FALSE(all);
  CHECK(all.error().code == code);
  return all.error().what;
}

using Texts = std::vector<std::string>;
constexpr const char* unchanged = "(unchanged)";

// ---- the event ----

TEST_CASE("rows event: the partition that a row is in, and the one that an update took it from") {
  std::string inflated;
  const auto written = read_rows_event(
      EventType::write_rows, from_hex("9500000000001100050001000002ff00010000000178"), inflated);
  REQUIRE(written);
  CHECK(written->table_id == 0x95);
  CHECK_FALSE(written->ends_statement() == false);
  CHECK(written->partition == 0);
  CHECK_FALSE(written->source_partition);
  const std::string update =
      from_hex("95000000000011000700010100000002ffff0001000000017800140000000178");
  const auto updated = read_rows_event(EventType::update_rows, update, inflated);
  REQUIRE(updated);
  CHECK(updated->partition == 1);
  CHECK(updated->source_partition == 0);
  CHECK(updated->column_count == 2);
  CHECK(updated->rows.size() == 14);
}

TEST_CASE("rows event: NDB's extra data, and such as is not known, are passed over") {
  std::string inflated;
  const auto ndb = read_rows_event(EventType::write_rows,
                                   from_hex("950000000000010007000004009999"
                                            "02ff0001000000"
                                            "0178"),
                                   inflated);
  REQUIRE(ndb);
  CHECK(ndb->column_count == 2);
  const auto unknown = read_rows_event(EventType::write_rows,
                                       from_hex("95000000000001000500070102"
                                                "02ff0001000000"
                                                "0178"),
                                       inflated);
  REQUIRE(unknown);
  CHECK(unknown->column_count == 2);
  CHECK_FALSE(unknown->partition);
}

TEST_CASE("rows event: those of servers before 5.1 are refused by name, as is what is none") {
  std::string inflated;
  const auto old = read_rows_event(EventType::pre_ga_write_rows, {}, inflated);
  REQUIRE_FALSE(old);
  CHECK(old.error().code == Code::unsupported);
  CHECK(old.error().what.starts_with("event type 20 ("));
  CHECK_FALSE(is_rows_event(EventType::table_map));
  CHECK(is_rows_event(EventType::partial_update_rows));
}

TEST_CASE("rows event: every prefix of its head is corrupt") {
  const std::string update =
      from_hex("95000000000011000700010100000002ffff0001000000017800140000000178");
  for_each_prefix(update.substr(0, 18), [](std::string_view prefix) {
    std::string inflated;
    CHECK(read_rows_event(EventType::update_rows, prefix, inflated).error().code == Code::corrupt);
  });
}

// ---- compressed rows: MariaDB 10.11, log_bin_compress=ON: create table lc(id int primary key, b
// varchar(400)), values (1,repeat('ab',150)), (2,null)

const std::string compressed_map =
    from_hex("3800000000000100017400026c630002030f0290010201010002010804050269640162080100");
const std::string compressed_rows = from_hex(
    "3800000000000100020382"
    "0138789cfbc3c8c0c0a0c39898340a8985ff9880410600db69746d");

TEST_CASE("compressed rows: they are inflated to the rows that they were") {
  const auto all = read_all(EventType::write_rows_compressed_v1, compressed_map, compressed_rows,
                            Flavour::mariadb);
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].after[1].size() == 300);
  CHECK((*all)[0].after[1].starts_with("abab"));
  CHECK((*all)[1].after == Texts{"2", "NULL"});
}

TEST_CASE("compressed rows: damage is corrupt, or it makes no difference") {
  const auto read = [](std::string_view rows) {
    return read_all(EventType::write_rows_compressed_v1, compressed_map, rows, Flavour::mariadb);
  };
  for_each_prefix(compressed_rows, [&](std::string_view prefix) {
    CHECK(read(prefix).error().code == Code::corrupt);
  });
  const std::string head = compressed_rows.substr(0, 10);
  for_each_flipped_bit(compressed_rows.substr(10), [&](std::string_view flipped) {
    const auto all = read(head + std::string(flipped));
    if (!all) return;  // some bits of a stream say nothing
    REQUIRE(all->size() == 2);
    CHECK((*all)[0].after == (*read(compressed_rows))[0].after);
  });
  CHECK_FALSE(read(compressed_rows + "x"));
}

TEST_CASE("compressed rows: a length that they cannot come to takes no memory") {
  const std::string claims = from_hex(
      "3800000000000100020384ffffffff"
      "789c030000000001");
  CHECK(error_of_rows(EventType::write_rows_compressed_v1, compressed_map, claims, Code::corrupt,
                      Flavour::mariadb) == "8 compressed bytes that claim to be 4294967295");
}

// ---- images: MySQL 9.7, create table mi(a int, k1 int, b varchar(5) default 'd', k2 int, j json,
// c blob, primary key(k2,k1)), binlog_row_image=MINIMAL

const std::string minimal_map = from_hex(
    "9600000000000100017400026d69000603030f03f5fc0414000402350101000304fcff003f040e0161026b31016202"
    "6b"
    "32016a0163080203010c01fc");

TEST_CASE("row images: an insert without a column has its default, which is not known") {
  const Images row = read_one(EventType::write_rows, minimal_map,
                              from_hex("96000000000011000200060b00010000000200000003000000"));
  CHECK(row.after == Texts{"1", "2", unchanged, "3", unchanged, unchanged});
  CHECK(row.after_key == "2,3");  // in the order of columns, though they do not stand together
}

TEST_CASE("row images: what a minimal update does not log stays, the key from the image before") {
  const Images row = read_one(EventType::update_rows, minimal_map,
                              from_hex("96000000000011000200060a0400020000000300000000036e6577"));
  CHECK(row.before == Texts{unchanged, "2", unchanged, "3", unchanged, unchanged});
  CHECK(row.after == Texts{unchanged, "2", "new", "3", unchanged, unchanged});
  CHECK(row.before_key == "2,3");
  CHECK(row.after_key == "2,3");
}

TEST_CASE("row images: a minimal update of a part of the key has the other from before") {
  const Images row = read_one(EventType::update_rows, minimal_map,
                              from_hex("96000000000011000200060a020002000000030000000007000000"));
  CHECK(row.before_key == "2,3");
  CHECK(row.after_key == "7,3");
}

TEST_CASE("row images: a minimal delete has the key alone") {
  const Images row = read_one(EventType::delete_rows, minimal_map,
                              from_hex("96000000000011000200060a000700000003000000"));
  CHECK(row.before == Texts{unchanged, "7", unchanged, "3", unchanged, unchanged});
  CHECK(row.before_key == "7,3");
}

TEST_CASE("row images: a row whose key was not logged has none") {
  const Images row = read_one(EventType::write_rows, minimal_map,
                              from_hex("96000000000011000200060300"
                                       "0100000002000000"));
  CHECK(row.after_key ==
        "table t.mi, column k2: a key value was not logged with the row, so the row has no key");
}

// create table nb(k int primary key, a int, c blob, t text), binlog_row_image=NOBLOB
const std::string noblob_map = from_hex(
    "9700000000000100017400026e6200040303fcfc0202020e01010003043ffcff000408016b0161016301740801000c"
    "01"
    "c0");

TEST_CASE("row images: without blobs, those that an update did not change stay") {
  const Images row =
      read_one(EventType::update_rows, noblob_map,
               from_hex("97000000000011000200040303000100000002000000000100000005000000"));
  CHECK(row.after == Texts{"1", "5", unchanged, unchanged});
  const Images changed = read_one(
      EventType::update_rows, noblob_map,
      from_hex("9700000000001100020004030700010000000500000000010000000500000003006e6577"));
  CHECK(changed.after == Texts{"1", "5", "6E6577", unchanged});
}

TEST_CASE("row images: an empty geometry, as INSERT IGNORE makes one, is kept as it is") {
  const Images row = read_one(EventType::write_rows,
                              from_hex("97000000000001000174000161"
                                       "0001ff010400040201670701"
                                       "00"),
                              from_hex("9700000000001100020001ff0000000000"));
  CHECK(row.after == Texts{"00000000"});
}

TEST_CASE("row images: rows of no column or of another number of columns are corrupt") {
  // A table without columns: rows of no bytes would never come to their end.
  CHECK(error_of_rows(EventType::write_rows, from_hex("97000000000001000174000161000000"),
                      from_hex("9700000000001100020000ff"),
                      Code::corrupt) == "table t.a has 0 columns");
  CHECK(error_of_rows(EventType::write_rows, noblob_map,
                      from_hex("97000000000011000200"
                               "0400"),
                      Code::corrupt) == "rows of table t.nb without any column");
  CHECK(error_of_rows(EventType::write_rows, noblob_map,
                      from_hex("97000000000011000200"
                               "05ff00"),
                      Code::corrupt) == "rows of 5 columns, but table t.nb has 4");
}

// ---- partial JSON: create table j(id int primary key, a json, b json, c json) in MySQL 8.0.31,
// binlog_row_value_options=PARTIAL_JSON, and a is {"b": [1, 5, 6, 7], "p": "x…", "sc": 7}

const std::string json_map = from_hex(
    "9300000000000100017400016a000403f5f5f5030404040e01010004090269640161016201630801000c01f0");
// update j set a=json_remove(a,'$.b[last-1]','$.sc')
const std::string json_removed = from_hex(
    "9300000000000100020004ffff0801000000570000000003005600190001001a0001001b000200021d000c2d"
    "0005070062707363040010000501000505000506000507002878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878780f0000000001000e000b0001000c0c0078017901030801"
    "00000013000000020b242e625b6c6173742d315d0204242e736300000000");
// update j set a='5', b=null
const std::string json_replaced = from_hex(
    "9300000000000100020004ffff0801000000570000000002005600190001001a000100021d000c2d00000c2d"
    "0005070062707363030010000501000505000507000507002878787878787878787878787878787878787878"
    "7878787878787878787878787878787878787878780f0000000001000e000b0001000c0c00780179000c0100"
    "000003000000050500");

TEST_CASE("row images: partial JSON is applied to the document before") {
  const Images row = read_one(EventType::partial_update_rows, json_map, json_removed);
  const std::string p = '"' + std::string(40, 'x') + '"';
  CHECK(row.before ==
        Texts{"1", R"({"b": [1, 5, 6, 7], "p": )" + p + R"(, "sc": 7})", R"({"x": "y"})", "NULL"});
  CHECK(row.after == Texts{"1", R"({"b": [1, 5, 7], "p": )" + p + "}", R"({"x": "y"})", "NULL"});
}

TEST_CASE("row images: an update that is not partial may come in the same kind of event") {
  CHECK(read_one(EventType::partial_update_rows, json_map, json_replaced).after ==
        Texts{"1", "5", "NULL", "NULL"});
}

TEST_CASE("row images: partial JSON whose document before was not logged is told, never guessed") {
  // create table pm(k int primary key, j json), binlog_row_image=MINIMAL as well
  const std::string map =
      from_hex("980000000000010001740002706d000203f50104020101000404016b016a0801000c01c0");
  const std::string rows =
      from_hex("980000000000110002000201020001000000010100090000000003242e6103050200");
  CHECK(error_of_rows(EventType::partial_update_rows, map, rows, Code::unsupported) ==
        "table t.pm, column j (json): a JSON value was logged as its differences from one that was "
        "not logged (binlog_row_value_options=PARTIAL_JSON needs binlog_row_image=FULL)");
}

TEST_CASE("row images: every prefix of partial JSON is corrupt, and no flipped bit does harm") {
  for_each_prefix(json_removed, [&](std::string_view prefix) {
    const auto all = read_all(EventType::partial_update_rows, json_map, prefix);
    if (all) {
      CHECK(all->empty());  // no row has begun
    } else {
      CHECK(all.error().code == Code::corrupt);
    }
  });
  for_each_flipped_bit(json_removed, [&](std::string_view flipped) {
    static_cast<void>(read_all(EventType::partial_update_rows, json_map, flipped));
  });
}

// ---- what else there is in rows ----

TEST_CASE("row images: MariaDB's hidden hash of a unique key is read and not stored") {
  // create table h(id int primary key, b blob, unique(b)) in MariaDB 10.11
  const std::string map = from_hex(
      "37000000000001000174000168000303fc0801020601014002013f041302696401620d44425f524f575f4841534"
      "85f31080100");
  const std::string rows = from_hex("37000000000001000307f8010000000300616263466af40200000000");
  CHECK(read_one(EventType::write_rows_v1, map, rows, Flavour::mariadb).after ==
        Texts{"1", "616263"});
}

// create table e(e enum('x','y'), s set('q','r')), with ordinals as given
std::string labels_error(const std::string& values, Code code) {
  const std::string map = from_hex(
      "180000000000010001740001650002fefe04f701f80103"
      "0404"
      "01650173"
      "0a01"
      "08"
      "0505"
      "0201710172"
      "0605"
      "0201780179");
  return error_of_rows(EventType::write_rows_v1, map, from_hex("180000000000010002ff00" + values),
                       code);
}

TEST_CASE("row images: an ordinal beyond the labels is an error that names the column") {
  CHECK(labels_error("0301", Code::unsupported) ==
        "table t.e, column e (enum('x','y')): ordinal 3 of an enum that has 2 labels");
  CHECK(labels_error("0104", Code::unsupported) ==
        "table t.e, column s (set('q','r')): members 0x4 of a set that has 2 labels");
}

}  // namespace
}  // namespace tidelog::testing
