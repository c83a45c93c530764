#include "eventstore/aggregate_snapshots.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(aggregate_file) {
  fuzz::check_round_trip(fuzz::with_last_crc(input), read_aggregate_file,
                         [](const AggregateFile& file) { return encode(file); });
}
