// IndexedBlocks: the blocks of a sealed segment by its index, so that what a filter does not want
// is neither read nor inflated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/block_walk.h"
#include "eventstore/event_filter.h"
#include "eventstore/segment_index.h"
#include "eventstore/store_files.h"

namespace tidelog {

// The blocks of a segment that may hold what the filter wants, rising; nothing when it wants them
// all. `catalog` knows the names of all streams that are in the segment, or the numbers of those
// that the filter names.
Result<std::optional<std::vector<std::uint32_t>>> wanted_blocks(const SegmentIndex& index,
                                                                FilterMatch& filter,
                                                                const Catalog& catalog);

// One thread.
class IndexedBlocks final : public BlockWalk {
 public:
  // `index` must outlive it. An error that index_failed() calls the index's own says nothing about
  // the segment: it can be scanned.
  IndexedBlocks(Disk& disk, const StorePaths& paths, SegmentIndex& index,
                std::optional<std::vector<std::uint32_t>> blocks);

  Result<const WalkedBlock*> next(Position from, Position limit) override;
  bool ended() const override { return ended_; }
  Result<const WalkedBlock*> previous(Position before) override;
  format::BatchPlace end() const override { return index_.header().end; }
  void forget_windows() override {}
  bool index_failed() const { return index_failed_; }

 private:
  // Reads what is near in one go, and what is far for itself.
  struct Window {
    std::string path;  // for messages
    std::unique_ptr<File> file;
    std::uint64_t offset = 0;
    std::string bytes;
    std::uint64_t last_end = 0;
    std::uint64_t last_begin = 0;

    Result<std::string_view> view(std::uint64_t begin, std::uint64_t count);
  };

  std::uint64_t count() const { return blocks_ ? blocks_->size() : index_.header().block_count; }
  std::uint32_t block_at(std::uint64_t n) const {
    return blocks_ ? (*blocks_)[n] : static_cast<std::uint32_t>(n);
  }
  Result<std::uint64_t> first_at(Position position);
  Status load_page(std::size_t page);
  Status load_page_of(std::uint32_t block);
  Result<const WalkedBlock*> read(std::uint32_t block);
  Result<Window*> window_of(std::uint64_t file);
  Status place(std::uint32_t block);
  template <class T>
  Result<T> of_index(Result<T> result);

  Disk& disk_;
  const StorePaths& paths_;
  SegmentIndex& index_;
  std::optional<std::vector<std::uint32_t>> blocks_;
  bool started_ = false;
  bool ended_ = false;
  bool index_failed_ = false;
  std::uint64_t at_ = 0;  // in the list: forwards the next one, backwards the last one given

  // The page of the block table that is decoded, and the blocks in it by number.
  struct InPage {
    std::uint32_t batch = 0;
    std::uint32_t block = 0;
  };
  std::optional<std::size_t> page_number_;
  format::BlockPage page_;
  std::vector<InPage> in_page_;

  Window log_;
  Window adopted_;
  std::uint64_t adopted_file_ = 0;  // the one that adopted_ has open
  std::uint64_t batch_base_ = UINT64_MAX;
  std::string inflated_;
  WalkedBlock block_;
};

}  // namespace tidelog
