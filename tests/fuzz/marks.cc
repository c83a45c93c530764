// A backup's record, an origin, a home; a store's pending erasures.
#include "eventstore/erasure.h"
#include "eventstore/store_marks.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"
#include "tests/fuzz/store_folder.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(marks) {
  const std::string bytes = fuzz::with_last_crc(input);
  fuzz::check_round_trip(
      bytes, [](std::string_view b) { return read_backup_record(b); },
      [](const BackupRecord& record) { return encode(record); });
  fuzz::check_round_trip(
      bytes, [](std::string_view b) { return read_origin(b); },
      [](const Origin& origin) { return encode(origin); });
  fuzz::check_round_trip(
      bytes, [](std::string_view b) { return read_home(b); },
      [](const FileIdentity& home) { return encode(home); });
  const StorePaths paths("store");
  testing::FaultyDisk disk = fuzz::disk_with(paths.erasures, bytes);
  static_cast<void>(pending_erasures(disk, paths));
}
