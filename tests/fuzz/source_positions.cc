#include "core/source_position.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(source_positions) {
  fuzz::check_round_trip(input, read_postgres_resume,
                         [](const PostgresResume& resume) { return encode(resume); });
  fuzz::check_round_trip(input, read_postgres_lsn, [](Lsn lsn) { return encode(lsn); });
  fuzz::check_round_trip(input, parse_lsn, [](Lsn lsn) { return print_lsn(lsn); });
  fuzz::check_round_trip(input, read_mysql_resume,
                         [](const MysqlResume& resume) { return encode(resume); });
  fuzz::check_round_trip(input, read_gtid,
                         [](const std::string& gtid) { return encode_gtid(gtid); });
  fuzz::check_round_trip(input, read_binlog_place,
                         [](const BinlogPlace& place) { return encode(place); });
  INVARIANT(!print_source_position(input).empty(), "any position can be shown");
}
