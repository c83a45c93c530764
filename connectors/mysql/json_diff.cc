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

struct Element {
  std::size_t begin = 0;  // of its name, or of itself
  std::size_t value = 0;
  std::size_t end = 0;
};

// The elements of the object or array that begins at `begin`, one after the other, since there may
// be millions of them.
class Elements {
 public:
  Elements(std::string_view text, std::size_t begin)
      : text_(text), at_(begin + 1), is_object_(text[begin] == '{') {}

  // False: there is no other one, or the text is no such object or array.
  bool next() {
    if (is_broken_ || at_ >= text_.size() || text_[at_] == '}' || text_[at_] == ']') return false;
    element_.begin = element_.value = at_;
    if (is_object_ && !take_name()) return false;
    element_.end = value_end(text_, element_.value);
    at_ = element_.end;
    if (text_.substr(at_).starts_with(", ")) at_ += 2;
    ++count_;
    return true;
  }

  const Element& element() const { return element_; }
  const std::string& name() const { return name_; }  // of an object's
  std::size_t index() const { return count_ - 1; }   // of it
  std::size_t count() const { return count_; }       // so far
  bool is_broken() const { return is_broken_; }

 private:
  bool take_name() {
    std::string_view rest = text_.substr(at_);
    auto name = take_string(rest);
    is_broken_ = !name || !rest.starts_with(": ");
    if (is_broken_) return false;
    name_ = *std::move(name);
    element_.value = text_.size() - rest.size() + 2;
    return true;
  }

  std::string_view text_;
  std::size_t at_;
  bool is_object_;
  bool is_broken_ = false;
  std::size_t count_ = 0;
  Element element_;
  std::string name_;
};

std::size_t count_of(std::string_view text, std::size_t begin) {
  Elements elements(text, begin);
  while (elements.next()) continue;
  return elements.count();
}

// Nothing: the object or array has none that the leg leads to.
std::optional<Element> find(std::string_view text, std::size_t begin, const Leg& leg) {
  std::size_t wanted = leg.cell;
  if (leg.from_end) {
    const std::size_t count = count_of(text, begin);
    if (!leg.exists(count)) return std::nullopt;
    wanted = leg.position(count);
  }
  Elements elements(text, begin);
  while (elements.next()) {
    if (leg.member ? elements.name() == *leg.member : elements.index() == wanted)
      return elements.element();
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
    const auto element = find(text_, parent_, legs_.back());
    if (!element) return false;
    const std::size_t comma_bytes = 2;
    const bool is_last = !std::string_view(text_).substr(element->end).starts_with(", ");
    std::size_t begin = element->begin;
    if (is_last && begin != parent_ + 1) begin -= comma_bytes;
    text_.erase(begin, element->end + (is_last ? 0 : comma_bytes) - begin);
    return true;
  }

  bool insert(std::string_view value) {
    if (!find_parent()) return false;
    const Leg& leg = legs_.back();
    std::string added;
    if (leg.member) {
      append_json_string(added, *leg.member);
      added.append(": ");
    }
    added.append(value);
    const std::size_t index = leg.from_end ? leg.position(count_of(text_, parent_)) : leg.cell;
    std::optional<std::size_t> before;  // where what comes behind it begins
    Elements elements(text_, parent_);
    while (elements.next()) {
      if (leg.member && elements.name() == *leg.member) return false;
      const bool is_behind =
          leg.member ? !is_before(elements.name(), *leg.member) : elements.index() == index;
      if (is_behind && !before) before = elements.element().begin;
    }
    if (elements.is_broken()) return false;
    if (before) {
      text_.insert(*before, added.append(", "));
    } else if (elements.count() == 0) {
      text_.insert(parent_ + 1, added);
    } else {
      text_.insert(elements.element().end, added.insert(0, ", "));
    }
    return true;
  }

 private:
  bool fits(std::size_t begin, const Leg& leg) const {
    return begin < text_.size() && text_[begin] == (leg.member ? '{' : '[');
  }

  bool enter(std::size_t& begin, const Leg& leg) const {
    if (!fits(begin, leg)) return false;
    const auto element = find(text_, begin, leg);
    if (!element) return false;
    begin = element->value;
    return true;
  }

  // What holds the last leg.
  bool find_parent() {
    if (legs_.empty()) return false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i + 1 < legs_.size(); ++i) {
      if (!enter(begin, legs_[i])) return false;
    }
    parent_ = begin;
    return fits(begin, legs_.back());
  }

  std::string& text_;
  const std::vector<Leg>& legs_;
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
