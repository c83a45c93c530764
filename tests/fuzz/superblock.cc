#include "eventstore/format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(superblock) {
  fuzz::check_round_trip(
      fuzz::with_last_crc(input), format::read_superblock,
      [](const format::Superblock& superblock) { return format::encode(superblock); });
}
