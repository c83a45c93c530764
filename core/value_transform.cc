#include "core/value_transform.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"

namespace tidelog {

namespace {

constexpr std::size_t fingerprint_bytes = 8;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

std::string_view view(const KeyedHash::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

std::uint64_t count_characters(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count_if(text, begins_character));
}

std::size_t bytes_of_characters(std::string_view text, std::uint64_t characters) {
  if (text.size() <= characters) return text.size();
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (begins_character(text[at]) && characters-- == 0) return at;
  }
  return text.size();
}

Result<std::string> key_fingerprint(std::string_view key) {
  TRY(KeyedHash hash, KeyedHash::open(key));
  TRY(const KeyedHash::Digest digest, hash.of("tidelog transform key"));
  std::string out;
  put_hex(out, view(digest).substr(0, fingerprint_bytes));
  return out;
}

ValueTransform ValueTransform::mask(std::optional<std::string> with) {
  return {Transform::masked, std::move(with).value_or(std::string())};
}

ValueTransform ValueTransform::shorten(std::uint64_t characters) {
  ValueTransform transform(Transform::shortened, std::to_string(characters));
  transform.characters_ = characters;
  return transform;
}

Result<ValueTransform> ValueTransform::hash(std::string_view key) {
  if (key.size() < transform_key_bytes_min) {
    return fail(Code::misconfigured,
                fmt::format("the key of a hash has {} bytes, and needs {}: make one with "
                            "`openssl rand -hex 32`",
                            key.size(), transform_key_bytes_min));
  }
  TRY(std::string fingerprint, key_fingerprint(key));
  ValueTransform transform(Transform::hashed, std::move(fingerprint));
  TRY(transform.hash_, KeyedHash::open(key));
  transform.key_ = key;
  return transform;
}

Status ValueTransform::put(std::string& out, std::string_view text) {
  switch (kind_) {
    case Transform::none:
    case Transform::kept:
      break;
    case Transform::masked:
      if (detail_.empty()) {
        out.append(count_characters(text), '*');
      } else {
        out.append(detail_);
      }
      return {};
    case Transform::hashed: {
      TRY(const KeyedHash::Digest digest, hash_->of(text));
      put_hex(out, view(digest));
      return {};
    }
    case Transform::shortened:
      out.append(text.substr(0, bytes_of_characters(text, characters_)));
      return {};
  }
  INVARIANT(false, "a transform changes values");
  return {};
}

bool is_stored_alike(const Column& before, const Column& next) {
  if (!changes_values(before.transform) && !changes_values(next.transform)) return true;
  return before.transform == next.transform && before.transform_detail == next.transform_detail;
}

bool has_transforms(const Schema& schema) {
  return !schema.left_out.empty() || std::ranges::any_of(schema.columns, [](const Column& column) {
    return column.transform != Transform::none;
  });
}

}  // namespace tidelog
