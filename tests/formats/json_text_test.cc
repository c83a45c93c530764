#include "formats/json_text.h"

#include <doctest/doctest.h>

namespace tidelog {
namespace {

std::string embedded(std::string_view json) {
  std::string out;
  return put_json_embedded(out, json) ? out : "refused" + out;
}

std::string text(std::string_view bytes) {
  std::string out;
  put_json_text(out, bytes);
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out;
  put_json_base64(out, bytes);
  return out;
}

}  // namespace

TEST_CASE("json text: quotes, backslashes and control characters are escaped") {
  CHECK(text("a\"b\\c\n\t\x01\x1f/\x7f") == R"("a\"b\\c\n\t\u0001\u001f/)"
                                            "\x7f\"");
  CHECK(text(std::string_view("\0", 1)) == R"("\u0000")");
}

TEST_CASE("json text: characters of all lengths stand for themselves") {
  CHECK(text("é€𝄞") == "\"é€𝄞\"");
}

TEST_CASE("json text: bytes that are not UTF-8 are kept in base64") {
  for (const std::string_view bad : {"\xff", "a\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x9d\x84"}) {
    CAPTURE(bad.size());
    CHECK(text(bad) == "{\"base64\":" + base64(bad) + "}");
  }
}

TEST_CASE("json text: base64 is that of RFC 4648 section 10") {
  CHECK(base64("") == "\"\"");
  CHECK(base64("f") == "\"Zg==\"");
  CHECK(base64("fo") == "\"Zm8=\"");
  CHECK(base64("foo") == "\"Zm9v\"");
  CHECK(base64("foob") == "\"Zm9vYg==\"");
  CHECK(base64("fooba") == "\"Zm9vYmE=\"");
  CHECK(base64("foobar") == "\"Zm9vYmFy\"");
}

TEST_CASE("json text: a name that is not UTF-8 is refused") {
  std::string out = "{";
  const auto put = put_json_name(out, "a\xff");
  REQUIRE(!put);
  CHECK(put.error().code == Code::unsupported);
}

TEST_CASE("json text: an embedded document loses its white space and nothing else") {
  CHECK(embedded(" {\n \"a b\" : [ 1 , -0.50e+3 , \"x\\u00e9 \\n\" ] ,\r\n\"a b\":{ } }\t") ==
        R"({"a b":[1,-0.50e+3,"x\u00e9 \n"],"a b":{}})");
  CHECK(embedded("[[],[[true,false,null]]]") == "[[],[[true,false,null]]]");
  CHECK(embedded("123456789012345678901234567890") == "123456789012345678901234567890");
}

TEST_CASE("json text: what is not JSON is not embedded") {
  for (const char* bad :
       {"",         " ",     "{",     "[1,]",       "[1 2]",    "{\"a\"}", "{\"a\":}",
        "{a:1}",    "{1:1}", "01",    "1.",         ".5",       "+1",      "1e",
        "-",        "tru",   "nulls", "\"a",        "\"a\nb\"", "\"\\x\"", "\"\\u12g4\"",
        "\"\xff\"", "[1]]",  "1 2",   "{\"a\":1,}", "NaN",      "[}",      "\"\\"}) {
    CAPTURE(bad);
    CHECK(embedded(bad) == "refused");
  }
}

TEST_CASE("json text: every prefix of a document is refused") {
  const std::string_view whole = R"({"a":[1,{"b":"c\u0041"},true],"d":null})";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(embedded(whole.substr(0, n)) == "refused");
  }
  CHECK(embedded(whole) == whole);
}

TEST_CASE("json text: a deeply nested document needs no stack") {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK(embedded(deep) == deep);
}

}  // namespace tidelog
