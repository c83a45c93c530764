#include "core/crc32c.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "tests/core/damage.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

// Straight from the definition: one bit at a time.
std::uint32_t crc32c_by_bit(std::string_view bytes) {
  std::uint32_t crc = 0xFFFF'FFFF;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F6'3B78U : 0U);
  }
  return ~crc;
}

TEST_CASE("crc32c: the vectors of RFC 3720, appendix B.4") {
  std::string rising;
  std::string falling;
  for (char i = 0; i < 32; ++i) {
    rising.push_back(i);
    falling.push_back(static_cast<char>(31 - i));
  }
  CHECK(crc32c(std::string(32, '\0')) == 0x8A91'36AA);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8'AB43);
  CHECK(crc32c(rising) == 0x46DD'794E);
  CHECK(crc32c(falling) == 0x113F'DB5C);
  CHECK(crc32c("123456789") == 0xE306'9283);
}

TEST_CASE("crc32c: of nothing it is 0") { CHECK(crc32c("") == 0); }

TEST_CASE("crc32c: at every length and alignment it is what the definition says") {
  std::mt19937_64 random(test_seed());
  const std::string bytes = random_bytes(random, 100);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; size < 80; ++size) {
      CAPTURE(from);
      CAPTURE(size);
      const std::string_view part = std::string_view(bytes).substr(from, size);
      CHECK(crc32c(part) == crc32c_by_bit(part));
    }
  }
}

TEST_CASE("crc32c: in two parts it is the same as in one") {
  std::mt19937_64 random(test_seed());
  const std::string bytes = random_bytes(random, 100);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    CAPTURE(size);
    const std::string_view all = bytes;
    CHECK(crc32c(all.substr(size), crc32c(all.substr(0, size))) == crc32c(all));
  }
}

}  // namespace
}  // namespace tidelog::testing
