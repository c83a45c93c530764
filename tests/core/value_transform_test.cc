#include "core/value_transform.h"

#include <doctest/doctest.h>

#include "core/keyed_hash.h"

namespace tidelog::testing {
namespace {

constexpr std::string_view key = "a key of more than 16 bytes";

std::string made(ValueTransform transform, std::string_view text) {
  std::string out = "before ";
  REQUIRE(transform.put(out, text));
  REQUIRE(out.starts_with("before "));
  return out.substr(7);
}

ValueTransform hash_with(std::string_view with) {
  auto transform = ValueTransform::hash(with);
  REQUIRE(transform);
  return *std::move(transform);
}

TEST_CASE("mask: a fixed text, or a star for each character whatever its bytes") {
  CHECK(made(ValueTransform::mask("none"), "4711") == "none");
  CHECK(made(ValueTransform::mask("none"), "") == "none");
  CHECK(made(ValueTransform::mask({}), "4711") == "****");
  CHECK(made(ValueTransform::mask({}), "Zoë 火") == "*****");
  CHECK(made(ValueTransform::mask({}), "").empty());
}

TEST_CASE("shorten: the first characters, none of them cut") {
  CHECK(made(ValueTransform::shorten(3), "abcd") == "abc");
  CHECK(made(ValueTransform::shorten(4), "abcd") == "abcd");
  CHECK(made(ValueTransform::shorten(9), "abcd") == "abcd");
  CHECK(made(ValueTransform::shorten(2), "火曜日") == "火曜");
  CHECK(made(ValueTransform::shorten(3), "Zoë!") == "Zoë");
  CHECK(made(ValueTransform::shorten(1), "😀😀") == "😀");
  CHECK(made(ValueTransform::shorten(1), "").empty());
}

TEST_CASE("hash: HMAC-SHA-256 in hexadecimal, as RFC 4231 has it") {
  // Test case 4: a key of 25 bytes, and data of 50 times 0xcd.
  std::string counted;
  for (char c = 1; c <= 25; ++c) counted.push_back(c);
  CHECK(made(hash_with(counted), std::string(50, '\xcd')) ==
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

TEST_CASE("hash: equal values stay equal, other values and other keys differ") {
  const ValueTransform one = hash_with(key);
  const ValueTransform again = hash_with(key);
  const ValueTransform other = hash_with("another key of 16 bytes");
  CHECK(made(one, "a@b.c") == made(one, "a@b.c"));
  CHECK(made(one, "a@b.c") == made(again, "a@b.c"));
  CHECK(made(one, "a@b.c") != made(one, "A@b.c"));
  CHECK(made(one, "a@b.c") != made(other, "a@b.c"));
  CHECK(one.detail() == again.detail());
  CHECK(one.detail() != other.detail());
  CHECK(one.detail().size() == 16);
}

TEST_CASE("hash: a short key is refused, without printing it") {
  const auto refused = ValueTransform::hash("geheim");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::misconfigured);
  CHECK(refused.error().what.find("geheim") == std::string::npos);
}

TEST_CASE("sealed text: it opens with its key alone, and only as it was sealed") {
  for (const std::string& text : {std::string(), std::string("k1"), std::string(1000, 'x')}) {
    const auto sealed = seal(key, text);
    REQUIRE(sealed);
    CHECK((text.empty() || sealed->find(text) == std::string::npos));
    CHECK(*seal(key, text) != *sealed);
    const auto opened = open_sealed(key, *sealed);
    REQUIRE(opened);
    CHECK(*opened == text);
    CHECK_FALSE(open_sealed("another key of 16 bytes", *sealed));
    for (std::size_t at = 0; at < sealed->size(); at += 7) {
      std::string damaged = *sealed;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      CHECK_FALSE(open_sealed(key, damaged));
      CHECK_FALSE(open_sealed(key, sealed->substr(0, at)));
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
