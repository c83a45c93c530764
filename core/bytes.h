// Reading and writing of bytes. ByteReader checks bounds once for all: after the first short read
// every read gives zero, and only finish() yields a value. Writers append to a std::string, so that
// a buffer is reused.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/result.h"

namespace tidelog {

static_assert(std::endian::native == std::endian::little, "little-endian machines only");

template <class T>
T byte_swapped(T value) {
  static_assert(std::is_integral_v<T>);
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

inline constexpr std::size_t varint_bytes_max = 10;

// One thread; borrows the bytes.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  // Little-endian, big-endian.
  template <class T>
  T le() {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    const std::string_view raw = bytes(sizeof(T));
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  template <class T>
  T be() {
    return byte_swapped(le<T>());
  }

  // LEB128, at most 10 bytes. Longer than the value needs is refused: each value has one form.
  std::uint64_t varint() {
    const auto first = bytes_.empty() ? 0xFFU : static_cast<unsigned char>(bytes_.front());
    if (first < 0x80) [[likely]] {
      bytes_.remove_prefix(1);
      return first;
    }
    return longer_varint();
  }

  std::int64_t zigzag_varint() { return unzigzag(varint()); }

  // The next n bytes; empty when there are fewer.
  std::string_view bytes(std::uint64_t n) {
    if (failed_ || n > bytes_.size()) {
      fail();
      return {};
    }
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(n));
    bytes_.remove_prefix(static_cast<std::size_t>(n));
    return taken;
  }

  // varint length | bytes
  std::string_view sized() { return bytes(varint()); }

  // Bytes up to a zero byte, which is consumed.
  std::string_view cstr() {
    const std::size_t end = bytes_.find('\0');
    if (end == std::string_view::npos) {
      fail();
      return {};
    }
    const std::string_view taken = bytes(end);
    bytes(1);
    return taken;
  }

  // A count of items of at least item_bytes_min bytes each: bounded by the bytes that are left.
  template <class T>
  std::size_t count(std::size_t item_bytes_min) {
    return bounded(be<T>(), item_bytes_min);
  }

  std::size_t varint_count(std::size_t item_bytes_min) { return bounded(varint(), item_bytes_min); }

  std::string_view rest() { return bytes(bytes_.size()); }
  std::size_t remaining() const { return bytes_.size(); }
  const char* at() const { return bytes_.data(); }

  void fail() {
    failed_ = true;
    bytes_ = {};
  }
  bool failed() const { return failed_; }

  // The value, if every read was within bounds and nothing is left over.
  template <class T>
  Result<std::decay_t<T>> finish(T&& value, std::string_view what) {
    if (failed_)
      return ::tidelog::fail(Code::corrupt, std::string(what) + ": shorter than its content says");
    if (!bytes_.empty()) {
      return ::tidelog::fail(Code::corrupt, std::string(what) + ": " +
                                                std::to_string(bytes_.size()) + " bytes too many");
    }
    return std::forward<T>(value);
  }

 private:
  std::uint64_t longer_varint() {
    std::uint64_t value = 0;
    const std::size_t count = std::min(bytes_.size(), varint_bytes_max);
    for (std::size_t i = 0; i < count; ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[i]);
      value |= std::uint64_t{byte & 0x7FU} << (7 * i);
      if (byte >= 0x80) continue;
      const bool adds_nothing = byte == 0;
      const bool is_beyond_64_bits = i == varint_bytes_max - 1 && byte > 1;
      if (adds_nothing || is_beyond_64_bits) break;
      bytes_.remove_prefix(i + 1);
      return value;
    }
    fail();
    return 0;
  }

  std::size_t bounded(std::uint64_t n, std::size_t item_bytes_min) {
    if (failed_ || n > bytes_.size() / item_bytes_min) {
      fail();
      return 0;
    }
    return static_cast<std::size_t>(n);
  }

  std::string_view bytes_;
  bool failed_ = false;
};

template <class T>
void put_le(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.append(raw, sizeof(T));
}

template <class T>
void put_be(std::string& out, T value) {
  put_le(out, byte_swapped(value));
}

// Overwrites bytes that were appended before, at `offset`.
template <class T>
void patch_le(std::string& out, std::size_t offset, T value) {
  std::memcpy(out.data() + offset, &value, sizeof(T));
}

inline void put_varint(std::string& out, std::uint64_t value) {
  char raw[varint_bytes_max];
  std::size_t n = 0;
  for (; value >= 0x80; value >>= 7) raw[n++] = static_cast<char>(value | 0x80);
  raw[n++] = static_cast<char>(value);
  out.append(raw, n);
}

inline void put_zigzag(std::string& out, std::int64_t value) { put_varint(out, zigzag(value)); }

inline void put_sized(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}

}  // namespace tidelog
