#include "eventstore/format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(manifest) {
  const auto write = [](const format::Manifest& manifest) { return format::encode(manifest); };
  fuzz::check_round_trip(input, format::read_manifest, write);
  fuzz::check_round_trip(fuzz::with_last_crc(input), format::read_manifest, write);
}
