// TextReader: takes a printed value apart from its front. For value_text.cc and clock.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/calendar.h"

namespace tidelog {

// One thread; borrows the text. Each call says whether what it expects was there, and only then
// takes it.
class TextReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool next_is(char c) const { return !text_.empty() && text_.front() == c; }

  bool take(char c) {
    if (!next_is(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool take(std::string_view literal) {
    if (!text_.starts_with(literal)) return false;
    text_.remove_prefix(literal.size());
    return true;
  }

  // Exactly `count` digits, of a number that is at most `limit`.
  bool digits(std::size_t count, unsigned limit, unsigned& number) {
    if (text_.size() < count) return false;
    unsigned value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto digit = static_cast<unsigned>(text_[i]) - '0';
      if (digit > 9) return false;
      value = value * 10 + digit;
    }
    if (value > limit) return false;
    text_.remove_prefix(count);
    number = value;
    return true;
  }

  // At least `count_min` digits and at most 18; zeros in front only to reach `count_min`.
  bool padded_number(std::size_t count_min, std::int64_t& number) {
    std::int64_t value = 0;
    std::size_t count = 0;
    for (; count < text_.size(); ++count) {
      const auto digit = static_cast<unsigned>(text_[count]) - '0';
      if (digit > 9) break;
      if (count == 18) return false;
      value = value * 10 + static_cast<std::int64_t>(digit);
    }
    if (count < count_min || (count > count_min && text_.front() == '0')) return false;
    text_.remove_prefix(count);
    number = value;
    return true;
  }

  // Nothing, or a point and one to six digits, which are added to `micros`.
  bool fraction(std::int64_t& micros) {
    if (!take('.')) return true;
    std::int64_t unit = micros_per_second / 10;
    std::size_t count = 0;
    for (; count < text_.size() && count < 6; ++count, unit /= 10) {
      const auto digit = static_cast<unsigned>(text_[count]) - '0';
      if (digit > 9) break;
      micros += static_cast<std::int64_t>(digit) * unit;
    }
    text_.remove_prefix(count);
    return count > 0;
  }

 private:
  std::string_view text_;
};

}  // namespace tidelog
