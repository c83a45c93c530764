// Values of every type, from events of real servers; and the same events, damaged.
#include "tests/mysql/golden_values.h"

#include <doctest/doctest.h>

#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/rows_event.h"
#include "connectors/mysql/table_map.h"
#include "core/value_codec.h"
#include "tests/core/damage.h"
#include "tests/mysql/binlog_rows.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

using Rows = std::vector<std::vector<std::string>>;

// The rows of one event: those after it, or before it when they are gone.
Result<Rows> decoded(std::string_view map_body, EventType type, std::string_view rows_body,
                     const std::vector<ColumnFacts>* facts, Flavour flavour) {
  TRY(const TableMap map, read_table_map(map_body, flavour));
  TRY(const TableFormat table, format_of(map, facts, flavour));
  std::string inflated;
  TRY(const RowsEvent event, read_rows_event(type, rows_body, inflated));
  ValueDecoder values;
  TRY(RowsReader reader, RowsReader::open(event, table, values));
  EncodedRow before;
  EncodedRow after;
  Rows rows;
  while (!reader.at_end()) {
    TRY_DO(reader.next(before, after));
    const EncodedRow& row = event.change == RowsChange::remove ? before : after;
    TRY(const auto stored, read_row(row.row(), table.schema.columns.size()));
    auto& texts = rows.emplace_back();
    for (const Value& value : stored) texts.push_back(comparable(value));
  }
  return rows;
}

template <class Check>
void for_each_event(Check check) {
  for (const GoldenFile& file : golden_files()) {
    CAPTURE(file.name);
    for (const GoldenTable& table : file.tables) {
      for (const GoldenRows& event : table.events) check(file, table, event);
    }
  }
}

TEST_CASE("golden values: each is what its server shows") {
  for_each_event([](const GoldenFile& file, const GoldenTable& table, const GoldenRows& event) {
    const auto rows = decoded(event.map, event.type, event.rows, &table.facts, file.flavour);
    if (!rows) FAIL(rows.error().what);
    REQUIRE(rows->size() == event.shown.size());
    for (std::size_t i = 0; i < rows->size(); ++i) {
      REQUIRE((*rows)[i].size() == event.shown[i].size());
      for (std::size_t c = 0; c < event.shown[i].size(); ++c) {
        CAPTURE(table.facts[c].type);
        CHECK((*rows)[i][c] == event.shown[i][c]);
      }
    }
  });
}

TEST_CASE("golden values: with full metadata MySQL's log says all, also the types") {
  for_each_event([](const GoldenFile& file, const GoldenTable& table, const GoldenRows& event) {
    if (file.flavour != Flavour::mysql) return;
    const auto rows = decoded(event.map, event.type, event.rows, nullptr, file.flavour);
    if (!rows) FAIL(rows.error().what);
    REQUIRE(rows->size() == event.shown.size());
    for (std::size_t i = 0; i < rows->size(); ++i) {
      for (std::size_t c = 0; c < event.shown[i].size(); ++c)
        CHECK((*rows)[i][c] == event.shown[i][c]);
    }
    const auto map = read_table_map(event.map, file.flavour);
    const auto format = format_of(*map, nullptr, file.flavour);
    REQUIRE(format);
    CHECK(format->schema.columns[0].key);
    for (std::size_t c = 0; c < table.facts.size(); ++c)
      CHECK(format->schema.columns[c].type == table.facts[c].type);
  });
}

TEST_CASE("golden values: rows that MariaDB compressed are among them") {
  bool found = false;
  for_each_event([&](const GoldenFile&, const GoldenTable&, const GoldenRows& event) {
    found = found || event.type == EventType::write_rows_compressed_v1;
  });
  CHECK(found);
}

TEST_CASE("golden values: a prefix of an event is corrupt, or it is the first of its rows") {
  for_each_event([](const GoldenFile& file, const GoldenTable& table, const GoldenRows& event) {
    for_each_prefix(event.rows, [&](std::string_view prefix) {
      const auto rows = decoded(event.map, event.type, prefix, &table.facts, file.flavour);
      if (!rows) {
        CHECK(rows.error().code == Code::corrupt);
        return;
      }
      REQUIRE(rows->size() < event.shown.size());
      for (std::size_t i = 0; i < rows->size(); ++i) CHECK((*rows)[i] == event.shown[i]);
    });
  });
}

TEST_CASE("golden values: no flipped bit makes an event anything but rows or an error") {
  for_each_event([](const GoldenFile& file, const GoldenTable& table, const GoldenRows& event) {
    for_each_flipped_bit(event.rows, [&](std::string_view flipped) {
      static_cast<void>(decoded(event.map, event.type, flipped, &table.facts, file.flavour));
    });
    for_each_flipped_bit(event.map, [&](std::string_view flipped) {
      static_cast<void>(decoded(flipped, event.type, event.rows, &table.facts, file.flavour));
      static_cast<void>(decoded(flipped, event.type, event.rows, nullptr, file.flavour));
    });
  });
}

}  // namespace
}  // namespace tidelog::testing
