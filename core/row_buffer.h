// RowBuffer: a row in its stored form (value_codec.h), put together value by value, in memory that
// is used again for the next one. For those who decode rows off the wire.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// Empties it, and keeps what a usual row takes for the next one.
void empty_for_next(std::string& bytes);

// One thread.
class RowBuffer {
 public:
  void begin(std::size_t columns);
  // Where the next column's value is appended, which end_value() ends.
  std::string& bytes() { return bytes_; }
  void end_value() { ends_.push_back(bytes_.size()); }

  std::string_view row() const { return bytes_; }
  std::string_view value(std::size_t column) const;
  bool is_unchanged(std::size_t column) const;

  // The values of the key columns, one after the other; a view into the row where they stand
  // together. Otherwise the first key column that is unchanged.
  tl::expected<std::string_view, std::size_t> key(const Schema& schema);

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;  // of each column's value in bytes_
  std::string key_;
};

}  // namespace tidelog
