// Keyed hashes and sealed texts, over OpenSSL: the only file that sees it. For values that the
// configuration wants hashed, and for what must be read again by us and by nobody who lacks the
// key.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

struct evp_mac_ctx_st;

namespace tidelog {

// HMAC-SHA-256 under one key. One thread; a copy is another thread's.
class KeyedHash {
 public:
  static constexpr std::size_t size = 32;
  using Digest = std::array<unsigned char, size>;

  static Result<KeyedHash> open(std::string_view key);
  KeyedHash(const KeyedHash& other);
  KeyedHash& operator=(const KeyedHash& other);
  KeyedHash(KeyedHash&&) = default;
  KeyedHash& operator=(KeyedHash&&) = default;
  ~KeyedHash() = default;

  // Allocates nothing.
  Result<Digest> of(std::string_view text);

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const;
  };
  explicit KeyedHash(evp_mac_ctx_st* context) : context_(context) {}
  std::unique_ptr<evp_mac_ctx_st, Free> context_;  // null: it could not be copied
};

void put_hex(std::string& out, std::string_view bytes);

// Encrypted and authenticated (AES-256-GCM, a new nonce each time) under a key that is derived from
// `key`: nonce (12 bytes) | ciphertext | tag (16 bytes).
Result<std::string> seal(std::string_view key, std::string_view text);
// Code::misconfigured when it was sealed with another key, or is none.
Result<std::string> open_sealed(std::string_view key, std::string_view sealed);

}  // namespace tidelog
