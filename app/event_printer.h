// Prints events: as a table for people, in the flat form, or as outgoing records.
#pragma once

#include <string>

#include "app/output.h"
#include "app/table.h"
#include "core/event.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

enum class EventForm : std::uint8_t { table, flat, record };

// One thread; borrows the output and the reader.
class EventPrinter {
 public:
  EventPrinter(Output& out, StoreReader& reader, EventForm form, bool color);

  Status print(const Event& event);
  // Everything that was printed is out.
  Status flush();

 private:
  // A line, or a table's row.
  using Row = std::vector<std::string>;
  Result<Row> row_of(const Event& event);
  Status print_row(Row row);
  Status print_table();

  Output& out_;
  StoreReader& reader_;
  EventForm form_;
  bool color_;
  Table table_;
  std::size_t waiting_ = 0;
};

}  // namespace tidelog
