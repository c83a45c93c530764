#include "connectors/postgres/binary_text.h"

#include <array>
#include <charconv>
#include <cstdint>

#include "core/bytes.h"

namespace tidelog::postgres {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

// Of the server's own numbers, not those of the operating system.
constexpr std::uint8_t family_4 = 2;
constexpr std::uint8_t family_6 = 3;
constexpr std::size_t bytes_4 = 4;
constexpr std::size_t bytes_6 = 16;
constexpr std::size_t words_6 = 8;

std::uint8_t byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<std::uint8_t>(bytes[index]);
}

void print_number(std::string& out, unsigned number, int base = 10) {
  char digits[10];
  const auto printed = std::to_chars(std::begin(digits), std::end(digits), number, base);
  out.append(digits, printed.ptr);
}

void print_address_4(std::string& out, std::string_view address) {
  for (std::size_t i = 0; i < bytes_4; ++i) {
    if (i > 0) out.push_back('.');
    print_number(out, byte_at(address, i));
  }
}

// Where words are zero: the longest such place, the first of several.
struct Zeros {
  std::size_t first = 0;
  std::size_t count = 0;
};

Zeros longest_zeros(const std::array<unsigned, words_6>& words) {
  Zeros longest;
  for (std::size_t i = 0; i < words.size();) {
    Zeros here{i, 0};
    while (i < words.size() && words[i] == 0) ++i;
    here.count = i - here.first;
    if (here.count > longest.count) longest = here;
    if (here.count == 0) ++i;
  }
  if (longest.count < 2) longest.count = 0;
  return longest;
}

// ::a.b.c.d and ::ffff:a.b.c.d
bool ends_in_address_4(const Zeros& zeros, const std::array<unsigned, words_6>& words) {
  return zeros.first == 0 && (zeros.count == 6 || (zeros.count == 5 && words[5] == 0xFFFF));
}

void print_address_6(std::string& out, std::string_view address) {
  std::array<unsigned, words_6> words{};
  ByteReader in(address);
  for (unsigned& word : words) word = in.be<std::uint16_t>();
  const Zeros zeros = longest_zeros(words);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i >= zeros.first && i < zeros.first + zeros.count) {
      if (i == zeros.first) out.push_back(':');
      continue;
    }
    if (i > 0) out.push_back(':');
    if (i == 6 && ends_in_address_4(zeros, words)) {
      print_address_4(out, address.substr(12));
      return;
    }
    print_number(out, words[i], 16);
  }
  if (zeros.count > 0 && zeros.first + zeros.count == words.size()) out.push_back(':');
}

}  // namespace

// u8; what is no ASCII is printed as \ooo, and a zero as nothing.
bool print_character(std::string& out, std::string_view bytes) {
  if (bytes.size() != 1) return false;
  const unsigned byte = byte_at(bytes, 0);
  if (byte >= 0x80) {
    out.push_back('\\');
    for (const unsigned shift : {6U, 3U, 0U})
      out.push_back(static_cast<char>('0' + (byte >> shift & 7)));
  } else if (byte != 0) {
    out.push_back(static_cast<char>(byte));
  }
  return true;
}

// u8 family | u8 bits of the net | u8 cidr (1) | u8 size | address
bool print_network(std::string& out, std::string_view bytes) {
  ByteReader in(bytes);
  const auto family = in.be<std::uint8_t>();
  const auto bits = in.be<std::uint8_t>();
  const auto is_cidr = in.be<std::uint8_t>();
  const std::string_view address = in.bytes(in.be<std::uint8_t>());
  const std::size_t size = family == family_4 ? bytes_4 : bytes_6;
  if (in.failed() || in.remaining() != 0 || (family != family_4 && family != family_6))
    return false;
  if (address.size() != size || bits > size * 8 || is_cidr > 1) return false;
  if (family == family_4) {
    print_address_4(out, address);
  } else {
    print_address_6(out, address);
  }
  if (bits < size * 8 || is_cidr != 0) {
    out.push_back('/');
    print_number(out, bits);
  }
  return true;
}

bool print_mac(std::string& out, std::string_view bytes, std::size_t size) {
  if (bytes.size() != size) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0) out.push_back(':');
    out.push_back(hex_digits[byte_at(bytes, i) >> 4]);
    out.push_back(hex_digits[byte_at(bytes, i) & 15]);
  }
  return true;
}

}  // namespace tidelog::postgres
