#include "connectors/mysql/json_binary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "connectors/mysql/column_type.h"
#include "connectors/mysql/packed_decimal.h"
#include "connectors/mysql/packed_time.h"
#include "core/bytes.h"
#include "core/calendar.h"
#include "core/invariant.h"

namespace tidelog::mysql {

namespace {

enum class JsonType : std::uint8_t {
  small_object = 0x0,
  large_object = 0x1,
  small_array = 0x2,
  large_array = 0x3,
  literal = 0x4,
  int16 = 0x5,
  uint16 = 0x6,
  int32 = 0x7,
  uint32 = 0x8,
  int64 = 0x9,
  uint64 = 0xA,
  double_number = 0xB,
  string = 0xC,
  opaque = 0xF,
};

constexpr unsigned depth_max = 100;  // of the server, too

// Lengths inside of documents: seven bits a byte, at most five bytes. Unlike those of the store a
// length may be written longer than it has to be.
std::uint64_t variable_length(ByteReader& in) {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = in.le<std::uint8_t>();
    length |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return length;
  }
  in.fail();
  return 0;
}

template <class T>
void append_number(std::string& out, T value) {
  const fmt::format_int printed(value);
  out.append(printed.data(), printed.size());
}

void append_two_digits(std::string& out, std::int64_t number) {
  out.push_back(static_cast<char>('0' + number / 10 % 10));
  out.push_back(static_cast<char>('0' + number % 10));
}

void append_date(std::string& out, const Date& date) {
  append_two_digits(out, date.year / 100);
  append_two_digits(out, date.year % 100);
  out.push_back('-');
  append_two_digits(out, date.month);
  out.push_back('-');
  append_two_digits(out, date.day);
}

// HH:MM:SS.ffffff, always with all digits
void append_time(std::string& out, std::int64_t micros) {
  const std::int64_t hours = micros / micros_per_hour;
  if (hours >= 100) append_number(out, hours / 100);
  append_two_digits(out, hours % 100);
  out.push_back(':');
  append_two_digits(out, micros / micros_per_minute % 60);
  out.push_back(':');
  append_two_digits(out, micros / micros_per_second % 60);
  out.push_back('.');
  for (const std::int64_t unit : {10'000, 100, 1}) append_two_digits(out, micros / unit % 100);
}

// Fixed notation from 1e-15 up to below 1e15, and above that where there are digits behind the
// point; what has no point and no exponent gets ".0".
void append_double(std::string& out, double value) {
  constexpr int fixed_exponent_min = -15;
  constexpr int fixed_exponent_max = 14;
  std::array<char, 32> raw;
  const auto printed =
      std::to_chars(raw.data(), raw.data() + raw.size(), value, std::chars_format::scientific);
  INVARIANT(printed.ec == std::errc{}, "a double fits its buffer");
  const std::string_view text(raw.data(), static_cast<std::size_t>(printed.ptr - raw.data()));
  const auto e = static_cast<std::ptrdiff_t>(text.find('e'));
  int exponent = 0;
  std::from_chars(text.data() + e + (text.data()[e + 1] == '+' ? 2 : 1), printed.ptr, exponent);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto digit_count = std::count_if(text.begin(), text.begin() + e, is_digit);
  if (exponent < fixed_exponent_min ||
      (exponent > fixed_exponent_max && digit_count <= exponent + 1)) {
    out.append(text.begin(), text.begin() + e).push_back('e');
    fmt::format_to(std::back_inserter(out), "{}", exponent);
    return;
  }
  std::array<char, 48> fixed;
  const auto end =
      std::to_chars(fixed.data(), fixed.data() + fixed.size(), value, std::chars_format::fixed);
  INVARIANT(end.ec == std::errc{}, "a double of few digits fits its buffer");
  const std::string_view digits(fixed.data(), static_cast<std::size_t>(end.ptr - fixed.data()));
  out.append(digits);
  if (digits.find('.') == std::string_view::npos) out.append(".0");
}

// As the server's, in lines of 76 characters; of what is between them JSON makes \n.
void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::size_t line_bytes = 76 / 4 * 3;
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    if (at > 0 && at % line_bytes == 0) out.append("\\n");
    const std::string_view three = bytes.substr(at, 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < three.size() ? static_cast<std::uint8_t>(three[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out.push_back(i <= three.size() ? digits[group >> (18 - 6 * i) & 63] : '=');
    }
  }
}

// Walks a document. All that it goes through is counted against the document's size, so that parts
// that lie on each other cannot make a small document a large text.
class JsonPrinter {
 public:
  JsonPrinter(std::string& out, std::size_t document_bytes)
      : out_(out), bytes_left_(document_bytes) {}

  // `in` is from the value's first byte to the end of what holds it.
  void value(JsonType type, ByteReader in, unsigned depth) {
    switch (type) {
      case JsonType::small_object:
        return object<std::uint16_t>(in, depth);
      case JsonType::large_object:
        return object<std::uint32_t>(in, depth);
      case JsonType::small_array:
        return array<std::uint16_t>(in, depth);
      case JsonType::large_array:
        return array<std::uint32_t>(in, depth);
      case JsonType::literal:
        return literal(take<std::uint8_t>(in));
      case JsonType::int16:
        return append_number(out_, take<std::int16_t>(in));
      case JsonType::uint16:
        return append_number(out_, take<std::uint16_t>(in));
      case JsonType::int32:
        return append_number(out_, take<std::int32_t>(in));
      case JsonType::uint32:
        return append_number(out_, take<std::uint32_t>(in));
      case JsonType::int64:
        return append_number(out_, take<std::int64_t>(in));
      case JsonType::uint64:
        return append_number(out_, take<std::uint64_t>(in));
      case JsonType::double_number:
        return number(take<double>(in));
      case JsonType::string:
        return append_json_string(out_, sized(in));
      case JsonType::opaque:
        return opaque(in);
    }
    failed_ = true;
  }

  bool failed() const { return failed_; }

 private:
  void count(std::size_t bytes) {
    if (bytes > bytes_left_) failed_ = true;
    bytes_left_ -= failed_ ? 0 : bytes;
  }

  template <class T>
  T take(ByteReader& in) {
    const T taken = in.le<T>();
    if (in.failed()) failed_ = true;
    count(sizeof(T));
    return taken;
  }

  std::string_view sized(ByteReader& in) {
    const std::size_t before = in.remaining();
    const std::string_view text = in.bytes(variable_length(in));
    if (in.failed()) failed_ = true;
    count(before - in.remaining());
    return text;
  }

  void literal(std::uint8_t number) {
    constexpr std::array<std::string_view, 3> names = {"null", "true", "false"};
    if (number >= names.size()) {
      failed_ = true;
    } else {
      out_.append(names[number]);
    }
  }

  void number(double value) {
    if (std::isfinite(value)) {
      append_double(out_, value);
    } else {
      failed_ = true;
    }
  }

  // u8 type of column | variable length | bytes
  void opaque(ByteReader& in) {
    const auto type = static_cast<ColumnType>(take<std::uint8_t>(in));
    ByteReader content(sized(in));
    if (failed_) return;
    if (type == ColumnType::newdecimal) {
      const unsigned precision = content.le<std::uint8_t>();
      const unsigned scale = content.le<std::uint8_t>();
      append_packed_decimal(out_, content, precision, scale);
    } else {
      out_.push_back('"');
      opaque_text(type, content);
      out_.push_back('"');
    }
    if (content.failed() || content.remaining() > 0) failed_ = true;
  }

  void opaque_text(ColumnType type, ByteReader& content) {
    if (type == ColumnType::date) {
      append_date(out_, read_packed_datetime(content).date);
    } else if (type == ColumnType::time) {
      time(read_packed_time(content));
    } else if (type == ColumnType::datetime || type == ColumnType::timestamp) {
      datetime(read_packed_datetime(content));
    } else {
      fmt::format_to(std::back_inserter(out_), "base64:type{}:", static_cast<unsigned>(type));
      append_base64(out_, content.rest());
    }
  }

  void time(const Time& time) {
    if (time.micros < 0) out_.push_back('-');
    append_time(out_, time.micros < 0 ? -time.micros : time.micros);
  }

  void datetime(const Timestamp& moment) {
    append_date(out_, moment.date);
    out_.push_back(' ');
    append_time(out_, moment.micros);
  }

  // What an object or array begins with; Offset is u16 in small ones and u32 in large ones.
  struct Container {
    std::string_view bytes;  // all of it: offsets count from its first one
    std::size_t count = 0;
  };
  template <class Offset>
  Container container(ByteReader& in, unsigned depth, std::size_t entry_bytes) {
    const std::string_view from_begin(in.at(), in.remaining());
    Container c;
    c.count = take<Offset>(in);
    const std::size_t bytes = take<Offset>(in);
    if (failed_ || bytes > from_begin.size() || depth >= depth_max ||
        c.count > in.remaining() / entry_bytes) {
      failed_ = true;
      return {};
    }
    c.bytes = from_begin.substr(0, bytes);
    in = ByteReader(c.bytes);
    in.bytes(2 * sizeof(Offset));
    return c;
  }

  template <class Offset>
  static constexpr std::size_t key_entry_bytes = sizeof(Offset) + 2;
  template <class Offset>
  static constexpr std::size_t value_entry_bytes = 1 + sizeof(Offset);

  // count | bytes | count * (offset of the key, u16 its length) | count * value entry | …
  template <class Offset>
  void object(ByteReader in, unsigned depth) {
    const Container c =
        container<Offset>(in, depth, key_entry_bytes<Offset> + value_entry_bytes<Offset>);
    ByteReader keys(in.bytes(c.count * key_entry_bytes<Offset>));
    if (in.failed()) failed_ = true;
    out_.push_back('{');
    for (std::size_t i = 0; i < c.count && !failed_; ++i) {
      if (i > 0) out_.append(", ");
      append_json_string(out_, key<Offset>(c, keys));
      out_.append(": ");
      entry<Offset>(c, in, depth);
    }
    out_.push_back('}');
  }

  template <class Offset>
  std::string_view key(const Container& c, ByteReader& keys) {
    const std::size_t offset = take<Offset>(keys);
    const std::size_t length = take<std::uint16_t>(keys);
    if (failed_ || offset > c.bytes.size() || length > c.bytes.size() - offset) {
      failed_ = true;
      return {};
    }
    count(length);
    return c.bytes.substr(offset, length);
  }

  // count | bytes | count * value entry | …
  template <class Offset>
  void array(ByteReader in, unsigned depth) {
    const Container c = container<Offset>(in, depth, value_entry_bytes<Offset>);
    out_.push_back('[');
    for (std::size_t i = 0; i < c.count && !failed_; ++i) {
      if (i > 0) out_.append(", ");
      entry<Offset>(c, in, depth);
    }
    out_.push_back(']');
  }

  template <class Offset>
  static bool is_inlined(JsonType type) {
    switch (type) {
      case JsonType::literal:
      case JsonType::int16:
      case JsonType::uint16:
        return true;
      case JsonType::int32:
      case JsonType::uint32:
        return sizeof(Offset) == 4;
      case JsonType::small_object:
      case JsonType::large_object:
      case JsonType::small_array:
      case JsonType::large_array:
      case JsonType::int64:
      case JsonType::uint64:
      case JsonType::double_number:
      case JsonType::string:
      case JsonType::opaque:
        return false;
    }
    return false;
  }

  // u8 type | its offset, or itself where it is small enough
  template <class Offset>
  void entry(const Container& c, ByteReader& in, unsigned depth) {
    const auto type = static_cast<JsonType>(take<std::uint8_t>(in));
    const std::string_view place = in.bytes(sizeof(Offset));
    if (in.failed()) failed_ = true;
    if (failed_) return;
    if (is_inlined<Offset>(type)) return value(type, ByteReader(place), depth + 1);
    ByteReader at_place(place);
    const std::size_t offset = take<Offset>(at_place);
    if (failed_ || offset >= c.bytes.size()) {
      failed_ = true;
      return;
    }
    value(type, ByteReader(c.bytes.substr(offset)), depth + 1);
  }

  std::string& out_;
  std::size_t bytes_left_;
  bool failed_ = false;
};

}  // namespace

Status append_json_text(std::string& out, std::string_view document) {
  if (document.empty()) {
    out.append("null");
    return {};
  }
  const std::size_t size_before = out.size();
  ByteReader in(document);
  JsonPrinter printer(out, document.size());
  const auto type = static_cast<JsonType>(in.le<std::uint8_t>());
  printer.value(type, in, 0);
  if (!printer.failed()) return {};
  out.resize(size_before);
  return fail(Code::corrupt, "bytes that are no JSON document");
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out.push_back('"');
  std::size_t copied = 0;  // text before it is in `out`
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<std::uint8_t>(text[at]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(copied, at - copied)).push_back('\\');
    copied = at + 1;
    constexpr std::string_view named = "\"\\\b\f\n\r\t";
    constexpr std::string_view names = "\"\\bfnrt";
    const std::size_t name = named.find(text[at]);
    if (name != std::string_view::npos) {
      out.push_back(names[name]);
    } else {
      out.append("u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
  out.append(text.substr(copied)).push_back('"');
}

}  // namespace tidelog::mysql
