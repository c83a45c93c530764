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
    origin_position_ = transaction.origin_position;
    global_id_ = transaction.global_id;
    transaction_ = transaction;
    transaction_.id = id_;
    transaction_.position = position_;
    transaction_.origin = origin_;
    transaction_.origin_position = origin_position_;
    transaction_.global_id = global_id_;
  }

  const Transaction& get() const { return transaction_; }
  // Its next event comes at `index`.
  void set_index(std::uint64_t index) { transaction_.event_index = index; }
  void set_count(std::uint64_t count) { transaction_.event_count = count; }

  std::size_t text_bytes() const {
    return id_.size() + position_.size() + origin_.size() + origin_position_.size() +
           global_id_.size();
  }

 private:
  std::string id_, position_, origin_, origin_position_, global_id_;
  Transaction transaction_;
};

}  // namespace tidelog
