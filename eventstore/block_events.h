// BlockEvents: the events of one block, forwards or backwards. Records that a filter does not want
// are hopped over: their length, type and stream are looked at and nothing else.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/block_walk.h"
#include "eventstore/catalog.h"
#include "eventstore/event_filter.h"

namespace tidelog {

// One thread. `filter` and `catalog` must outlive it; the block's bytes must stay until the next
// begin.
class BlockEvents {
 public:
  BlockEvents(FilterMatch& filter, const Catalog& catalog) : filter_(filter), catalog_(catalog) {}

  // next() gives the wanted events from `from` on, in order.
  void begin(const WalkedBlock& block, Position from);
  Result<bool> next();
  // previous() gives the wanted events before `before`, the last one first.
  Status begin_backwards(const WalkedBlock& block, Position before);
  Result<bool> previous();
  void clear() { begin({}, {}); }

  // Of the event that was found. Borrowed from the block.
  const Record& record() const { return record_; }
  Position position() const { return position_; }
  const Transaction& transaction() const { return transaction_; }
  // Forwards: all positions before it were looked at.
  Position passed() const { return next_position_; }

  // The positions of the transaction that `position`, of this block, belongs to. One that was
  // removed whole is nobody's any more: its positions stand alone.
  struct Bounds {
    Position first;
    Position after;
  };
  static Result<Bounds> bounds_at(const WalkedBlock& block, Position position);

 private:
  // A record as far as hopping needs it.
  struct Hop {
    enum class Kind : std::uint8_t { transaction, removed, event } kind = Kind::event;
    std::string_view bytes;   // with its length
    std::string_view rest;    // without
    Position position;        // of the event
    std::uint64_t count = 0;  // positions that it stands for
  };
  struct Found {
    std::string_view bytes;
    std::string_view transaction;  // the record before it, empty for none
    std::uint64_t index = 0;       // events between them
    Position position;
  };

  // What a hop met. The end must be where the batch says.
  enum class Hopped : std::uint8_t { record, end, fewer_events, more_events, cut_short };

  void start(const WalkedBlock& block);
  Hopped hop(Hop& hop);
  Status why(Hopped hopped) const;
  bool may_want(std::string_view rest);
  Result<bool> take(const Found& found);

  FilterMatch& filter_;
  const Catalog& catalog_;
  ByteReader in_{{}};
  Position from_;
  Position next_position_;
  std::uint64_t positions_left_ = 0;
  // The last transaction record and the positions since; as it was decoded last.
  std::string_view transaction_bytes_;
  std::uint64_t since_transaction_ = 0;
  const char* decoded_transaction_ = nullptr;
  Transaction base_transaction_;
  std::vector<Found> found_;  // backwards

  Record record_;
  Position position_;
  Transaction transaction_;
};

}  // namespace tidelog
