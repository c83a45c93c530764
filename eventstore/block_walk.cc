#include "eventstore/block_walk.h"

#include <algorithm>

namespace tidelog {

bool ScannedBlocks::has_wanted(const std::vector<format::StreamRun>& runs) {
  return std::any_of(runs.begin(), runs.end(), [this](const format::StreamRun& run) {
    return filter_.wants_stream(run.stream, catalog_);
  });
}

void ScannedBlocks::begin_batch() {
  const SegmentWalk& batch = *batches_;
  ++block_.batch_number;
  block_.runs = &batch.runs();
  block_.append_time = batch.log_header().append_time;
  block_.source = batch.log_header().source;
  block_.is_adopted = batch.adopted() != nullptr;
  if (block_.is_adopted) {
    block_.adopted_base = batch.adopted_base();
    block_.adopted_count = batch.adopted()->event_count;
  }
  in_batch_ = true;
}

Result<const WalkedBlock*> ScannedBlocks::read(std::size_t index, Position base) {
  TRY(block_.raw, batches_->batch().block(index));
  block_.base = base;
  block_.event_count = batches_->batch().extension().blocks[index].event_count;
  return &block_;
}

Result<const WalkedBlock*> ScannedBlocks::next(Position from, Position limit) {
  for (;;) {
    if (in_batch_) {
      const auto& blocks = batches_->batch().extension().blocks;
      while (index_ < blocks.size()) {
        const std::size_t index = index_++;
        const Position base = base_;
        base_ = base_ + blocks[index].event_count;
        if (base_ > from) return read(index, base);
      }
      in_batch_ = false;
    }
    TRY(const bool found, batches_->next(limit, [&](Position, Position end, const auto& runs) {
      return end > from && has_wanted(runs);
    }));
    if (!found) return nullptr;
    begin_batch();
    index_ = 0;
    base_ = batches_->base();
  }
}

Result<const WalkedBlock*> ScannedBlocks::previous(Position before) {
  for (;;) {
    if (in_batch_) {
      const auto& blocks = batches_->batch().extension().blocks;
      while (index_ > 0) {
        --index_;
        base_ = {base_.value - blocks[index_].event_count};
        if (base_ < before) return read(index_, base_);
      }
      in_batch_ = false;
    }
    TRY(const bool found,
        batches_->previous(before, [&](Position base, Position, const auto& runs) {
          return base < before && has_wanted(runs);
        }));
    if (!found) return nullptr;
    begin_batch();
    index_ = batches_->batch().extension().blocks.size();
    base_ = batches_->base() + batches_->event_count();
  }
}

format::BatchPlace ScannedBlocks::end() const {
  const BatchCursor::Expected& next = batches_->expected();
  return {next.base, next.sequence, next.chain};
}

}  // namespace tidelog
