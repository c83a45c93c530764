// BatchRewriter: the blocks of one batch of a rewritten file, from the records of the batch as it
// was. For rewrite.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/result.h"
#include "eventstore/format.h"
#include "eventstore/kept_transaction.h"

namespace tidelog {

// One thread; begin() again for each batch, then its records in order.
class BatchRewriter {
 public:
  explicit BatchRewriter(format::Codec codec) : codec_(codec) {}
  void begin();
  void transaction(const Transaction& transaction);
  Status keep(std::string_view record);  // with its length
  Status erase(const EventBody& event, std::uint64_t relative_revision);
  void remove(std::uint64_t count);
  Status end();

  // After end().
  const std::vector<format::BlockEntry>& blocks() const { return blocks_; }
  const std::string& body() const { return body_; }
  std::uint64_t kept_count() const { return kept_count_; }

 private:
  Status make_room(std::size_t bytes);
  void put_pending();
  void put_removed(std::uint64_t& count);
  void end_event();
  void end_transaction();
  Status flush();

  const format::Codec codec_;
  std::string body_;
  std::vector<format::BlockEntry> blocks_;
  std::uint64_t kept_count_ = 0;

  std::string raw_;  // the block that is being made
  std::uint64_t raw_positions_ = 0;
  bool raw_names_transaction_ = false;

  KeptTransaction transaction_;
  bool in_transaction_ = false;
  std::uint64_t next_index_ = 0;  // of its next event
  bool has_kept_ = false;         // one of its events
  // Removed since the last event that was kept: of this transaction, and of whole ones before it.
  std::uint64_t removed_inside_ = 0;
  std::uint64_t removed_outside_ = 0;
  std::string erased_;
};

}  // namespace tidelog
