#include "eventstore/block_events.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/record_reader.h"

namespace tidelog {
namespace {

constexpr std::uint8_t type_transaction = 0;
constexpr std::uint8_t type_removed = 255;

}  // namespace

void BlockEvents::start(const WalkedBlock& block) {
  in_ = ByteReader(block.raw);
  next_position_ = block.base;
  positions_left_ = block.event_count;
  transaction_bytes_ = {};
  since_transaction_ = 0;
  decoded_transaction_ = nullptr;
  base_transaction_ = {};
}

Status BlockEvents::why(Hopped hopped) const {
  const std::uint64_t at = next_position_.value;
  switch (hopped) {
    case Hopped::record:
    case Hopped::end:
      return {};
    case Hopped::fewer_events:
      return fail(Code::corrupt,
                  fmt::format("the block at position {} holds fewer events than it says", at));
    case Hopped::more_events:
      return fail(Code::corrupt,
                  fmt::format("the block at position {} holds more events than it says", at));
    case Hopped::cut_short:
      return fail(Code::corrupt,
                  fmt::format("the block at position {}: a record is longer than the block", at));
  }
  return {};
}

BlockEvents::Hopped BlockEvents::hop(Hop& hop) {
  if (in_.remaining() == 0)
    return positions_left_ == 0 && !in_.failed() ? Hopped::end : Hopped::fewer_events;
  const char* const begin = in_.at();
  hop.rest = in_.sized();
  if (in_.failed() || hop.rest.empty()) return Hopped::cut_short;
  const auto length_bytes = static_cast<std::size_t>(hop.rest.data() - begin);
  hop.bytes = std::string_view(begin, length_bytes + hop.rest.size());
  hop.position = next_position_;
  hop.count = 1;
  hop.kind = Hop::Kind::event;
  const auto type = static_cast<std::uint8_t>(hop.rest.front());
  if (type == type_transaction) {
    hop.kind = Hop::Kind::transaction;
    transaction_bytes_ = hop.bytes;
    since_transaction_ = 0;
    return Hopped::record;
  }
  if (type == type_removed) {
    hop.kind = Hop::Kind::removed;
    ByteReader removed(hop.rest.substr(1));
    hop.count = removed.varint();
    if (hop.count == 0 || removed.remaining() != 0) return Hopped::cut_short;
  }
  if (hop.count > positions_left_) return Hopped::more_events;
  positions_left_ -= hop.count;
  next_position_ = next_position_ + hop.count;
  since_transaction_ += hop.count;
  return Hopped::record;
}

// rest: u8 type | u8 flags | varint stream | …
bool BlockEvents::may_want(std::string_view rest) {
  ByteReader in(rest);
  const auto type = in.le<std::uint8_t>();
  if (type > event_type_max) return true;  // to be refused by name
  if (!filter_.may_want_type(type)) return false;
  if (!filter_.filter().names_streams()) return true;
  in.le<std::uint8_t>();
  const std::uint64_t stream = in.varint();
  return in.failed() || stream > UINT32_MAX ||
         filter_.wants_stream({static_cast<std::uint32_t>(stream)}, catalog_);
}

Result<bool> BlockEvents::take(const Found& found) {
  ByteReader in(found.bytes);
  TRY_DO(read_next_record(in, record_));
  if (!filter_.wants(record_.event, found.position)) return false;
  if (found.transaction.data() != decoded_transaction_) {
    base_transaction_ = {};
    if (!found.transaction.empty()) {
      ByteReader transaction(found.transaction);
      TRY(const Record record, read_record(transaction));
      base_transaction_ = record.transaction;
    }
    decoded_transaction_ = found.transaction.data();
  }
  transaction_ = base_transaction_;
  transaction_.event_index += found.index;
  position_ = found.position;
  return true;
}

// -- forwards --

void BlockEvents::begin(const WalkedBlock& block, Position from) {
  start(block);
  from_ = from;
}

Result<bool> BlockEvents::next() {
  Hop record;
  for (;;) {
    const Hopped hopped = hop(record);
    if (hopped == Hopped::end) return false;
    if (hopped != Hopped::record) return error_of(why(hopped));
    if (record.kind != Hop::Kind::event || record.position < from_) continue;
    if (!may_want(record.rest)) continue;
    TRY(const bool taken,
        take({record.bytes, transaction_bytes_, since_transaction_ - 1, record.position}));
    if (taken) return true;
  }
}

// -- backwards --

Status BlockEvents::begin_backwards(const WalkedBlock& block, Position before) {
  start(block);
  found_.clear();
  Hop record;
  for (;;) {
    const Hopped hopped = hop(record);
    if (hopped == Hopped::end) return {};
    if (hopped != Hopped::record) return why(hopped);
    if (record.kind != Hop::Kind::event || record.position >= before) continue;
    if (!may_want(record.rest)) continue;
    found_.push_back({record.bytes, transaction_bytes_, since_transaction_ - 1, record.position});
  }
}

Result<bool> BlockEvents::previous() {
  while (!found_.empty()) {
    const Found found = found_.back();
    found_.pop_back();
    TRY(const bool taken, take(found));
    if (taken) return true;
  }
  return false;
}

// -- transactions --

Result<BlockEvents::Bounds> BlockEvents::bounds_at(const WalkedBlock& block, Position position) {
  if (block.is_adopted) return Bounds{block.adopted_base, block.adopted_base + block.adopted_count};
  FilterMatch everything;
  const Catalog no_names;
  BlockEvents events(everything, no_names);
  events.start(block);
  Hop record;
  for (;;) {
    const Hopped hopped = events.hop(record);
    if (hopped == Hopped::end) break;
    if (hopped != Hopped::record) return error_of(events.why(hopped));
    if (record.kind == Hop::Kind::transaction || events.next_position_ <= position) continue;
    std::uint64_t count = 0;
    std::uint64_t index =
        events.since_transaction_ - (events.next_position_.value - position.value);
    if (!events.transaction_bytes_.empty()) {
      ByteReader in(events.transaction_bytes_);
      TRY(const Record transaction, read_record(in));
      index += transaction.transaction.event_index;
      count = transaction.transaction.event_count;
    }
    if (index >= count) return Bounds{position, position + std::uint64_t{1}};
    const Position first{position.value - index};
    return Bounds{first, first + count};
  }
  return fail(Code::corrupt, fmt::format("position {} is not in its block", position.value));
}

}  // namespace tidelog
