#include "eventstore/store_files.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/store_folder.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(durable_page) {
  const StorePaths paths("store");
  std::string bytes(input);
  bytes.resize(SharedPage::word_count * sizeof(std::uint64_t));
  testing::FaultyDisk disk = fuzz::disk_with(paths.durable_page, bytes);
  auto page = DurablePage::open(disk, paths, true);
  if (!page) return;
  static_cast<void>(page->load());
  page->store({{17}, 3});
  const auto value = page->load();
  INVARIANT(value && value->durable == Position{17} && value->durable_batches == 3,
            "what was stored counts, whatever was there");
}
