#include "core/keyed_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <climits>

namespace tidelog {

namespace {

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::string_view sealing_purpose = "tidelog sealed text";

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

tl::unexpected<Error> refused(std::string_view what) {
  return fail(Code::failed, std::string(what) + ": OpenSSL refused");
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

Result<KeyedHash::Digest> sealing_key(std::string_view key) {
  TRY(KeyedHash hash, KeyedHash::open(key));
  return hash.of(sealing_purpose);
}

}  // namespace

void KeyedHash::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

KeyedHash::KeyedHash(const KeyedHash& other)
    : context_(other.context_ ? EVP_MAC_CTX_dup(other.context_.get()) : nullptr) {}

KeyedHash& KeyedHash::operator=(const KeyedHash& other) {
  if (this != &other) *this = KeyedHash(other);
  return *this;
}

Result<KeyedHash> KeyedHash::open(std::string_view key) {
  EVP_MAC* const mac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  if (mac == nullptr) return refused("HMAC");
  KeyedHash hash(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  if (!hash.context_ ||
      EVP_MAC_init(hash.context_.get(), bytes_of(key), key.size(), parameters) != 1) {
    return refused("HMAC-SHA-256");
  }
  return hash;
}

// Without a key it begins again with the one that it has.
Result<KeyedHash::Digest> KeyedHash::of(std::string_view text) {
  Digest digest{};
  std::size_t written = 0;
  if (!context_ || EVP_MAC_init(context_.get(), nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update(context_.get(), bytes_of(text), text.size()) != 1 ||
      EVP_MAC_final(context_.get(), digest.data(), &written, digest.size()) != 1 ||
      written != size) {
    return refused("HMAC-SHA-256");
  }
  return digest;
}

void put_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(digits[byte >> 4U]);
    out.push_back(digits[byte & 15U]);
  }
}

Result<std::string> seal(std::string_view key, std::string_view text) {
  if (text.size() > INT_MAX) return refused("a text that is too large to seal");
  TRY(const KeyedHash::Digest derived, sealing_key(key));
  std::string out(nonce_bytes + text.size() + tag_bytes, '\0');
  unsigned char* const at = bytes_of(out);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  int rest = 0;
  if (!cipher || RAND_bytes(at, nonce_bytes) != 1 ||
      EVP_EncryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), derived.data(), at, nullptr) != 1 ||
      EVP_EncryptUpdate(cipher.get(), at + nonce_bytes, &written, bytes_of(text),
                        static_cast<int>(text.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), at + nonce_bytes + written, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes,
                          at + nonce_bytes + text.size()) != 1) {
    return refused("AES-256-GCM");
  }
  return out;
}

Result<std::string> open_sealed(std::string_view key, std::string_view sealed) {
  const auto not_ours = [] {
    return fail(Code::misconfigured, "a sealed text was not made with this key");
  };
  if (sealed.size() < nonce_bytes + tag_bytes || sealed.size() > INT_MAX) return not_ours();
  TRY(const KeyedHash::Digest derived, sealing_key(key));
  const std::string_view text = sealed.substr(nonce_bytes, sealed.size() - nonce_bytes - tag_bytes);
  std::string tag(sealed.substr(sealed.size() - tag_bytes));
  std::string out(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  int rest = 0;
  if (!cipher ||
      EVP_DecryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), derived.data(), bytes_of(sealed),
                          nullptr) != 1 ||
      EVP_DecryptUpdate(cipher.get(), bytes_of(out), &written, bytes_of(text),
                        static_cast<int>(text.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag.data()) != 1) {
    return refused("AES-256-GCM");
  }
  if (EVP_DecryptFinal_ex(cipher.get(), bytes_of(out) + written, &rest) != 1) return not_ours();
  return out;
}

}  // namespace tidelog
