#include "core/float_text.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "core/invariant.h"

namespace tidelog {
namespace {

template <class T>
constexpr int fixed_exponent_max =
    0;  // the largest power of ten that is printed without an exponent
template <>
constexpr int fixed_exponent_max<float> = 5;
template <>
constexpr int fixed_exponent_max<double> = 14;
constexpr int fixed_exponent_min = -4;

// odd * 2^exponent
struct Dyadic {
  std::uint64_t odd = 0;
  int exponent = 0;
  bool operator==(const Dyadic&) const = default;
};

Dyadic dyadic(std::uint64_t number, int exponent) {
  const int zeros = std::countr_zero(number);
  return {number >> zeros, exponent + zeros};
}

// digits * 10^exponent, when it is a dyadic number of at most 64 bits.
std::optional<Dyadic> exactly_dyadic(std::uint64_t digits, int exponent) {
  Dyadic number = dyadic(digits, exponent);
  for (int fives = exponent; fives > 0; --fives) {
    if (__builtin_mul_overflow(number.odd, 5, &number.odd)) return std::nullopt;
  }
  for (int fives = exponent; fives < 0; ++fives) {
    if (number.odd % 5 != 0) return std::nullopt;
    number.odd /= 5;
  }
  return number;
}

// A number just half way from `value`, finite and positive, to one of its neighbours.
template <class T>
bool is_half_way(const Dyadic& number, T value) {
  using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr int fraction_bits = std::numeric_limits<T>::digits - 1;
  const auto bits = std::bit_cast<BitsOf>(value);
  const auto biased = static_cast<int>(bits >> fraction_bits);
  const std::uint64_t fraction = bits & ((BitsOf{1} << fraction_bits) - 1);
  const std::uint64_t mantissa = fraction + (biased == 0 ? 0 : std::uint64_t{1} << fraction_bits);
  const int exponent =
      std::max(biased, 1) + std::numeric_limits<T>::min_exponent - 2 - fraction_bits;
  if (number == dyadic(2 * mantissa + 1, exponent - 1)) return true;
  // Below a power of two the neighbours are twice as near.
  if (fraction == 0 && biased > 1) return number == dyadic(4 * mantissa - 1, exponent - 2);
  return number == dyadic(2 * mantissa - 1, exponent - 1);
}

// d.ddde±xx, taken apart.
class Scientific {
 public:
  template <class T>
  void print(T value) {
    take(std::to_chars(raw_.data(), raw_.data() + raw_.size(), value,
                       std::chars_format::scientific));
  }
  template <class T>
  void print(T value, std::size_t digit_count) {
    take(std::to_chars(raw_.data(), raw_.data() + raw_.size(), value, std::chars_format::scientific,
                       static_cast<int>(digit_count) - 1));
  }

  std::string_view text() const { return text_; }
  std::string_view digits() const { return {digits_.data(), digit_count_}; }
  int exponent() const { return exponent_; }

  std::optional<Dyadic> as_dyadic() const {
    std::uint64_t number = 0;
    std::from_chars(digits_.data(), digits_.data() + digit_count_, number);
    return exactly_dyadic(number, exponent_ - static_cast<int>(digit_count_) + 1);
  }

 private:
  void take(std::to_chars_result printed) {
    INVARIANT(printed.ec == std::errc{}, "a float's digits fit their buffer");
    text_ = {raw_.data(), static_cast<std::size_t>(printed.ptr - raw_.data())};
    const std::size_t e = text_.find('e');
    digit_count_ = 0;
    for (const char c : text_.substr(0, e)) {
      if (c != '.') digits_[digit_count_++] = c;
    }
    const char* from = text_.data() + e + (text_[e + 1] == '+' ? 2 : 1);
    std::from_chars(from, printed.ptr, exponent_);
  }

  std::array<char, 48> raw_;
  std::array<char, 48> digits_;
  std::size_t digit_count_ = 0;
  std::string_view text_;
  int exponent_ = 0;
};

void append_fixed(std::string& out, std::string_view digits, int exponent) {
  if (exponent < 0) {
    out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    return;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out.append(digits).append(whole - digits.size(), '0');
    return;
  }
  out.append(digits.substr(0, whole)).append(".").append(digits.substr(whole));
}

template <class T>
void print_positive(std::string& out, T value) {
  Scientific printed;
  printed.print(value);
  // Postgres does not take digits that are just half way to a neighbour, though they would read
  // back: 1e23 is printed as 9.999999999999999e+22.
  for (std::size_t count = printed.digits().size() + 1;
       count <= std::numeric_limits<T>::max_digits10; ++count) {
    const auto number = printed.as_dyadic();
    if (!number || !is_half_way(*number, value)) break;
    printed.print(value, count);
  }
  if (printed.exponent() >= fixed_exponent_min && printed.exponent() <= fixed_exponent_max<T>) {
    append_fixed(out, printed.digits(), printed.exponent());
  } else {
    out.append(printed.text());
  }
}

template <class T>
void print_any(std::string& out, T value) {
  if (std::isnan(value)) {
    out.append("NaN");
    return;
  }
  if (std::signbit(value)) out.push_back('-');
  const T magnitude = std::fabs(value);
  if (std::isinf(magnitude)) {
    out.append("Infinity");
  } else if (magnitude == 0) {
    out.push_back('0');
  } else {
    print_positive(out, magnitude);
  }
}

}  // namespace

void print_float(std::string& out, float value) { print_any(out, value); }

void print_float(std::string& out, double value) { print_any(out, value); }

}  // namespace tidelog
