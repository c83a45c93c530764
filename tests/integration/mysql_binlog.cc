#include "tests/integration/mysql_binlog.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace tidelog::testing {

namespace {

std::string file_content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

mysql::Flavour flavour_of(const MysqlVersion& version) {
  return version.is_mariadb() ? mysql::Flavour::mariadb : mysql::Flavour::mysql;
}

std::vector<FileEvent> binlog_events(MysqlServer& server) {
  std::vector<FileEvent> events;
  for (const auto& row : server.sql("show binary logs")) {
    for (FileEvent& event : events_of(file_content(server.data() / row.at(0))))
      events.push_back(std::move(event));
  }
  return events;
}

FactsOfTables facts_of(MysqlServer& server) {
  FactsOfTables facts;
  for (const auto& row : server.sql(
           "select concat(table_schema, '.', table_name), column_name, column_type, "
           "ifnull(character_set_name, 'binary'), column_key from information_schema.columns where "
           "table_schema = 'test' order by table_name, ordinal_position")) {
    const mysql::Charset* const charset = mysql::charset_named(row.at(3));
    REQUIRE(charset != nullptr);
    facts[row.at(0)].push_back(
        {row.at(1), row.at(2), charset->is_binary() ? nullptr : charset, row.at(4) == "PRI"});
  }
  return facts;
}

}  // namespace tidelog::testing
