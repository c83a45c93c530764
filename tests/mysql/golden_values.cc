#include "tests/mysql/golden_values.h"

#include <doctest/doctest.h>

#include <charconv>
#include <fstream>

#include "tests/mysql/hex.h"
#include "tests/support/paths.h"

namespace tidelog::testing {

namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      parts.emplace_back();
    } else if (line[i] == '\\' && i + 1 < line.size()) {
      const char escaped = line[++i];
      parts.back().push_back(escaped == 't' ? '\t' : escaped == 'n' ? '\n' : escaped);
    } else {
      parts.back().push_back(line[i]);
    }
  }
  return parts;
}

std::vector<mysql::ColumnFacts> facts_of(const std::vector<std::string>& types) {
  std::vector<mysql::ColumnFacts> facts;
  for (std::size_t i = 0; i + 1 < types.size(); i += 2) {
    facts.push_back({.name = i == 0 ? "id" : "c" + std::to_string(i / 2 - 1),
                     .type = types[i],
                     .charset = mysql::charset_named(types[i + 1]),
                     .key = i == 0});
  }
  return facts;
}

GoldenFile read_golden(const std::string& name, mysql::Flavour flavour) {
  std::ifstream file(source_folder() / "tests/mysql/golden" / name);
  GoldenFile golden{name, flavour, {}};
  GoldenTable table;
  std::string map;
  for (std::string line; std::getline(file, line);) {
    const std::size_t space = line.find(' ');
    const std::string kind = line.substr(0, space);
    const std::string rest = line.substr(space + 1);
    if (kind == "map") map = from_hex(rest);
    if (kind == "rows") {
      int type = 0;
      std::from_chars(rest.data(), rest.data() + rest.size(), type);
      table.events.push_back({map,
                              static_cast<mysql::EventType>(type),
                              from_hex(rest.substr(rest.find(' ') + 1)),
                              {}});
    }
    if (kind == "row") table.events.back().shown.push_back(split(rest));
    if (kind == "types") {
      table.facts = facts_of(split(rest));
      golden.tables.push_back(std::move(table));
      table = {};
    }
  }
  REQUIRE_FALSE(golden.tables.empty());
  return golden;
}

}  // namespace

std::vector<GoldenFile> golden_files() {
  return {read_golden("values_mysql_8.0.txt", mysql::Flavour::mysql),
          read_golden("values_mysql_9.7.txt", mysql::Flavour::mysql),
          read_golden("values_mariadb_10.11.txt", mysql::Flavour::mariadb),
          read_golden("values_mariadb_11.8.txt", mysql::Flavour::mariadb)};
}

}  // namespace tidelog::testing
