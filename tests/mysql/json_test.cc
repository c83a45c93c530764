// JSON documents and their differences, from bytes. What servers write is in the golden values;
// here is what only bytes of one's own can show.
#include <doctest/doctest.h>

#include "connectors/mysql/json_binary.h"
#include "connectors/mysql/json_diff.h"
#include "core/bytes.h"
#include "tests/core/damage.h"
#include "tests/mysql/hex.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

std::string text_of(std::string_view document) {
  std::string text;
  const auto done = append_json_text(text, document);
  if (done) return text;
  CHECK(text.empty());
  CHECK(done.error().code == Code::corrupt);
  return "(" + done.error().what + ")";
}

constexpr std::string_view no_document = "(bytes that are no JSON document)";

std::string scalar(std::uint8_t type, const auto& number) {
  std::string out(1, static_cast<char>(type));
  put_le(out, number);
  return out;
}

// {"a": [1, -2], "bb": "x"} as the server writes it. A small object of 2 members and 33 bytes;
// where the names are and how long; an array, and where; a string, and where; the names; the array
// of 2 elements and 10 bytes, both inlined; the string.
std::string small_document() {
  return from_hex("000200210012000100130002000215000c1f0061626202000a0005010005feff0178");
}

TEST_CASE("json: small containers with inlined numbers") {
  CHECK(text_of(small_document()) == R"({"a": [1, -2], "bb": "x"})");
}

TEST_CASE("json: scalars are printed as the server prints them") {
  CHECK(text_of("") == "null");
  CHECK(text_of(from_hex("0400")) == "null");
  CHECK(text_of(from_hex("0401")) == "true");
  CHECK(text_of(from_hex("0402")) == "false");
  CHECK(text_of(from_hex("0403")) == no_document);
  CHECK(text_of(scalar(0x5, std::int16_t{-7})) == "-7");
  CHECK(text_of(scalar(0xA, ~std::uint64_t{0})) == "18446744073709551615");
  CHECK(text_of(scalar(0xB, 1.0)) == "1.0");
  CHECK(text_of(scalar(0xB, -0.0)) == "-0.0");
  CHECK(text_of(scalar(0xB, 1e14)) == "100000000000000.0");
  CHECK(text_of(scalar(0xB, 1e15)) == "1e15");
  CHECK(text_of(scalar(0xB, 3108571428571428.5)) == "3108571428571428.5");
  CHECK(text_of(scalar(0xB, 1.5e-15)) == "0.0000000000000015");
  CHECK(text_of(scalar(0xB, 1e-16)) == "1e-16");
  CHECK(text_of(scalar(0xB, 1.2345e300)) == "1.2345e300");
  CHECK(text_of(scalar(0xB, std::numeric_limits<double>::infinity())) == no_document);
  CHECK(text_of(from_hex("0c05") + "\"\\\n\x01\xC3") == "\"\\\"\\\\\\n\\u0001\xC3\"");
}

TEST_CASE("json: every prefix of a document is corrupt, and no flipped bit does any harm") {
  for_each_prefix(small_document(), [](std::string_view prefix) {
    if (!prefix.empty()) CHECK(text_of(prefix) == no_document);
  });
  for_each_flipped_bit(small_document(), [](std::string_view flipped) { text_of(flipped); });
}

TEST_CASE("json: parts that lie on each other cannot make a small document a large text") {
  // An array of 20 elements, all of which are the array behind it, and so on.
  std::string document;
  for (int level = 0; level < 30; ++level) {
    std::string outer;
    put_le<std::uint16_t>(outer, 20);
    put_le(outer, static_cast<std::uint16_t>(4 + 20 * 3 + document.size()));
    for (int i = 0; i < 20; ++i) {
      outer.push_back(level == 0 ? '\x05' : '\x02');
      put_le<std::uint16_t>(outer, level == 0 ? 1 : 4 + 20 * 3);
    }
    document = outer + document;
  }
  CHECK(text_of("\x02" + document) == no_document);
}

TEST_CASE("json: a hundred levels are read, as the server writes them, and no more") {
  const auto nested = [](int levels) {
    std::string document;
    for (int level = 0; level < levels; ++level) {
      std::string outer;
      put_le<std::uint16_t>(outer, level == 0 ? 0 : 1);
      put_le(outer, static_cast<std::uint16_t>(4 + (level == 0 ? 0 : 3) + document.size()));
      if (level > 0) {
        outer.push_back('\x02');
        put_le<std::uint16_t>(outer, 7);
      }
      document = outer + document;
    }
    return "\x02" + document;
  };
  CHECK(text_of(nested(100)) == std::string(100, '[') + std::string(100, ']'));
  CHECK(text_of(nested(101)) == no_document);
}

// ---- differences ----

std::string diff(char operation, std::string_view path, std::string_view value = {}) {
  std::string out(1, operation);
  out.push_back(static_cast<char>(path.size()));
  out += path;
  if (operation == '\2') return out;
  out.push_back(static_cast<char>(value.size()));
  return out += value;
}

std::string replaced(std::string_view path, std::string_view value) {
  return diff('\0', path, value);
}
std::string inserted(std::string_view path, std::string_view value) {
  return diff('\1', path, value);
}
std::string removed(std::string_view path) { return diff('\2', path); }

const std::string five = scalar(0x5, std::int16_t{5});

std::string applied(std::string text, const std::string& diffs) {
  const auto done = apply_json_diffs(text, diffs);
  if (done) return text;
  CHECK(done.error().code == Code::corrupt);
  return "(" + done.error().what + ")";
}

TEST_CASE("json diff: a value is replaced wherever it is") {
  CHECK(applied("[1]", replaced("$", five)) == "5");
  CHECK(applied("[1, 2, 3]", replaced("$[1]", five)) == "[1, 5, 3]");
  CHECK(applied("[1, 2, 3]", replaced("$[last]", five)) == "[1, 2, 5]");
  CHECK(applied("[1, 2, 3]", replaced("$[last-2]", five)) == "[5, 2, 3]");
  CHECK(applied(R"({"a": {"b": [1, {"c": "]"}]}, "d": 1})", replaced("$.a.b[1].c", five)) ==
        R"({"a": {"b": [1, {"c": 5}]}, "d": 1})");
  CHECK(applied(R"({"k \"q": 1, "": 2})", replaced(R"($."k \"q")", five)) ==
        R"({"k \"q": 5, "": 2})");
  CHECK(applied(R"({"": 2})", replaced(R"($."")", five)) == R"({"": 5})");
  CHECK(applied(R"({"\u0001": 2})", replaced(R"($."\u0001")", five)) == R"({"\u0001": 5})");
}

TEST_CASE("json diff: a member is inserted where its name belongs, by length and bytes") {
  CHECK(applied("{}", inserted("$.a", five)) == R"({"a": 5})");
  CHECK(applied(R"({"b": 1, "aa": 2})", inserted("$.a", five)) == R"({"a": 5, "b": 1, "aa": 2})");
  CHECK(applied(R"({"b": 1, "aa": 2})", inserted("$.c", five)) == R"({"b": 1, "c": 5, "aa": 2})");
  CHECK(applied(R"({"b": 1, "aa": 2})", inserted("$.ab", five)) == R"({"b": 1, "aa": 2, "ab": 5})");
}

TEST_CASE("json diff: an element is inserted before the one that is there, or behind the last") {
  CHECK(applied("[]", inserted("$[0]", five)) == "[5]");
  CHECK(applied("[1, 2]", inserted("$[0]", five)) == "[5, 1, 2]");
  CHECK(applied("[1, 2]", inserted("$[1]", five)) == "[1, 5, 2]");
  CHECK(applied("[1, 2]", inserted("$[10]", five)) == "[1, 2, 5]");
}

TEST_CASE("json diff: of an array of any length, from either end") {
  std::string numbers = "0";
  for (int i = 1; i < 100'000; ++i) numbers += ", 0";
  const std::string array = "[" + numbers + "]";
  CHECK(applied(array, replaced("$[last]", five)) == array.substr(0, array.size() - 2) + "5]");
  CHECK(applied(array, replaced("$[99999]", five)) == array.substr(0, array.size() - 2) + "5]");
  CHECK(applied(array, inserted("$[last]", five)) == array.substr(0, array.size() - 2) + "5, 0]");
  CHECK(applied(array, removed("$[last-99999]")) == "[" + array.substr(4));
  CHECK(applied(array, removed("$[last]")) == array.substr(0, array.size() - 4) + "]");
}

TEST_CASE("json diff: what is removed leaves no comma behind") {
  CHECK(applied("[1, 2, 3]", removed("$[0]")) == "[2, 3]");
  CHECK(applied("[1, 2, 3]", removed("$[1]")) == "[1, 3]");
  CHECK(applied("[1, 2, 3]", removed("$[last]")) == "[1, 2]");
  CHECK(applied("[1]", removed("$[0]")) == "[]");
  CHECK(applied(R"({"a": 1, "b": [2]})", removed("$.b")) == R"({"a": 1})");
  CHECK(applied(R"({"a": 1, "b": [2]})", removed("$.a")) == R"({"b": [2]})");
}

TEST_CASE("json diff: they are applied in their order, and none change nothing") {
  CHECK(applied("[1]", "") == "[1]");
  CHECK(applied("[1]", inserted("$[0]", five) + removed("$[last]") +
                           inserted("$[9]", "\x04\x01")) == "[5, true]");
}

TEST_CASE("json diff: one that does not fit its document is corrupt") {
  const auto refused = [](const std::string& text, const std::string& diffs) {
    return applied(text, diffs).starts_with("(a JSON diff does not fit its document: ");
  };
  CHECK(refused("[1]", replaced("$[1]", five)));
  CHECK(refused("[1]", replaced("$.a", five)));
  CHECK(refused("{}", replaced("$.a", five)));
  CHECK(refused("5", replaced("$[0]", five)));
  CHECK(refused(R"({"a": 1})", inserted("$.a", five)));
  CHECK(refused("[1]", inserted("$.a", five)));
  CHECK(refused("{}", inserted("$[0]", five)));
  CHECK(refused("[1]", removed("$[1]")));
  CHECK(refused("[1]", removed("$")));
  CHECK(refused("[1]", inserted("$", five)));
}

TEST_CASE("json diff: paths that no server writes are corrupt") {
  for (const char* path : {"", "a", "$a", "$.", "$[", "$[]", "$[x]", "$[1", "$[last+1]", "$[*]",
                           "$**.a", "$.\"a", "$.\"\\u12\"", "$[99999999999]"}) {
    CAPTURE(path);
    CHECK(applied("[1]", replaced(path, five)).starts_with("(a JSON diff"));
  }
  CHECK(applied("[1]", diff('\3', "$[0]")) == "(a JSON diff of operation 3 with path '$[0]')");
}

TEST_CASE(
    "json diff: every prefix is corrupt but those between two, and no flipped bit does harm") {
  const std::string diffs = replaced("$.a", five) + inserted("$.bb", five) + removed("$.a");
  const std::string text = R"({"a": {"c": [1, "x"]}})";
  std::size_t whole = 0;
  for_each_prefix(diffs, [&](std::string_view prefix) {
    std::string copy = text;
    const auto done = apply_json_diffs(copy, prefix);
    if (done) ++whole;
    if (!done) CHECK(done.error().code == Code::corrupt);
  });
  CHECK(whole == 3);
  for_each_flipped_bit(diffs, [&](std::string_view flipped) {
    std::string copy = text;
    static_cast<void>(apply_json_diffs(copy, flipped));
  });
}

}  // namespace
}  // namespace tidelog::testing
