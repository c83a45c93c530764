// An index file, looked up in: its header's checksums fit, its pages' as they are.
#include "core/bytes.h"
#include "eventstore/segment_index.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"
#include "tests/fuzz/store_folder.h"

namespace tidelog {
namespace {

void look_up(SegmentIndex& index) {
  static_cast<void>(index.verify());
  static_cast<void>(index.names());
  std::vector<std::uint32_t> blocks;
  static_cast<void>(index.add_blocks_of_stream({1}, blocks));
  static_cast<void>(index.add_blocks_of_streams([](StreamId) { return true; }, blocks));
  static_cast<void>(index.add_blocks_of_type("insert", blocks));
  static_cast<void>(index.add_blocks_of_key({1}, "key", blocks));
  static_cast<void>(index.add_blocks_of_id({1}, "id", blocks));
  static_cast<void>(index.position_of_revision({1}, {3}));
  static_cast<void>(index.for_each_id_hash([](std::uint32_t) {}));
  for (const std::uint32_t source : {0U, 1U})
    static_cast<void>(index.first_beyond({1'764'000'000'000'000}, {source}));
  for (std::size_t page = 0; page < index.block_page_count(); ++page)
    static_cast<void>(index.block_page(page));
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(index_file) {
  std::string bytes(input);
  if (bytes.size() >= format::index_header_bytes) {
    ByteReader directory(std::string_view(bytes).substr(96));
    const auto offset = directory.le<std::uint64_t>();
    const auto length = directory.le<std::uint64_t>();
    if (offset < bytes.size() && length <= bytes.size() - offset)
      fuzz::patch_crc(bytes, 112, offset, offset + length);
    fuzz::patch_crc(bytes, 4, 8, format::index_header_bytes);
  }
  const auto sealed =
      format::read_index_header(std::string_view(bytes).substr(0, format::index_header_bytes));
  if (!sealed) return;
  const StorePaths paths("store");
  testing::FaultyDisk disk =
      fuzz::disk_with(paths.index(sealed->segment_id, sealed->generation), bytes);
  const auto index = SegmentIndex::open(
      disk, paths, sealed->uuid, {sealed->segment_id, sealed->generation, sealed->begin.base},
      sealed->end.base);
  if (index) look_up(**index);
}
