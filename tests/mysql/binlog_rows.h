// The rows of a server's binlog files, decoded: for tests that compare them with the server's own
// text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/event_header.h"
#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/rows_event.h"
#include "core/value.h"

namespace tidelog::testing {

// A whole event of a binlog file: its type and its body without checksum.
struct FileEvent {
  mysql::EventType type = mysql::EventType::unknown;
  std::string body;
};

// All events of a binlog file.
std::vector<FileEvent> events_of(std::string_view file);

// In the words of comparable() below; of an image that the change has not, nothing.
struct ComparableRow {
  std::string table;
  mysql::RowsChange change = mysql::RowsChange::write;
  std::vector<std::string> before;
  std::vector<std::string> after;
};

// What a server's SELECT can be compared with: print_value(), but hexadecimal digits for bytes,
// vectors and geometries (SRID and WKB), all digits of floats, and the year 0 as MySQL has it.
std::string comparable(const Value& value);

using FactsOfTables = std::map<std::string, std::vector<mysql::ColumnFacts>>;  // "test.t"

// Decodes all rows events; an error throws. Tables without facts need full metadata.
class BinlogRows {
 public:
  BinlogRows(mysql::Flavour flavour, FactsOfTables facts)
      : flavour_(flavour), facts_(std::move(facts)) {}

  void add(const FileEvent& event);
  const std::vector<ComparableRow>& rows() const { return rows_; }
  // Of the last table map of the table.
  const Schema& schema_of(const std::string& table) const { return schemas_.at(table); }

 private:
  void add_rows(const FileEvent& event);

  mysql::Flavour flavour_;
  FactsOfTables facts_;
  std::map<std::uint64_t, mysql::TableFormat> tables_;
  std::map<std::string, Schema> schemas_;
  std::vector<ComparableRow> rows_;
  mysql::ValueDecoder values_;
  mysql::EncodedRow before_;
  mysql::EncodedRow after_;
  std::string inflated_;
};

}  // namespace tidelog::testing
