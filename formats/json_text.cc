#include "formats/json_text.h"

#include <array>
#include <charconv>
#include <vector>

namespace tidelog {
namespace {

// What a byte is inside a JSON string: 0 stands for itself; 'u' needs \u00XX; another letter needs
// \letter; 1 is part of a multi-byte character.
constexpr std::array<char, 256> escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = 'u';
  for (std::size_t i = 0x80; i < 256; ++i) table[i] = 1;
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  return table;
}();

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

bool continues(std::string_view text, std::size_t at, std::uint8_t low = 0x80,
               std::uint8_t high = 0xBF) {
  return at < text.size() && byte_at(text, at) >= low && byte_at(text, at) <= high;
}

// The bytes of the well-formed multi-byte character at `at`, 0 if there is none (Unicode 15, table
// 3-7).
std::size_t utf8_bytes(std::string_view text, std::size_t at) {
  const std::uint8_t lead = byte_at(text, at);
  if (lead >= 0xC2 && lead <= 0xDF) return continues(text, at + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const std::uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const std::uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return continues(text, at + 1, low, high) && continues(text, at + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const std::uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    const bool whole =
        continues(text, at + 1, low, high) && continues(text, at + 2) && continues(text, at + 3);
    return whole ? 4 : 0;
  }
  return 0;
}

void put_escaped(std::string& out, char raw, char escape) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '\\';
  out += escape;
  if (escape != 'u') return;
  const auto byte = static_cast<std::uint8_t>(raw);
  out.append("00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
}

// Walks a JSON text once, checks it against RFC 8259, and appends it without white space.
class Embedder {
 public:
  Embedder(std::string& out, std::string_view in) : out_(out), in_(in) {}

  bool run() {
    if (!value()) return false;
    while (!open_.empty()) {
      if (!after_value()) return false;
    }
    skip_space();
    return at_ == in_.size();
  }

 private:
  char peek() const { return at_ < in_.size() ? in_[at_] : '\0'; }

  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }

  bool take(char expected) {
    if (peek() != expected) return false;
    out_ += expected;
    ++at_;
    return true;
  }

  bool take_spaced(char expected) {
    skip_space();
    return take(expected);
  }

  // A scalar, an empty container, or the way down to a container's first scalar.
  bool value() {
    for (;;) {
      skip_space();
      if (take('{')) {
        if (take_spaced('}')) return true;
        open_.push_back('}');
        if (!name()) return false;
      } else if (take('[')) {
        if (take_spaced(']')) return true;
        open_.push_back(']');
      } else {
        return scalar();
      }
    }
  }

  bool after_value() {
    if (take_spaced(open_.back())) {
      open_.pop_back();
      return true;
    }
    if (!take(',')) return false;
    return (open_.back() == ']' || name()) && value();
  }

  bool name() {
    skip_space();
    return string() && take_spaced(':');
  }

  bool scalar() {
    switch (peek()) {
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool word(std::string_view expected) {
    if (in_.substr(at_, expected.size()) != expected) return false;
    out_ += expected;
    at_ += expected.size();
    return true;
  }

  bool digits() {
    const std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    out_ += in_.substr(start, at_ - start);
    return at_ > start;
  }

  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits();
  }

  bool string() {
    const std::size_t start = at_;
    if (peek() != '"') return false;
    for (++at_; peek() != '"';) {
      if (!character()) return false;
    }
    ++at_;
    out_ += in_.substr(start, at_ - start);
    return true;
  }

  bool character() {
    if (at_ >= in_.size() || byte_at(in_, at_) < 0x20) return false;
    if (in_[at_] == '\\') return escape();
    const std::size_t bytes = byte_at(in_, at_) < 0x80 ? 1 : utf8_bytes(in_, at_);
    at_ += bytes;
    return bytes > 0;
  }

  bool escape() {
    ++at_;
    if (peek() != 'u') {
      const bool known =
          at_ < in_.size() && std::string_view("\"\\/bfnrt").find(peek()) != std::string_view::npos;
      ++at_;
      return known;
    }
    for (int i = 0; i < 4; ++i) {
      ++at_;
      const char c = peek();
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
        return false;
    }
    ++at_;
    return true;
  }

  std::string& out_;
  std::string_view in_;
  std::size_t at_ = 0;
  std::string open_;  // the closing brackets that are owed, the innermost last
};

template <class Number>
void put_number(std::string& out, Number number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

}  // namespace

bool put_json_utf8(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  out += '"';
  std::size_t copied = 0;  // text before it is in `out`
  for (std::size_t at = 0; at < text.size();) {
    const char escape = escapes[byte_at(text, at)];
    if (escape == 0) {
      ++at;
    } else if (escape == 1) {
      const std::size_t bytes = utf8_bytes(text, at);
      if (bytes == 0) {
        out.resize(before);
        return false;
      }
      at += bytes;
    } else {
      out += text.substr(copied, at - copied);
      put_escaped(out, text[at], escape);
      copied = ++at;
    }
  }
  out += text.substr(copied);
  out += '"';
  return true;
}

void put_json_text(std::string& out, std::string_view text) {
  if (put_json_utf8(out, text)) return;
  out += "{\"base64\":";
  put_json_base64(out, text);
  out += '}';
}

Status put_json_name(std::string& out, std::string_view name) {
  if (!out.empty() && out.back() != '{') out += ',';
  if (!put_json_utf8(out, name)) {
    std::string shown;
    put_json_base64(shown, name);
    return fail(Code::unsupported,
                "a name that is not UTF-8 cannot be a JSON name; base64 " + shown);
  }
  out += ':';
  return {};
}

void put_json_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out += '"';
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? byte_at(bytes, at + i) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= count ? digits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  out += '"';
}

bool put_json_embedded(std::string& out, std::string_view json) {
  const std::size_t before = out.size();
  if (Embedder(out, json).run()) return true;
  out.resize(before);
  return false;
}

void put_json_number(std::string& out, std::int64_t number) { put_number(out, number); }
void put_json_number(std::string& out, std::uint64_t number) { put_number(out, number); }

}  // namespace tidelog
