// A state file: its foot's and directory's checksums fit, its blocks' as they are.
#include "eventstore/state_file.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"
#include "tests/fuzz/store_folder.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(state_file) {
  constexpr std::size_t foot_bytes = 32;
  std::string bytes(input);
  if (bytes.size() >= foot_bytes + 8) {
    const std::size_t foot = bytes.size() - foot_bytes;
    ByteReader in(std::string_view(bytes).substr(foot + 8));
    const auto offset = in.le<std::uint64_t>();
    if (offset <= foot) {
      patch_le(bytes, foot + 16, std::uint64_t{foot - offset});
      fuzz::patch_crc(bytes, foot + 24, offset, foot);
    }
    fuzz::patch_crc(bytes, foot + 28, foot, foot + 28);
  }
  testing::FaultyDisk disk = fuzz::disk_with("made.state", bytes);
  const auto file = StateFile::open(disk, "made.state");
  if (!file) return;
  for (const SchemaId id : (*file)->schema_ids()) INVARIANT((*file)->schema(id), "it is there");
  const bool whole = bool(verify_state_file(disk, "made.state"));
  StateCursor rows(**file);
  for (;;) {
    const auto row = rows.next();
    INVARIANT(row || !whole, "what was verified can be read");
    if (!row || *row == nullptr) return;
    static_cast<void>((*file)->find((*row)->key));
  }
}
