#include "eventstore/batch_rewriter.h"

#include "eventstore/block.h"

namespace tidelog {

void BatchRewriter::begin() {
  body_.clear();
  blocks_.clear();
  kept_count_ = 0;
  in_transaction_ = false;
  removed_inside_ = 0;
  removed_outside_ = 0;
}

// A record with an index stands at a block's begin and goes on with the transaction.
void BatchRewriter::transaction(const Transaction& transaction) {
  if (in_transaction_ && transaction.event_index != 0) return;
  end_transaction();
  transaction_.keep(transaction);
  in_transaction_ = true;
  next_index_ = transaction.event_index;
  has_kept_ = false;
  raw_names_transaction_ = false;
}

Status BatchRewriter::keep(std::string_view record) {
  TRY_DO(make_room(record.size()));
  put_pending();
  raw_ += record;
  ++kept_count_;
  end_event();
  return {};
}

Status BatchRewriter::erase(const EventBody& event, std::uint64_t relative_revision) {
  EventBody marker;
  marker.type = EventType::erased;
  marker.stream = event.stream;
  erased_.clear();
  put_event_record(erased_, marker, relative_revision);
  return keep(erased_);
}

void BatchRewriter::remove(std::uint64_t count) {
  const std::uint64_t of_transaction = transaction_.get().event_count;
  const bool inside =
      in_transaction_ && (of_transaction == 0 || count <= of_transaction - next_index_);
  if (!inside) {
    end_transaction();
    removed_outside_ += count;
    return;
  }
  removed_inside_ += count;
  next_index_ += count;
  if (next_index_ == of_transaction) end_transaction();
}

Status BatchRewriter::end() {
  end_transaction();
  put_removed(removed_outside_);
  return flush();
}

Status BatchRewriter::make_room(std::size_t bytes) {
  const bool full = !raw_.empty() && raw_.size() + bytes > format::block_raw_bytes_target;
  return full ? flush() : Status();
}

// What must stand before the next event of the transaction.
void BatchRewriter::put_pending() {
  put_removed(removed_outside_);
  if (in_transaction_ && !raw_names_transaction_) {
    transaction_.set_index(next_index_ - removed_inside_);
    put_transaction_record(raw_, transaction_.get());
    raw_names_transaction_ = true;
  }
  put_removed(removed_inside_);
}

void BatchRewriter::put_removed(std::uint64_t& count) {
  if (count == 0) return;
  put_removed_record(raw_, count);
  raw_positions_ += count;
  count = 0;
}

void BatchRewriter::end_event() {
  ++raw_positions_;
  ++next_index_;
  has_kept_ = true;
  if (in_transaction_ && next_index_ == transaction_.get().event_count) end_transaction();
}

// Of a transaction without an event that is kept nothing stays but its positions.
void BatchRewriter::end_transaction() {
  if (!in_transaction_) return;
  if (has_kept_ && removed_inside_ != 0) {
    put_pending();
  } else {
    removed_outside_ += removed_inside_;
    removed_inside_ = 0;
  }
  in_transaction_ = false;
}

Status BatchRewriter::flush() {
  if (raw_.empty()) return {};
  TRY(blocks_.emplace_back(), put_block(body_, raw_, raw_positions_, codec_));
  raw_.clear();
  raw_positions_ = 0;
  raw_names_transaction_ = false;
  return {};
}

}  // namespace tidelog
