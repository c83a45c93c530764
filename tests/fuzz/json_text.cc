// The printing of JSON, against a parser of it.
#include "formats/json_text.h"

#include <nlohmann/json.hpp>

#include "tests/fuzz/fuzz_target.h"

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
  if (!put_json_embedded(embedded, input)) {
    INVARIANT(embedded.empty(), "what is no JSON leaves nothing");
    return;
  }
  // The parser refuses halves of surrogate pairs and numbers beyond a double, which are JSON.
  const bool is_judged = embedded.find("\\u") == std::string::npos &&
                         embedded.find_first_of("eE") == std::string::npos && embedded.size() < 300;
  INVARIANT(!is_judged || nlohmann::json::accept(embedded), "what is embedded is JSON");
  INVARIANT(embedded.find('\n') == std::string::npos, "and one line");
  std::string again;
  INVARIANT(put_json_embedded(again, embedded) && again == embedded, "and as short as it can be");
}
