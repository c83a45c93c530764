#include "tests/fuzz/json_judge.h"

#include <doctest/doctest.h>

#include <string>

namespace tidelog::fuzz {

TEST_CASE("json judge: what RFC 8259 has is JSON, also what the parser behind it refuses") {
  for (const std::string& text :
       {std::string(R"({"a":[1,-2.5e+3,"\ud83d\ude00",{},[],true,null]})"),
        std::string(R"("\ud800")"), std::string(R"("\udc00\ud800 \\")"), std::string("1e999"),
        std::string("[-1E-999,0e0]"), std::string(400, '7'), "0." + std::string(400, '0')}) {
    CAPTURE(text);
    CHECK(is_json(text));
  }
}

TEST_CASE("json judge: what RFC 8259 does not have is no JSON, also what the parser takes") {
  for (const std::string& text :
       {std::string("[1]\0", 4), std::string("[1]\0 more", 9), std::string("\xEF\xBB\xBF[1]"),
        std::string(), std::string("01"), std::string("1e"), std::string("1e+"),
        std::string("1e5e5"), std::string("00"), std::string(400, '0'), std::string(R"("\ud80")"),
        std::string(R"("\ud8g0")"), std::string("\"\\"), std::string("\"a"),
        std::string("\"\0\"", 3), std::string("\xed\xa0\x80"), std::string("[1,]"),
        std::string("true0"), std::string("/**/1")}) {
    CAPTURE(text);
    CHECK_FALSE(is_json(text));
  }
}

}  // namespace tidelog::fuzz
