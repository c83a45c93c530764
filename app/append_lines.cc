#include "app/append_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/nearest.h"
#include "core/application_event.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

constexpr std::string_view known_members[] = {
    "type", "data", "metadata", "id", "content_type", "correlation_id", "causation_id", "key"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over a text that is known to be valid JSON, to find where its values begin and end.
class ValidJson {
 public:
  explicit ValidJson(std::string_view text) : text_(text) {}

  void skip_space() {
    while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
  }
  char front() const { return text_.empty() ? '\0' : text_.front(); }
  // A comma, colon or bracket and the space around it.
  void skip_mark() {
    skip_space();
    text_.remove_prefix(1);
    skip_space();
  }
  // The value that begins here, letter for letter.
  std::string_view value() {
    const std::string_view begin = text_;
    int depth = 0;
    do {
      const char c = front();
      if (c == '"') {
        skip_string();
      } else {
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        text_.remove_prefix(1);
        if (depth == 0 && c != '}' && c != ']') skip_word();
      }
    } while (depth > 0);
    return begin.substr(0, begin.size() - text_.size());
  }

 private:
  void skip_string() {
    text_.remove_prefix(1);
    while (front() != '"') text_.remove_prefix(front() == '\\' ? 2 : 1);
    text_.remove_prefix(1);
  }
  // The rest of a number, true, false or null.
  void skip_word() {
    while (!text_.empty() && !is_space(front()) && front() != ',' && front() != '}' &&
           front() != ']')
      text_.remove_prefix(1);
  }

  std::string_view text_;
};

using Members = std::map<std::string, std::string_view, std::less<>>;

// Nothing for halves of surrogate pairs: JSON's grammar has them, but they are no text.
Result<std::string> string_of(std::string_view raw) {
  const auto parsed = nlohmann::json::parse(raw, nullptr, false);
  if (parsed.is_string()) return parsed.get<std::string>();
  return fail(Code::misconfigured, fmt::format("{} is no Unicode text", raw));
}

// As tidelog prints it again (formats/json_text.h): nlohmann's parser refuses some of it.
bool is_json(std::string_view text) {
  std::string embedded;
  return put_json_embedded(embedded, text);
}

Status check_known(const std::string& name) {
  const std::vector<std::string_view> known(std::begin(known_members), std::end(known_members));
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  return fail(Code::misconfigured,
              fmt::format("unknown member `{}`{}", name, suggestion(name, known)));
}

Result<Members> members_of(std::string_view line) {
  if (!is_json(line)) return fail(Code::misconfigured, "not valid JSON");
  Members members;
  ValidJson in(line);
  in.skip_space();
  if (in.front() != '{') return fail(Code::misconfigured, "expected a JSON object");
  in.skip_mark();
  while (in.front() != '}') {
    TRY(const std::string name, string_of(in.value()));
    in.skip_mark();
    TRY_DO(check_known(name));
    if (!members.emplace(name, in.value()).second)
      return fail(Code::misconfigured, fmt::format("`{}` is given twice", name));
    in.skip_space();
    if (in.front() == ',') in.skip_mark();
  }
  return members;
}

// The string's text; empty when the member is missing or null.
Result<std::string> text_member(const Members& members, std::string_view name) {
  const auto it = members.find(name);
  if (it == members.end() || it->second == "null") return std::string();
  if (it->second.front() == '"') return string_of(it->second);
  return fail(Code::misconfigured,
              fmt::format("`{}` must be a string, found {}", name, it->second));
}

Result<std::string> event_id(const Members& members) {
  TRY(const std::string text, text_member(members, "id"));
  if (text.empty()) return new_event_id();
  if (auto id = parse_event_id(text)) return *std::move(id);
  return fail(Code::misconfigured,
              fmt::format("`id` must be a UUID like 6f1c8f9e-52c1-4d0b-9f7e-2b1d6a3c4e5f, found "
                          "`{}`",
                          text));
}

Status set_data(const Members& members, NewEvent& event) {
  const auto data = members.find("data");
  if (data == members.end()) return {};
  if (event.content_type.empty()) event.content_type = "application/json";
  if (is_json_type(event.content_type)) {
    event.data = data->second;
    return {};
  }
  TRY(event.data, text_member(members, "data"));
  return {};
}

}  // namespace

Result<NewEvent> parse_event_line(std::string_view line, const std::string& usual_type) {
  TRY(const Members members, members_of(line));
  NewEvent event;
  TRY(event.type, text_member(members, "type"));
  if (event.type.empty()) event.type = usual_type;
  if (event.type.empty())
    return fail(Code::misconfigured, "the event has no `type`: give it, or the option --type");
  TRY(event.id, event_id(members));
  TRY(event.content_type, text_member(members, "content_type"));
  TRY_DO(set_data(members, event));
  if (const auto metadata = members.find("metadata"); metadata != members.end())
    event.metadata = metadata->second;
  TRY(event.correlation_id, text_member(members, "correlation_id"));
  TRY(event.causation_id, text_member(members, "causation_id"));
  TRY(std::string key, text_member(members, "key"));
  if (members.contains("key") && members.find("key")->second != "null") event.key = std::move(key);
  return event;
}

}  // namespace tidelog
