// StoredRow: one row of a folded table, as state snapshots hold it on disk (state_file.h) and the
// folds of projections/ in memory; and the order of rows by their keys.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "core/ids.h"

namespace tidelog {

// Borrowed from whatever holds it, until that changes.
struct StoredRow {
  std::string_view key;  // without a key: the row's bytes, and `row` is empty
  std::string_view row;
  SchemaId schema{};    // that the row was stored with
  Position position{};  // of its last change
  Revision revision{};
  std::uint32_t copies = 1;  // equal rows of a table without a key
};

// Keys in the order that people expect of the first column: by number when it is an int64 (other
// keys count as 0), then by bytes.
class KeyOrder {
 public:
  explicit KeyOrder(std::string_view key);
  friend std::strong_ordering operator<=>(const KeyOrder& a, const KeyOrder& b) {
    if (const auto by_number = a.number_ <=> b.number_; by_number != 0) return by_number;
    return a.key_.compare(b.key_) <=> 0;
  }
  friend bool operator==(const KeyOrder& a, const KeyOrder& b) { return a.key_ == b.key_; }

 private:
  std::int64_t number_;
  std::string_view key_;
};

}  // namespace tidelog
