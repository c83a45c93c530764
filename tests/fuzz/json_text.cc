// The printing of JSON, against a parser of it.
#include "formats/json_text.h"

#include <nlohmann/json.hpp>

#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_judge.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(json_text) {
  std::string text;
  put_json_text(text, input);
  INVARIANT(nlohmann::json::accept(text), "any text is printed as JSON");
  std::string utf8;
  if (put_json_utf8(utf8, input)) {
    const auto parsed = nlohmann::json::parse(utf8, nullptr, false);
    INVARIANT(parsed.is_string() && parsed.get<std::string>() == input, "and says the same");
  }
  std::string embedded;
  const bool is_embedded = put_json_embedded(embedded, input);
  INVARIANT(is_embedded == fuzz::is_json(input), "what is JSON is embedded, and nothing else");
  if (!is_embedded) {
    INVARIANT(embedded.empty(), "what is no JSON leaves nothing");
    return;
  }
  INVARIANT(fuzz::is_json(embedded), "what is embedded is JSON");
  INVARIANT(embedded.find('\n') == std::string::npos, "and one line");
  std::string again;
  INVARIANT(put_json_embedded(again, embedded) && again == embedded, "and as short as it can be");
}
