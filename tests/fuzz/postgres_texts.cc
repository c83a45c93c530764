// Other text that comes from a server or a person on the way to one: lines of COPY, timeline
// histories, table patterns, connection strings.
#include "connectors/postgres/connection.h"
#include "connectors/postgres/copy_text.h"
#include "connectors/postgres/timeline.h"
#include "connectors/tables/table_pattern.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::postgres;

TIDELOG_FUZZ_TARGET(postgres_texts) {
  for (std::size_t columns = 0; columns < 4; ++columns) {
    std::string line(input);
    line.push_back('\n');
    Tuple fields(columns);
    static_cast<void>(split_copy_line(line.data(), line.size(), fields));
  }
  static_cast<void>(read_timeline_history(input));
  if (const auto pattern = parse_table_pattern(input))
    static_cast<void>(pattern->matches("public", input));
  static_cast<void>(read_connection_settings(input));
}
