// What SHOW BINLOG EVENTS tells of an event, out of its bytes: so that a server's own text says
// whether we read it right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/event_check.h"

namespace tidelog::testing {

// Its Info column. Nothing of events about rows, whose own tests compare values.
std::string info_of(const mysql::Event& event, const mysql::EventCheck& check);

struct FileEventInfo {
  std::uint64_t offset = 0;
  std::string type;
  std::string info;
  bool operator==(const FileEventInfo&) const = default;
};

// Of all events of a binlog file; an error throws.
std::vector<FileEventInfo> infos_of_file(std::string_view file);

// What the server said of the same file, in lines "offset TAB type TAB info". Without what we did
// not read of them: the ids of DDL, and events about rows.
std::vector<FileEventInfo> infos_of_text(std::string_view lines);

}  // namespace tidelog::testing
