// KeptTransaction: a transaction whose text is its own, for whoever needs it longer than the call
// that brought it.
#pragma once

#include <string>

#include "core/event.h"

namespace tidelog {

// One thread.
class KeptTransaction {
 public:
  KeptTransaction() = default;
  KeptTransaction(const KeptTransaction&) = delete;  // the views are into the strings here
  KeptTransaction& operator=(const KeptTransaction&) = delete;

  void keep(const Transaction& transaction) {
    id_ = transaction.id;
    position_ = transaction.position;
    origin_ = transaction.origin;
    transaction_ = transaction;
    transaction_.id = id_;
    transaction_.position = position_;
    transaction_.origin = origin_;
  }

  const Transaction& get() const { return transaction_; }
  // Its next event comes at `index`.
  void set_index(std::uint64_t index) { transaction_.event_index = index; }
  void set_count(std::uint64_t count) { transaction_.event_count = count; }

  std::size_t text_bytes() const { return id_.size() + position_.size() + origin_.size(); }

 private:
  std::string id_, position_, origin_;
  Transaction transaction_;
};

}  // namespace tidelog
