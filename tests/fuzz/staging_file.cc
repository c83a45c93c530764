// A staging file, or an adopted one: the input's first byte is its generation.
#include "core/event.h"
#include "eventstore/batch_cursor.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"
#include "tests/fuzz/store_folder.h"

namespace tidelog {
namespace {

Status walk(const File& file, const BatchCursor::Expected& first) {
  BatchCursor cursor(file, first);
  for (;;) {
    TRY(const auto step, cursor.next());
    if (step != BatchCursor::Step::batch) return {};
    for (std::size_t n = 0; n < cursor.extension().blocks.size(); ++n) {
      TRY(const auto raw, cursor.block(n));
      for (ByteReader in(raw); in.remaining() != 0;) TRY_DO(read_record(in));
    }
  }
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(staging_file) {
  if (input.empty()) return;
  BatchCursor::Expected first;
  first.file_id = 1;
  first.generation = static_cast<std::uint8_t>(input.front()) % 2;
  first.staged = true;
  std::string bytes(input.substr(1));
  fuzz::reseal_batches(bytes, 0, 0, first.generation != 0);
  testing::FaultyDisk disk = fuzz::disk_with("1.staging", bytes);
  const auto file = disk.open_read("1.staging");
  INVARIANT(file, "the file is there");
  static_cast<void>(walk(**file, first));
}
