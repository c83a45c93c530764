#include "connectors/mysql/value_decoder.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "connectors/mysql/address_text.h"
#include "connectors/mysql/inflate.h"
#include "connectors/mysql/json_binary.h"
#include "connectors/mysql/json_diff.h"
#include "connectors/mysql/packed_decimal.h"
#include "connectors/mysql/packed_time.h"
#include "core/value_codec.h"

namespace tidelog::mysql {

namespace {

// Little-endian, of 1 to 8 bytes.
std::uint64_t little_endian(ByteReader& in, std::size_t bytes) {
  const std::string_view raw = in.bytes(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = raw.size(); i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(raw[i - 1]);
  }
  return value;
}

// Nothing when it is cut off: `in` has failed then.
std::string_view sized(ByteReader& in, const ColumnFormat& format) {
  return in.bytes(little_endian(in, format.length_bytes));
}

std::uint64_t u24(ByteReader& in) { return little_endian(in, 3); }

std::int64_t i24(ByteReader& in) {
  const auto value = static_cast<std::int64_t>(u24(in));
  return value < 0x80'0000 ? value : value - 0x100'0000;
}

// 1901 to 2155, and 0 for the year 0000.
std::int64_t year(ByteReader& in) {
  const std::int64_t number = in.le<std::uint8_t>();
  return number == 0 ? 0 : 1900 + number;
}

// The stored form has its length in front: one byte, as a decimal's text is short.
void put_decimal(std::string& out, const ColumnFormat& format, ByteReader& in) {
  static_assert(decimal_text_bytes_max < 0x80, "the length is one byte");
  out.push_back(static_cast<char>(ValueKind::decimal));
  out.push_back(0);
  const std::size_t begin = out.size();
  append_packed_decimal(out, in, format.length, format.decimals);
  out[begin - 1] = static_cast<char>(out.size() - begin);
}

// Big-endian and filled up in front; the stored form is filled up behind.
void put_bits(std::string& out, const ColumnFormat& format, ByteReader& in) {
  const std::size_t bytes = (format.length + 7U) / 8;
  std::uint64_t value = 0;
  for (const char c : in.bytes(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
  if (std::bit_width(value) > format.length) in.fail();
  if (in.failed()) return;
  value <<= bytes * 8 - format.length;
  std::array<char, sizeof value> raw;
  for (std::size_t i = 0; i < bytes; ++i) {
    raw[i] = static_cast<char>(value >> (8 * (bytes - 1 - i)));
  }
  put_value(out, Bits{format.length, {raw.data(), bytes}});
}

// Ordinal 0 is what the server makes of a value that is none of the labels, and prints as ''.
Status put_enumeration(std::string& out, const ColumnFormat& format, ByteReader& in) {
  const std::uint64_t ordinal = little_endian(in, format.length);
  if (ordinal > format.labels.size()) {
    return fail(Code::unsupported, fmt::format("ordinal {} of an enum that has {} labels", ordinal,
                                               format.labels.size()));
  }
  put_value(out, Enumeration{ordinal == 0 ? std::string_view()
                                          : std::string_view(format.labels[ordinal - 1])});
  return {};
}

Status put_set(std::string& out, const ColumnFormat& format, ByteReader& in, std::string& text) {
  const std::uint64_t members = little_endian(in, format.length);
  const auto width = static_cast<std::size_t>(std::bit_width(members));
  if (width > format.labels.size()) {
    return fail(Code::unsupported, fmt::format("members 0x{:x} of a set that has {} labels",
                                               members, format.labels.size()));
  }
  text.clear();
  for (std::size_t i = 0; i < width; ++i) {
    if ((members >> i & 1) != 0) text.append(format.labels[i]).push_back(',');
  }
  if (!text.empty()) text.pop_back();
  put_value(out, Set{text});
  return {};
}

void put_geometry(std::string& out, std::string_view bytes, ByteReader& in) {
  // What INSERT IGNORE makes of a text that is no geometry.
  if (bytes.empty()) return put_value(out, Geometry{0, {}});
  ByteReader content(bytes);
  const auto srid = content.le<std::uint32_t>();
  if (content.failed()) return in.fail();
  put_value(out, Geometry{srid, content.rest()});
}

void put_vector(std::string& out, std::string_view bytes, ByteReader& in) {
  if (bytes.size() % sizeof(float) != 0) return in.fail();
  put_value(out, Vector{bytes});
}

// Values of a fixed number of bytes come without the zeros at their end.
template <std::size_t size>
bool fill(std::string_view bytes, std::array<std::uint8_t, size>& whole) {
  if (bytes.size() > size) return false;
  whole.fill(0);
  for (std::size_t i = 0; i < bytes.size(); ++i) whole[i] = static_cast<std::uint8_t>(bytes[i]);
  return true;
}

void put_binary(std::string& out, const ColumnFormat& format, std::string_view bytes,
                ByteReader& in) {
  if (bytes.size() > format.length) return in.fail();
  out.push_back(static_cast<char>(ValueKind::bytes));
  put_varint(out, format.length);
  out.append(bytes).append(format.length - bytes.size(), '\0');
}

void put_uuid(std::string& out, std::string_view bytes, ByteReader& in) {
  Uuid uuid;
  if (!fill(bytes, uuid.bytes)) return in.fail();
  put_value(out, uuid);
}

template <class Address>
void put_address(std::string& out, std::string_view bytes, ByteReader& in) {
  Address address;
  if (!fill(bytes, address)) return in.fail();
  put_value(out, Other{address_text(address)});
}

std::string_view without_spaces_behind(std::string_view text) {
  const std::size_t last = text.find_last_not_of(' ');
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

Status ValueDecoder::put(std::string& out, const ColumnFormat& format, ByteReader& in) {
  switch (format.form) {
    case ValueForm::int8:
      put_value(out, std::int64_t{in.le<std::int8_t>()});
      return {};
    case ValueForm::int16:
      put_value(out, std::int64_t{in.le<std::int16_t>()});
      return {};
    case ValueForm::int24:
      put_value(out, i24(in));
      return {};
    case ValueForm::int32:
      put_value(out, std::int64_t{in.le<std::int32_t>()});
      return {};
    case ValueForm::int64:
      put_value(out, in.le<std::int64_t>());
      return {};
    case ValueForm::uint8:
      put_value(out, std::uint64_t{in.le<std::uint8_t>()});
      return {};
    case ValueForm::uint16:
      put_value(out, std::uint64_t{in.le<std::uint16_t>()});
      return {};
    case ValueForm::uint24:
      put_value(out, u24(in));
      return {};
    case ValueForm::uint32:
      put_value(out, std::uint64_t{in.le<std::uint32_t>()});
      return {};
    case ValueForm::uint64:
      put_value(out, in.le<std::uint64_t>());
      return {};
    case ValueForm::year:
      put_value(out, year(in));
      return {};
    case ValueForm::float32:
      put_value(out, in.le<float>());
      return {};
    case ValueForm::float64:
      put_value(out, in.le<double>());
      return {};
    case ValueForm::decimal:
      put_decimal(out, format, in);
      return {};
    case ValueForm::bits:
      put_bits(out, format, in);
      return {};
    case ValueForm::date:
      put_value(out, read_date(in));
      return {};
    case ValueForm::time2:
      put_value(out, read_time2(in, format.decimals));
      return {};
    case ValueForm::datetime2:
      put_value(out, read_datetime2(in, format.decimals));
      return {};
    case ValueForm::timestamp2:
      put_value(out, read_timestamp2(in, format.decimals));
      return {};
    case ValueForm::old_time:
      put_value(out, read_old_time(in));
      return {};
    case ValueForm::old_datetime:
      put_value(out, read_old_datetime(in));
      return {};
    case ValueForm::old_timestamp:
      put_value(out, read_old_timestamp(in));
      return {};
    case ValueForm::mariadb53_time:
      put_value(out, read_mariadb53_time(in, format.decimals));
      return {};
    case ValueForm::mariadb53_datetime:
      put_value(out, read_mariadb53_datetime(in, format.decimals));
      return {};
    case ValueForm::mariadb53_timestamp:
      put_value(out, read_mariadb53_timestamp(in, format.decimals));
      return {};
    case ValueForm::enumeration:
      return put_enumeration(out, format, in);
    case ValueForm::set:
      return put_set(out, format, in, text_);
    case ValueForm::text:
    case ValueForm::character:
      return put_text(out, format, sized(in, format));
    case ValueForm::bytes:
      put_value(out, Bytes{sized(in, format)});
      return {};
    case ValueForm::binary:
      put_binary(out, format, sized(in, format), in);
      return {};
    case ValueForm::json:
      return put_json(out, sized(in, format));
    case ValueForm::geometry:
      put_geometry(out, sized(in, format), in);
      return {};
    case ValueForm::vector:
      put_vector(out, sized(in, format), in);
      return {};
    case ValueForm::uuid:
      put_uuid(out, sized(in, format), in);
      return {};
    case ValueForm::inet4:
      put_address<Inet4>(out, sized(in, format), in);
      return {};
    case ValueForm::inet6:
      put_address<Inet6>(out, sized(in, format), in);
      return {};
    case ValueForm::compressed_text: {
      TRY(const std::string_view text, uncompressed(sized(in, format)));
      return put_text(out, format, text);
    }
    case ValueForm::compressed_bytes: {
      TRY(const std::string_view content, uncompressed(sized(in, format)));
      put_value(out, Bytes{content});
      return {};
    }
  }
  return {};
}

Status ValueDecoder::put_text(std::string& out, const ColumnFormat& format,
                              std::string_view bytes) {
  std::string_view text = bytes;
  const bool is_utf8 =
      format.charset->is_utf8() || (format.charset->keeps_ascii() && is_ascii(bytes));
  if (!is_utf8) {
    text_.clear();
    TRY_DO(format.charset->append_utf8(text_, bytes));
    text = text_;
  }
  put_value(out, Text{format.form == ValueForm::character ? without_spaces_behind(text) : text});
  return {};
}

Status ValueDecoder::put_json(std::string& out, std::string_view document) {
  text_.clear();
  TRY_DO(append_json_text(text_, document));
  put_value(out, Json{text_});
  return {};
}

Status ValueDecoder::put_json_diffs(std::string& out, const ColumnFormat& format,
                                    std::string_view before, ByteReader& in) {
  const std::string_view diffs = sized(in, format);
  if (in.failed()) return {};
  text_ = before;
  TRY_DO(apply_json_diffs(text_, diffs));
  put_value(out, Json{text_});
  return {};
}

// Nothing, or u8 how, and the value itself, or big-endian length (its bytes in the three low bits
// of how) | zlib's stream, without zlib's header when bit 8 is set (MariaDB source, sql/field.cc).
Result<std::string_view> ValueDecoder::uncompressed(std::string_view bytes) {
  if (bytes.empty()) return bytes;
  ByteReader in(bytes);
  const unsigned how = in.le<std::uint8_t>();
  if (how == 0) return in.rest();
  constexpr unsigned zlib = 0x80;
  constexpr unsigned without_header = 0x08;
  if ((how & ~(without_header | 7U)) != zlib) {
    return fail(Code::unsupported, fmt::format("a column compressed in way 0x{:02x}", how));
  }
  std::uint64_t size = 0;
  for (const char c : in.bytes(how & 7U)) size = size << 8 | static_cast<std::uint8_t>(c);
  const std::string_view stream = in.rest();
  TRY_DO(inflate(inflated_, stream, size,
                 (how & without_header) != 0 ? ZlibHeader::absent : ZlibHeader::present));
  return inflated_;
}

}  // namespace tidelog::mysql
