#include "connectors/mysql/json_diff.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/mysql/json_binary.h"
#include "connectors/mysql/packed_integer.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

enum class Operation : std::uint8_t { replace = 0, insert = 1, remove = 2 };

// ---- paths: $, and then .name, ."name", [3], [last] and [last-3] ----

struct Leg {
  std::optional<std::string> member;
  std::size_t cell = 0;
  bool from_end = false;  // the cell is so far before the last one

  // In an array of `size`; may be behind its end.
  std::size_t position(std::size_t size) const {
    if (!from_end) return std::min(cell, size);
    return cell < size ? size - cell - 1 : 0;
  }
  bool exists(std::size_t size) const { return cell < size; }
};

// The hexadecimal digits of a \u in a name. The server writes only control characters so.
std::optional<char> control_character(std::string_view digits) {
  unsigned number = 0;
  const char* const end = digits.data() + digits.size();
  if (digits.size() != 4 || std::from_chars(digits.data(), end, number, 16).ptr != end ||
      number >= 0x80) {
    return std::nullopt;
  }
  return static_cast<char>(number);
}

// Takes a JSON string off `text`, quotes included.
std::optional<std::string> take_string(std::string_view& text) {
  std::string content;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') {
      text.remove_prefix(at + 1);
      return content;
    }
    if (text[at] != '\\') {
      content.push_back(text[at]);
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view named = "\"\\/\b\f\n\r\t";
    const std::size_t name = names.find(text[at]);
    if (name != std::string_view::npos) {
      content.push_back(named[name]);
      continue;
    }
    const auto control = control_character(text.substr(at + 1, 4));
    if (text[at] != 'u' || !control) return std::nullopt;
    content.push_back(*control);
    at += 4;
  }
  return std::nullopt;
}

bool take_member(std::string_view& path, Leg& leg) {
  if (path.starts_with('"')) {
    leg.member = take_string(path);
    return leg.member.has_value();
  }
  const std::size_t end = std::min(path.find_first_of(".["), path.size());
  leg.member = std::string(path.substr(0, end));
  path.remove_prefix(end);
  return end > 0;
}

bool take_cell(std::string_view& path, Leg& leg) {
  constexpr std::string_view last = "last";
  const std::size_t end = path.find(']');
  if (end == std::string_view::npos) return false;
  std::string_view index = path.substr(0, end);
  path.remove_prefix(end + 1);
  leg.from_end = index.starts_with(last);
  if (leg.from_end) {
    index.remove_prefix(last.size());
    if (index.empty()) return true;
    if (index.front() != '-') return false;
    index.remove_prefix(1);
  }
  std::uint32_t number = 0;
  const auto [stopped, error] = std::from_chars(index.data(), index.data() + index.size(), number);
  leg.cell = number;
  return error == std::errc{} && stopped == index.data() + index.size();
}

std::optional<std::vector<Leg>> read_path(std::string_view path) {
  if (!path.starts_with('$')) return std::nullopt;
  path.remove_prefix(1);
  std::vector<Leg> legs;
  while (!path.empty()) {
    const char kind = path.front();
    path.remove_prefix(1);
    Leg& leg = legs.emplace_back();
    const bool taken = kind == '.'   ? take_member(path, leg)
                       : kind == '[' ? take_cell(path, leg)
                                     : false;
    if (!taken) return std::nullopt;
  }
  return legs;
}

// ---- the printed document ----

std::size_t string_end(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Behind the value that begins at `begin`.
std::size_t value_end(std::string_view text, std::size_t begin) {
  std::size_t depth = 0;
  for (std::size_t at = begin; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = string_end(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    const bool closes = c == '}' || c == ']';
    if (depth == 0 && (closes || c == ',')) return at;
    ++at;
    if (closes && --depth == 0) return at;
  }
  return text.size();
}

// An element of an object or array. Those of an array have no name.
struct Element {
  std::size_t begin = 0;  // of its name, or of itself
  std::size_t value = 0;
  std::size_t end = 0;
  std::string name;
};

// The elements of the object or array that begins at `begin`; nothing: it is neither.
std::optional<std::vector<Element>> elements_of(std::string_view text, std::size_t begin) {
  if (begin >= text.size() || (text[begin] != '{' && text[begin] != '[')) return std::nullopt;
  const bool is_object = text[begin] == '{';
  std::vector<Element> elements;
  for (std::size_t at = begin + 1; at < text.size() && text[at] != '}' && text[at] != ']';) {
    Element element;
    element.begin = element.value = at;
    if (is_object) {
      std::string_view rest = text.substr(at);
      auto name = take_string(rest);
      if (!name || !rest.starts_with(": ")) return std::nullopt;
      element.name = *std::move(name);
      element.value = text.size() - rest.size() + 2;
    }
    element.end = value_end(text, element.value);
    at = element.end;
    if (text.substr(at).starts_with(", ")) at += 2;
    elements.push_back(std::move(element));
  }
  return elements;
}

std::optional<std::size_t> index_of(const std::vector<Element>& elements, const Leg& leg) {
  if (!leg.member) {
    if (!leg.exists(elements.size())) return std::nullopt;
    return leg.position(elements.size());
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].name == *leg.member) return i;
  }
  return std::nullopt;
}

// Objects are in the order of their names' lengths, and of their bytes.
bool is_before(std::string_view name, std::string_view other) {
  return name.size() != other.size() ? name.size() < other.size() : name < other;
}

// What a diff is about, in the document as it is.
class Place {
 public:
  Place(std::string& text, const std::vector<Leg>& legs) : text_(text), legs_(legs) {}

  bool replace(std::string_view value) {
    std::size_t begin = 0;
    for (const Leg& leg : legs_) {
      if (!enter(begin, leg)) return false;
    }
    text_.replace(begin, value_end(text_, begin) - begin, value);
    return true;
  }

  bool remove() {
    if (!find_parent()) return false;
    const auto index = index_of(elements_, legs_.back());
    if (!index) return false;
    const Element& element = elements_[*index];
    if (*index + 1 < elements_.size()) {
      text_.erase(element.begin, elements_[*index + 1].begin - element.begin);
    } else {
      const std::size_t begin = *index > 0 ? elements_[*index - 1].end : element.begin;
      text_.erase(begin, element.end - begin);
    }
    return true;
  }

  bool insert(std::string_view value) {
    if (!find_parent()) return false;
    const Leg& leg = legs_.back();
    std::string added;
    std::size_t index = 0;
    if (leg.member) {
      if (index_of(elements_, leg)) return false;
      append_json_string(added, *leg.member);
      added.append(": ");
      while (index < elements_.size() && is_before(elements_[index].name, *leg.member)) ++index;
    } else {
      index = leg.position(elements_.size());
    }
    added.append(value);
    put(index, added);
    return true;
  }

 private:
  bool fits(std::size_t begin, const Leg& leg) const {
    return begin < text_.size() && text_[begin] == (leg.member ? '{' : '[');
  }

  bool enter(std::size_t& begin, const Leg& leg) const {
    if (!fits(begin, leg)) return false;
    const auto elements = elements_of(text_, begin);
    if (!elements) return false;
    const auto index = index_of(*elements, leg);
    if (!index) return false;
    begin = (*elements)[*index].value;
    return true;
  }

  // What holds the last leg, and its elements.
  bool find_parent() {
    if (legs_.empty()) return false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i + 1 < legs_.size(); ++i) {
      if (!enter(begin, legs_[i])) return false;
    }
    if (!fits(begin, legs_.back())) return false;
    auto elements = elements_of(text_, begin);
    if (!elements) return false;
    elements_ = *std::move(elements);
    parent_ = begin;
    return true;
  }

  // As the element with this index of the parent.
  void put(std::size_t index, std::string& element) {
    if (elements_.empty()) {
      text_.insert(parent_ + 1, element);
    } else if (index < elements_.size()) {
      text_.insert(elements_[index].begin, element.append(", "));
    } else {
      text_.insert(elements_.back().end, element.insert(0, ", "));
    }
  }

  std::string& text_;
  const std::vector<Leg>& legs_;
  std::vector<Element> elements_;
  std::size_t parent_ = 0;
};

bool apply(std::string& text, Operation operation, const std::vector<Leg>& legs,
           std::string_view value) {
  Place place(text, legs);
  switch (operation) {
    case Operation::replace:
      return place.replace(value);
    case Operation::insert:
      return place.insert(value);
    case Operation::remove:
      return place.remove();
  }
  return false;
}

}  // namespace

// diff: u8 operation | packed path | packed value, but for a removal
Status apply_json_diffs(std::string& text, std::string_view diffs) {
  ByteReader in(diffs);
  std::string value;
  while (!in.failed() && in.remaining() > 0) {
    const auto number = in.le<std::uint8_t>();
    const auto operation = static_cast<Operation>(number);
    const std::string_view path = packed_bytes(in);
    const bool has_value = operation == Operation::replace || operation == Operation::insert;
    const std::string_view document = has_value ? packed_bytes(in) : std::string_view();
    if (in.failed()) break;
    const auto legs = read_path(path);
    if (!legs || number > static_cast<std::uint8_t>(Operation::remove)) {
      return fail(Code::corrupt,
                  fmt::format("a JSON diff of operation {} with path '{}'", number, path));
    }
    value.clear();
    if (has_value) TRY_DO(append_json_text(value, document));
    if (!apply(text, operation, *legs, value)) {
      return fail(
          Code::corrupt,
          fmt::format("a JSON diff does not fit its document: operation {} at '{}'", number, path));
    }
  }
  TRY_DO(in.finish(true, "JSON diffs"));
  return {};
}

}  // namespace tidelog::mysql
