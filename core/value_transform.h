// ValueTransform: what the configuration has made of a column's values before they are stored. It
// works on a value's text, as the database prints it, so that it does not matter by which way the
// value came. Connectors apply it before a value is encoded, held or written anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/keyed_hash.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// A hash that can be undone by trying is none: shorter keys are refused.
inline constexpr std::size_t transform_key_bytes_min = 16;

// One thread.
class ValueTransform {
 public:
  // Every value becomes `with`; without one, a * for each of its characters.
  static ValueTransform mask(std::optional<std::string> with);
  // HMAC-SHA-256 in lower-case hexadecimal: equal values stay equal.
  static Result<ValueTransform> hash(std::string_view key);
  // The first characters of it. A UTF-8 character is never cut.
  static ValueTransform shorten(std::uint64_t characters);

  Transform kind() const { return kind_; }
  const std::string& detail() const { return detail_; }  // Column::transform_detail

  const std::string& key() const { return key_; }  // of a hash

  // Appends what becomes of the value.
  Status put(std::string& out, std::string_view text);

 private:
  ValueTransform(Transform kind, std::string detail) : kind_(kind), detail_(std::move(detail)) {}

  Transform kind_;
  std::string detail_;
  std::uint64_t characters_ = 0;
  std::string key_;
  std::optional<KeyedHash> hash_;
};

// UTF-8: how many characters, and how many bytes the first `characters` of them have. Bytes that
// are no UTF-8 are not taken apart.
std::uint64_t count_characters(std::string_view text);
std::size_t bytes_of_characters(std::string_view text, std::uint64_t characters);

// Whether equal values of both columns are stored as equal ones, as far as transforms go.
bool is_stored_alike(const Column& before, const Column& next);

// Whether the configuration says anything of the table's columns.
bool has_transforms(const Schema& schema);

// Tells keys apart, and tells nothing of them.
Result<std::string> key_fingerprint(std::string_view key);

}  // namespace tidelog
