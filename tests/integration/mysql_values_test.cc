// Values of MySQL and MariaDB, from the binlog of real servers. The oracle is the server's own text
// of the same rows.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <charconv>

#include "tests/integration/mysql_binlog.h"
#include "tests/integration/mysql_random_types.h"
#include "tests/mysql/binlog_rows.h"
#include "tests/support/mysql_server.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

constexpr std::size_t tables_per_server = 12;
constexpr std::size_t columns_max = 10;
constexpr int rows_per_table = 10;

struct Table {
  std::string name;
  std::vector<MysqlType> types;  // of c0, c1, …; before them is id
};

std::string without_zeros_behind(std::string text) {
  const std::size_t point = text.find('.');
  if (point == std::string::npos) return text;
  const std::size_t zone = std::min(text.find('+'), text.size());
  std::size_t end = zone;
  while (text[end - 1] == '0') --end;
  if (text[end - 1] == '.') --end;
  return text.erase(end, zone - end);
}

std::string comparable(const MysqlType& type, const std::string& text) {
  if (text == "NULL") return text;
  if (type.has_fraction) return without_zeros_behind(text);
  if (!type.is_float) return text;
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return fmt::format("{:.17g}", number);
}

// The table's rows as the server shows them, in order of id.
std::vector<std::vector<std::string>> shown(MysqlServer& server, const Table& table) {
  std::string list = "id";
  for (std::size_t i = 0; i < table.types.size(); ++i) {
    const std::string column = "c" + std::to_string(i);
    list += ", " + fmt::format(fmt::runtime(table.types[i].shown), column);
  }
  auto rows = server.sql(fmt::format("select {} from {} order by id", list, table.name));
  for (auto& row : rows) {
    for (std::size_t i = 0; i < table.types.size(); ++i)
      row[i + 1] = comparable(table.types[i], row[i + 1]);
  }
  return rows;
}

std::string literal(Dice& dice, const MysqlType& type) {
  return dice.one_in(8) && type.name.find("vector") == std::string::npos ? "NULL"
                                                                         : type.literal(dice);
}

Table make_table(MysqlServer& server, Dice& dice, std::size_t number) {
  Table table{"test.r" + std::to_string(number), {}};
  std::string list = "id int primary key";
  const std::size_t count = 1 + dice.below(columns_max);
  for (std::size_t i = 0; i < count; ++i) {
    table.types.push_back(random_mysql_type(dice, server.version()));
    list += fmt::format(", c{} {}", i, table.types.back().name);
    if (table.types.back().name.starts_with("vector")) list += " not null";
  }
  CAPTURE(list);
  server.sql(fmt::format("create table {} ({})", table.name, list));
  return table;
}

void insert_rows(MysqlServer& server, Dice& dice, const Table& table) {
  for (int id = 1; id <= rows_per_table; ++id) {
    std::string list = std::to_string(id);
    for (const MysqlType& type : table.types) list += ", " + literal(dice, type);
    server.sql(fmt::format("insert ignore into {} values ({})", table.name, list));
  }
}

// Some columns of each row get other values.
void update_rows(MysqlServer& server, Dice& dice, const Table& table) {
  for (int id = 1; id <= rows_per_table; ++id) {
    std::string list;
    for (std::size_t i = 0; i < table.types.size(); ++i) {
      if (dice.one_in(2)) continue;
      list += fmt::format("{}c{} = {}", list.empty() ? "" : ", ", i, literal(dice, table.types[i]));
    }
    if (list.empty()) continue;
    server.sql(fmt::format("update ignore {} set {} where id = {}", table.name, list, id));
  }
}

// What was logged of a table, applied to what was there: unchanged values stay.
class Fold {
 public:
  void apply(const ComparableRow& row) {
    if (row.change != RowsChange::write) check_before(row.before);
    if (row.change == RowsChange::remove) {
      rows_.erase(row.before.at(0));
      return;
    }
    std::vector<std::string> after = row.after;
    if (row.change == RowsChange::update) {
      const auto& old = rows_.at(row.before.at(0));
      for (std::size_t i = 0; i < after.size(); ++i)
        if (after[i] == unchanged) after[i] = old[i];
    }
    rows_[after.at(0)] = after;
  }

  std::vector<std::vector<std::string>> rows() const {
    std::vector<std::vector<std::string>> all;
    for (int id = 1; id <= rows_per_table; ++id) {
      const auto found = rows_.find(std::to_string(id));
      if (found != rows_.end()) all.push_back(found->second);
    }
    return all;
  }

  std::size_t unchanged_count() const { return unchanged_count_; }

 private:
  static constexpr std::string_view unchanged = "(unchanged)";

  void check_before(const std::vector<std::string>& before) {
    const auto& old = rows_.at(before.at(0));
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i] == unchanged) {
        ++unchanged_count_;
      } else {
        CHECK(before[i] == old[i]);
      }
    }
  }

  std::map<std::string, std::vector<std::string>> rows_;
  std::size_t unchanged_count_ = 0;
};

// Where two long texts part.
std::string parting(const std::string& logged, const std::string& shown) {
  std::size_t at = 0;
  while (at < logged.size() && at < shown.size() && logged[at] == shown[at]) ++at;
  const std::size_t from = at < 40 ? 0 : at - 40;
  return fmt::format("…{}… but …{}…", logged.substr(from, 80), shown.substr(from, 80));
}

void check_same(const std::vector<std::vector<std::string>>& logged,
                const std::vector<std::vector<std::string>>& shown) {
  REQUIRE(logged.size() == shown.size());
  for (std::size_t row = 0; row < logged.size(); ++row) {
    for (std::size_t column = 0; column < logged[row].size(); ++column) {
      CAPTURE(row);
      CAPTURE(column);
      if (logged[row][column] != shown[row][column])
        FAIL_CHECK(parting(logged[row][column], shown[row][column]));
    }
  }
}

std::vector<std::string> settings_of(const MysqlVersion& version) {
  std::vector<std::string> settings = {"server-id=5", "default-time-zone=-07:00",
                                       "sql-mode=ALLOW_INVALID_DATES"};
  if (version.is_mariadb()) settings.emplace_back("log-bin-compress=ON");
  return settings;
}

TEST_CASE("mysql values: random values of random types are what the server shows, in every image") {
  const std::uint64_t seed = test_seed(20'261'127);
  for (const MysqlVersion& version : mysql_versions()) {
    const bool has_metadata = version.number != "5.7";
    CAPTURE(version.text());
    Dice dice(seed);
    MysqlServer server({.version = version, .settings = settings_of(version)});
    server.sql("create database test; set time_zone = '+00:00', names utf8mb4");
    std::vector<Table> tables;
    std::map<std::string, std::vector<std::vector<std::string>>> after_inserts;
    std::map<std::string, std::vector<std::vector<std::string>>> after_updates;
    const std::vector<std::string> images = {"FULL", "MINIMAL", "NOBLOB"};
    for (std::size_t i = 0; i < tables_per_server; ++i) {
      tables.push_back(make_table(server, dice, i));
      // Every other table's rows need the catalog.
      if (has_metadata) {
        server.sql(
            fmt::format("set global binlog_row_metadata = {}", i % 2 == 0 ? "FULL" : "MINIMAL"));
      }
      server.sql("set binlog_row_image = FULL");
      insert_rows(server, dice, tables[i]);
      after_inserts[tables[i].name] = shown(server, tables[i]);
      server.sql("set binlog_row_image = " + images[i % images.size()]);
      update_rows(server, dice, tables[i]);
      after_updates[tables[i].name] = shown(server, tables[i]);
      server.sql("delete from " + tables[i].name);
    }
    BinlogRows binlog(flavour_of(version), facts_of(server));
    for (const FileEvent& event : binlog_events(server)) binlog.add(event);
    for (std::size_t i = 0; i < tables_per_server; ++i) {
      const Table& table = tables[i];
      std::string types;
      for (const MysqlType& type : table.types) types += type.name + "; ";
      CAPTURE(table.name);
      CAPTURE(types);
      Fold fold;
      bool inserts_checked = false;
      bool updates_checked = false;
      for (const ComparableRow& row : binlog.rows()) {
        if (row.table != table.name) continue;
        if (row.change != RowsChange::write && !inserts_checked) {
          check_same(fold.rows(), after_inserts[table.name]);
          inserts_checked = true;
        }
        if (row.change == RowsChange::remove && !updates_checked) {
          check_same(fold.rows(), after_updates[table.name]);
          updates_checked = true;
        }
        fold.apply(row);
      }
      CHECK(updates_checked);
      CHECK(fold.rows().empty());
      if (images[i % images.size()] == "FULL") CHECK(fold.unchanged_count() == 0);
      if (images[i % images.size()] == "MINIMAL") CHECK(fold.unchanged_count() > 0);
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
