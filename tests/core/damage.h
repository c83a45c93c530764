// Ways to damage bytes: each prefix, each bit flipped, random bytes. For the tests of decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace tidelog::testing {

// Calls `check` with each proper prefix. A prefix has memory of its own, so that a sanitizer sees a
// read behind it.
template <class Check>
void for_each_prefix(std::string_view bytes, Check check) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const std::unique_ptr<char[]> copy(new char[size]);
    bytes.copy(copy.get(), size);
    check(std::string_view(copy.get(), size));
  }
}

template <class Check>
void for_each_flipped_bit(std::string_view bytes, Check check) {
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string flipped(bytes);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    check(std::string_view(flipped));
  }
}

inline std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace tidelog::testing
