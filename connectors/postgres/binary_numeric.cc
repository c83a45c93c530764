#include "connectors/postgres/binary_numeric.h"

#include <algorithm>

#include "core/bytes.h"

namespace tidelog::postgres {

namespace {

constexpr std::int64_t digits_per_group = 4;
constexpr unsigned group_limit = 10'000;
constexpr std::uint16_t scale_max = 0x3FFF;

constexpr std::uint16_t positive = 0x0000;
constexpr std::uint16_t negative = 0x4000;
constexpr std::uint16_t not_a_number = 0xC000;
constexpr std::uint16_t infinity = 0xD000;
constexpr std::uint16_t minus_infinity = 0xF000;

constexpr unsigned powers[] = {1, 10, 100, 1'000, 10'000};

std::int64_t digits_of(unsigned group) {
  return group >= 1'000 ? 4 : group >= 100 ? 3 : group >= 10 ? 2 : 1;
}

// The first digits of a group of four, at `out`; gives what is behind them.
char* print_digits(char* out, unsigned group, std::int64_t count) {
  group /= powers[digits_per_group - count];
  for (std::int64_t i = count; i-- > 0; group /= 10) out[i] = static_cast<char>('0' + group % 10);
  return out + count;
}

}  // namespace

// u16 count | i16 weight of the first group | u16 sign | u16 scale | count * u16 group
bool BinaryNumeric::read(std::string_view bytes) {
  ByteReader in(bytes);
  count_ = in.be<std::uint16_t>();
  weight_ = in.be<std::int16_t>();
  const auto sign = in.be<std::uint16_t>();
  const auto scale = in.be<std::uint16_t>();
  groups_ = in.rest();
  name_ = {};
  if (in.failed() || groups_.size() != static_cast<std::size_t>(count_) * sizeof(std::uint16_t))
    return false;
  if (sign == not_a_number || sign == infinity || sign == minus_infinity) {
    name_ = sign == not_a_number ? "NaN" : sign == infinity ? "Infinity" : "-Infinity";
    return count_ == 0;
  }
  if ((sign != positive && sign != negative) || scale > scale_max) return false;
  is_negative_ = sign == negative;
  scale_ = scale;
  for (std::int64_t i = 0; i < count_; ++i) {
    if (group(i) >= group_limit) return false;
  }
  return !hides_digits();
}

// Zero before the first and behind the last.
unsigned BinaryNumeric::group(std::int64_t index) const {
  if (index < 0 || index >= count_) return 0;
  const auto at = static_cast<std::size_t>(index) * sizeof(std::uint16_t);
  return static_cast<unsigned>(static_cast<std::uint8_t>(groups_[at])) << 8 |
         static_cast<std::uint8_t>(groups_[at + 1]);
}

// Digits behind the scale, which are not printed: the server cuts them off before it stores them.
bool BinaryNumeric::hides_digits() const {
  const std::int64_t first = weight_ + 1 + scale_ / digits_per_group;
  const std::int64_t shown = scale_ % digits_per_group;
  if (group(first) % powers[digits_per_group - shown] != 0) return true;
  for (std::int64_t i = std::max<std::int64_t>(first + 1, 0); i < count_; ++i) {
    if (group(i) != 0) return true;
  }
  return false;
}

std::size_t BinaryNumeric::text_size() const {
  if (!name_.empty()) return name_.size();
  const std::int64_t whole = weight_ < 0 ? 1 : digits_of(group(0)) + weight_ * digits_per_group;
  const std::int64_t fraction = scale_ == 0 ? 0 : 1 + scale_;
  return static_cast<std::size_t>((is_negative_ ? 1 : 0) + whole + fraction);
}

void BinaryNumeric::print(std::string& out) const {
  if (!name_.empty()) {
    out.append(name_);
    return;
  }
  const std::size_t size_before = out.size();
  out.resize(size_before + text_size());
  char* at = out.data() + size_before;
  if (is_negative_) *at++ = '-';
  const unsigned first = weight_ < 0 ? 0 : group(0);
  const std::int64_t count = digits_of(first);
  at = print_digits(at, first * powers[digits_per_group - count], count);
  for (std::int64_t i = 1; i <= weight_; ++i) at = print_digits(at, group(i), digits_per_group);
  if (scale_ == 0) return;
  *at++ = '.';
  std::int64_t index = weight_ + 1;
  for (std::int64_t left = scale_; left > 0; left -= digits_per_group)
    at = print_digits(at, group(index++), std::min(left, digits_per_group));
}

}  // namespace tidelog::postgres
