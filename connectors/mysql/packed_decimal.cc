#include "connectors/mysql/packed_decimal.h"

#include <array>

namespace tidelog::mysql {

namespace {

constexpr unsigned digits_per_group = 9;
constexpr unsigned group_bytes = 4;
constexpr unsigned precision_max = 65;
// Of the digits that are left over.
constexpr std::array<unsigned, digits_per_group> bytes_of_digits = {0, 1, 1, 2, 2, 3, 3, 4, 4};
constexpr std::array<std::uint32_t, digits_per_group + 1> powers_of_ten = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

// Takes groups of digits off the packed bytes, and writes them down.
class Unpacking {
 public:
  Unpacking(std::string_view packed, bool is_negative)
      : packed_(packed), inverted_(is_negative ? 0xFF : 0) {}

  void group(unsigned digits) {
    const unsigned bytes = digits == digits_per_group ? group_bytes : bytes_of_digits[digits];
    std::uint32_t number = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      unsigned byte = static_cast<std::uint8_t>(packed_[at_]) ^ inverted_;
      if (at_++ == 0) byte ^= 0x80;
      number = number << 8 | byte;
    }
    if (number >= powers_of_ten[digits]) is_possible_ = false;
    for (unsigned i = digits; i > 0; --i, number /= 10) {
      text_[size_ + i - 1] = static_cast<char>('0' + number % 10);
    }
    size_ += digits;
  }

  void character(char c) { text_[size_++] = c; }
  std::string_view text() const { return {text_.data(), size_}; }
  bool is_possible() const { return is_possible_; }

 private:
  std::string_view packed_;
  unsigned inverted_;
  std::size_t at_ = 0;
  std::array<char, decimal_text_bytes_max + digits_per_group> text_;
  std::size_t size_ = 0;
  bool is_possible_ = true;
};

std::size_t packed_bytes(unsigned digits) {
  return digits / digits_per_group * group_bytes + bytes_of_digits[digits % digits_per_group];
}

}  // namespace

void append_packed_decimal(std::string& out, ByteReader& in, unsigned precision, unsigned scale) {
  if (precision == 0 || precision > precision_max || scale > precision) return in.fail();
  const unsigned whole = precision - scale;
  const std::string_view packed = in.bytes(packed_bytes(whole) + packed_bytes(scale));
  if (in.failed()) return;
  const bool is_negative = (static_cast<std::uint8_t>(packed.front()) & 0x80) == 0;
  Unpacking digits(packed, is_negative);
  digits.group(whole % digits_per_group);
  for (unsigned i = 0; i < whole / digits_per_group; ++i) digits.group(digits_per_group);
  const std::size_t whole_end = digits.text().size();
  if (scale > 0) digits.character('.');
  for (unsigned i = 0; i < scale / digits_per_group; ++i) digits.group(digits_per_group);
  digits.group(scale % digits_per_group);
  if (!digits.is_possible()) return in.fail();
  const std::string_view text = digits.text();
  std::size_t first = 0;
  while (first < whole_end && text[first] == '0') ++first;
  if (is_negative) out.push_back('-');
  if (first == whole_end) out.push_back('0');
  out.append(text.substr(first));
}

}  // namespace tidelog::mysql
