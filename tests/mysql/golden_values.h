// The golden files of tests/mysql/golden: events of real servers, and what the servers show.
#pragma once

#include <string>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/event_type.h"

namespace tidelog::testing {

struct GoldenRows {
  std::string map;  // the body of the table map event
  mysql::EventType type = mysql::EventType::unknown;
  std::string rows;                             // the body of the rows event
  std::vector<std::vector<std::string>> shown;  // in the words of comparable()
};

struct GoldenTable {
  std::vector<GoldenRows> events;
  std::vector<mysql::ColumnFacts> facts;  // the name of the table map's column; no labels
};

struct GoldenFile {
  std::string name;
  mysql::Flavour flavour = mysql::Flavour::mysql;
  std::vector<GoldenTable> tables;
};

std::vector<GoldenFile> golden_files();

}  // namespace tidelog::testing
