// BlockWalk: the blocks of one segment that may hold wanted events, in the order of their positions
// or against it, verified and inflated. There are two: one reads the segment's batches as they come
// (ScannedBlocks), one goes by the segment's index (IndexedBlocks, indexed_blocks.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/event_filter.h"
#include "eventstore/index_format.h"
#include "eventstore/segment_walk.h"

namespace tidelog {

// A block and what its events take from their batch. Borrowed until the walk moves.
struct WalkedBlock {
  Position base;
  std::uint64_t event_count = 0;  // positions, those of removed events too
  std::string_view raw;

  std::uint64_t batch_number = 0;                        // another one: another batch
  const std::vector<format::StreamRun>* runs = nullptr;  // where its streams stood
  UnixMicros append_time;
  SourceId source;
  // In an adopted file the transaction is the whole file.
  bool is_adopted = false;
  Position adopted_base;
  std::uint64_t adopted_count = 0;

  Position end() const { return base + event_count; }
};

// One thread. Goes one way only: next() or previous().
class BlockWalk {
 public:
  virtual ~BlockWalk() = default;
  // The next block that ends after `from`, if its batch begins below `limit`. Null: there is none.
  virtual Result<const WalkedBlock*> next(Position from, Position limit) = 0;
  // After null from next(): whether the segment has no more, or only the limit is in the way.
  virtual bool ended() const = 0;
  // The block before the present one; at first, the last one that begins below `before`.
  virtual Result<const WalkedBlock*> previous(Position before) = 0;
  // What must follow, once ended.
  virtual format::BatchPlace end() const = 0;
  // The segment has grown since it was read.
  virtual void forget_windows() = 0;
};

class ScannedBlocks final : public BlockWalk {
 public:
  // `filter` and `catalog` must outlive it.
  ScannedBlocks(std::unique_ptr<SegmentWalk> batches, FilterMatch& filter, const Catalog& catalog)
      : batches_(std::move(batches)), filter_(filter), catalog_(catalog) {}

  Result<const WalkedBlock*> next(Position from, Position limit) override;
  bool ended() const override { return batches_->ended(); }
  Result<const WalkedBlock*> previous(Position before) override;
  format::BatchPlace end() const override;
  void forget_windows() override { batches_->forget_windows(); }

  // Of the log: for questions about batches.
  SegmentWalk& batches() { return *batches_; }

 private:
  bool has_wanted(const std::vector<format::StreamRun>& runs);
  void begin_batch();
  Result<const WalkedBlock*> read(std::size_t index, Position base);

  std::unique_ptr<SegmentWalk> batches_;
  FilterMatch& filter_;
  const Catalog& catalog_;
  WalkedBlock block_;
  bool in_batch_ = false;
  std::size_t index_ = 0;  // forwards: of the next block; backwards: of the last one given
  Position base_;          // where the block at index_ begins
};

}  // namespace tidelog
