#include "tests/fuzz/json_judge.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>

namespace tidelog::fuzz {
namespace {

constexpr std::size_t digits_kept = 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_exponent_sign(char c) { return c == 'e' || c == 'E'; }

// The judge is nlohmann's parser. It refuses some of what the grammar has (halves of surrogate
// pairs, numbers beyond a double) and ends at a zero byte. A text without such, which is JSON if
// and only if the given one is, is what it is asked about.
class Plain {
 public:
  explicit Plain(std::string_view text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        string();
      } else if (is_digit(c)) {
        number();
      } else {
        out_ += c == '\0' ? '?' : c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  void string() {
    take(1);
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') {
        escape();
      } else {
        take(1);
      }
    }
    take(1);
  }

  void escape() {
    if (!is_surrogate(text_.substr(at_, 6))) return take(2);
    out_ += "\\u0020";
    at_ += 6;
  }

  static bool is_surrogate(std::string_view escape) {
    return escape.size() == 6 && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
           is_hex(escape[3]) && !(escape[3] >= '0' && escape[3] <= '7') && is_hex(escape[4]) &&
           is_hex(escape[5]);
  }

  // Fewer digits, and no exponent but 0.
  void number() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (is_exponent()) {
      out_ += '0';
    } else {
      out_ += text_.substr(begin, std::min(at_ - begin, digits_kept));
    }
  }

  bool is_exponent() const {
    std::string_view before = out_;
    if (before.ends_with('+') || before.ends_with('-')) before.remove_suffix(1);
    return !before.empty() && is_exponent_sign(before.back());
  }

  void take(std::size_t count) {
    const std::string_view taken = text_.substr(at_, count);
    out_ += taken;
    at_ += taken.size();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

bool is_json(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return false;  // a byte order mark, which the judge skips
  return nlohmann::json::accept(Plain(text).run());
}

}  // namespace tidelog::fuzz
