#include "connectors/postgres/copy_text.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

// The fields of a line, "(null)" for a null; the error's text if there is one.
std::vector<std::string> split(std::string line, std::size_t columns) {
  Tuple fields(columns);
  const auto done = split_copy_line(line.data(), line.size(), fields);
  if (!done) return {"error: " + done.error().what};
  std::vector<std::string> texts;
  for (const TupleColumn& field : fields) {
    texts.push_back(field.state == TupleColumn::State::null ? "(null)" : std::string(field.bytes));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST_CASE("copy text: tabs separate, an empty field is the empty text") {
  CHECK(split("1\ttwo\t\n", 3) == Texts{"1", "two", ""});
  CHECK(split("\n", 1) == Texts{""});
}

TEST_CASE("copy text: only a whole field of backslash N is null") {
  CHECK(split("\\N\t\\\\N\ta\\N\n", 3) == Texts{"(null)", "\\N", "aN"});
}

TEST_CASE("copy text: every escape of the manual") {
  CHECK(split("\\b\\f\\n\\r\\t\\v\\\\\\.\n", 1) == Texts{"\b\f\n\r\t\v\\."});
  CHECK(split("\\101\\7\\x41\\x4g\\xg\n", 1) == Texts{"A\7A\4gxg"});
  CHECK(split("\\1019\n", 1) == Texts{"A9"});
}

TEST_CASE("copy text: a table without columns has empty lines") {
  CHECK(split("\n", 0).empty());
  CHECK(split("x\n", 0)[0].starts_with("error"));
}

TEST_CASE("copy text: too few or too many fields, no newline, a lone backslash are corrupt") {
  for (const auto& [line, columns] : std::vector<std::pair<std::string, std::size_t>>{
           {"1\n", 2}, {"1\t2\t3\n", 2}, {"1", 1}, {"", 1}, {"a\\\n", 1}, {"a\\\tb\n", 2}}) {
    CAPTURE(line);
    Tuple fields(columns);
    std::string copy = line;
    const auto done = split_copy_line(copy.data(), copy.size(), fields);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Code::corrupt);
  }
}

TEST_CASE("copy text: no random bytes crash it") {
  std::mt19937 random(13);
  constexpr std::string_view alphabet = "\\\\\t\tNx0719ab\n";
  for (int i = 0; i < 200'000; ++i) {
    std::string line(random() % 12, '\0');
    for (char& c : line) c = alphabet[random() % alphabet.size()];
    Tuple fields(random() % 4);
    static_cast<void>(split_copy_line(line.data(), line.size(), fields));
  }
}

}  // namespace
}  // namespace tidelog::testing
