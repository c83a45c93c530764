// GTIDs as text: MySQL's sets and MariaDB's positions.
#include "connectors/mysql/gtid_set.h"
#include "connectors/mysql/mariadb_gtid.h"
#include "tests/fuzz/fuzz_target.h"

namespace tidelog::fuzz {

using namespace tidelog::mysql;

TIDELOG_FUZZ_TARGET(mysql_gtids) {
  check_round_trip(input, GtidSet::parse, [](const GtidSet& set) { return set.print(); });
  check_round_trip(input, MariadbGtidPosition::parse,
                   [](const MariadbGtidPosition& position) { return position.print(); });
}

}  // namespace tidelog::fuzz
