// numeric as the server sends it in binary form, and its digits as the server prints them. For
// binary_value.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tidelog::postgres {

// One thread; borrows the bytes.
class BinaryNumeric {
 public:
  // False: no such value is ever sent.
  bool read(std::string_view bytes);
  // Of the text: exact, so that its size can be stored before it.
  std::size_t text_size() const;
  void print(std::string& out) const;

 private:
  unsigned group(std::int64_t index) const;
  bool hides_digits() const;

  std::string_view name_;  // of what is no number: "NaN"; empty: it is one
  std::string_view groups_;
  std::int64_t count_ = 0;
  std::int64_t weight_ = 0;  // how many groups before the point there are behind the first
  bool is_negative_ = false;
  std::int64_t scale_ = 0;  // digits behind the point
};

}  // namespace tidelog::postgres
