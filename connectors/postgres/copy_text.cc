#include "connectors/postgres/copy_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidelog::postgres {

namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char control_character(char letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return letter;  // any other character stands for itself
  }
}

// \ddd: up to three octal digits.
char take_octal(const char*& at, const char* end) {
  int value = 0;
  for (int digits = 0; digits < 3 && at < end && is_octal(*at); ++digits)
    value = value * 8 + (*at++ - '0');
  return static_cast<char>(value & 0xFF);
}

// \xdd: one or two hexadecimal digits; without any, an x.
char take_hex(const char*& at, const char* end) {
  int value = -1;
  for (int digits = 0; digits < 2 && at < end && hex_digit(*at) >= 0; ++digits) {
    value = std::max(value, 0) * 16 + hex_digit(*at++);
  }
  return value < 0 ? 'x' : static_cast<char>(value);
}

// Of what stands behind a backslash; `at` is not `end`.
char take_escaped(const char*& at, const char* end) {
  if (is_octal(*at)) return take_octal(at, end);
  const char letter = *at++;
  return letter == 'x' ? take_hex(at, end) : control_character(letter);
}

// In place: the text only gets shorter. Nothing: a backslash at the very end.
char* unescape(char* begin, const char* end) {
  char* out = begin;
  for (const char* at = begin; at < end;) {
    if (*at != '\\') {
      *out++ = *at++;
      continue;
    }
    if (++at == end) return nullptr;
    *out++ = take_escaped(at, end);
  }
  return out;
}

bool read_field(char* begin, char* end, TupleColumn& field) {
  const std::string_view raw(begin, static_cast<std::size_t>(end - begin));
  if (raw == "\\N") {
    field = {TupleColumn::State::null, {}};
    return true;
  }
  const std::size_t escaped = raw.find('\\');
  if (escaped == std::string_view::npos) {
    field = {TupleColumn::State::text, raw};
    return true;
  }
  const char* unescaped_end = unescape(begin + escaped, end);
  if (unescaped_end == nullptr) return false;
  field = {TupleColumn::State::text, {begin, static_cast<std::size_t>(unescaped_end - begin)}};
  return true;
}

}  // namespace

// A tab inside of a value is escaped, so every plain one separates.
Status split_copy_line(char* line, std::size_t size, Tuple& fields) {
  if (size == 0 || line[size - 1] != '\n')
    return fail(Code::corrupt, "a copied row that does not end with a newline");
  char* const end = line + size - 1;
  if (fields.empty()) {
    if (end == line) return {};
    return fail(Code::corrupt, "a copied row has values, but its table no columns");
  }
  char* begin = line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    char* const field_end = std::find(begin, end, '\t');
    const bool is_last = field_end == end;
    if (is_last != (i + 1 == fields.size())) {
      return fail(Code::corrupt,
                  fmt::format("a copied row does not have {} fields", fields.size()));
    }
    if (!read_field(begin, field_end, fields[i]))
      return fail(Code::corrupt, "a copied value ends in a backslash");
    begin = field_end + 1;
  }
  return {};
}

}  // namespace tidelog::postgres
