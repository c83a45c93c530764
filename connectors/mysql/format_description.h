// The format description: the first event of each binlog file, which tells how the others are
// written (MySQL Server documentation, "Format_description_event").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/mysql/event_checksum.h"
#include "connectors/mysql/event_header.h"
#include "core/result.h"

namespace tidelog::mysql {

struct FormatDescription {
  std::string server_version;  // "8.0.31", "10.11.19-MariaDB-log"
  std::uint32_t created = 0;   // seconds since 1970, when the server started with this file; or 0
  ChecksumAlgorithm checksum = ChecksumAlgorithm::none;
};

// Of the body with all that follows it in the event: this event tells itself how it is checked.
// Unsupported: a version other than 4 (MySQL 5.0 and later), a server without checksums (MySQL
// before 5.6.1, MariaDB before 5.3), an unknown algorithm.
Result<FormatDescription> read_format_description(std::string_view body_and_checksum);

}  // namespace tidelog::mysql
