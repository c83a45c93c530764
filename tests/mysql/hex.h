// Bytes as hexadecimal digits, for the golden events of the tests.
#pragma once

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tidelog::testing {

inline std::string from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) throw std::invalid_argument("an odd number of digits");
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = digits.data() + i + 2;
    if (std::from_chars(digits.data() + i, end, byte, 16).ptr != end)
      throw std::invalid_argument("no hexadecimal digits");
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace tidelog::testing
