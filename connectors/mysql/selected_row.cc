#include "connectors/mysql/selected_row.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "core/bytes.h"
#include "core/value_codec.h"
#include "core/value_text.h"

namespace tidelog::mysql {

namespace {

// FLOAT is printed with six digits only; as a DOUBLE it has them all. Labels have a character set
// of their own, which the catalog does not tell by labels. MariaDB's types are asked for as they
// are logged.
std::string expression_of(const std::string& name, const std::string& type, ValueForm form) {
  if (form == ValueForm::float32 || form == ValueForm::float64)
    return fmt::format("{} * 1e0", name);
  if (form == ValueForm::enumeration || form == ValueForm::set)
    return fmt::format("CONVERT({} USING utf8mb4)", name);
  if (type == "uuid") return fmt::format("UNHEX(REPLACE({}, '-', ''))", name);
  if (type == "inet4" || type == "inet6") return fmt::format("INET6_ATON({})", name);
  return name;
}

// A DECIMAL with ZEROFILL has zeros in front.
std::string_view without_zeros(std::string_view digits) {
  while (digits.size() > 1 && digits[0] == '0' && digits[1] != '.') digits.remove_prefix(1);
  return digits;
}

// MySQL's year 0, which the text form calls the year before the year 1, unless the date is partial.
bool is_whole_date_of_year_0(std::string_view date) {
  return date.starts_with("0000-") && date.size() >= 10 && date.substr(5, 2) != "00" &&
         date.substr(8, 2) != "00";
}

bool has_date(ValueKind kind) {
  return kind == ValueKind::date || kind == ValueKind::timestamp || kind == ValueKind::timestamp_tz;
}

// As put_value_from_text takes it.
void append_date_form(std::string& out, ValueKind kind, std::string_view text) {
  const bool is_year_0 = is_whole_date_of_year_0(text);
  if (is_year_0) {
    out.append("0001").append(text.substr(4));
  } else {
    out.append(text);
  }
  if (kind == ValueKind::timestamp_tz) out.append("+00");
  if (is_year_0) out.append(" BC");
}

// What is in an answer as the log has it.
bool is_content(ValueKind kind) {
  return kind == ValueKind::text || kind == ValueKind::bytes || kind == ValueKind::bits ||
         kind == ValueKind::geometry || kind == ValueKind::vector;
}

struct LiteralPrinter {
  Result<std::string> operator()(std::int64_t number) const { return std::to_string(number); }
  Result<std::string> operator()(std::uint64_t number) const { return std::to_string(number); }
  // A FLOAT is compared as the DOUBLE that it is.
  Result<std::string> operator()(float number) const { return (*this)(double{number}); }
  Result<std::string> operator()(double number) const { return fmt::format("{:.17e}", number); }
  Result<std::string> operator()(const Decimal& number) const { return std::string(number.text); }
  Result<std::string> operator()(const Text& text) const { return quote_text(text.text); }
  Result<std::string> operator()(const Enumeration& label) const { return quote_text(label.label); }
  Result<std::string> operator()(const Set& labels) const { return quote_text(labels.labels); }
  Result<std::string> operator()(const Bytes& bytes) const {
    std::string hex = "x'";
    for (const char c : bytes.bytes) hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
    return hex + "'";
  }
  Result<std::string> operator()(const Bits& bits) const {
    std::string digits = "b'";
    for (std::uint32_t i = 0; i < bits.count; ++i) {
      const auto byte = static_cast<unsigned char>(bits.bytes[i / 8]);
      digits.push_back((byte >> (7 - i % 8) & 1) != 0 ? '1' : '0');
    }
    return digits + "'";
  }
  Result<std::string> operator()(const Date& date) const { return quoted(date); }
  Result<std::string> operator()(const Time& time) const { return quoted(time); }
  Result<std::string> operator()(const Timestamp& moment) const { return quoted(moment); }
  Result<std::string> operator()(const TimestampTz& moment) const {
    return quoted(Timestamp{moment.date, moment.micros});
  }
  template <class Other>
  Result<std::string> operator()(const Other& /*value*/) const {
    return fail(Code::unsupported, "a key with a value of this type cannot be asked for");
  }

  static Result<std::string> quoted(const Value& value) {
    std::string text;
    print_value(text, value);
    if (text.ends_with(" BC"))
      return fail(Code::unsupported, "a key with a date of the year 0 cannot be asked for");
    return "'" + text + "'";
  }
};

}  // namespace

std::string selection_of(const CatalogTable& table, const TableFormat& format) {
  std::string selection;
  for (std::size_t i = 0; i < format.columns.size(); ++i) {
    if (i != 0) selection.append(", ");
    selection += expression_of(quote_name(format.schema.columns[i].name), table.types[i],
                               format.columns[i].form);
  }
  return selection;
}

Result<std::string> literal_of(const Value& value) {
  return std::visit(LiteralPrinter{}, value.variant());
}

Status SelectedRow::read(std::span<const std::optional<std::string_view>> values,
                         const TableFormat& table) {
  const std::vector<Column>& columns = table.schema.columns;
  if (values.size() != columns.size())
    return fail(Code::corrupt, fmt::format("a row of {} values where {} were asked for",
                                           values.size(), columns.size()));
  row_.begin(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!values[i]) {
      put_value(row_.bytes(), Null{});
    } else if (auto done = put(table.columns[i], columns[i].kind, *values[i]); !done) {
      return fail_in(fmt::format("table {}.{}, column {} ({})", table.schema.table_schema,
                                 table.schema.table, columns[i].name, columns[i].type),
                     std::move(done).error());
    }
    row_.end_value();
  }
  return {};
}

// Unchanged values, of which there are none here, are the only ones that a key lacks.
std::string_view SelectedRow::key(const Schema& schema) { return row_.key(schema).value_or(""); }

Status SelectedRow::put(const ColumnFormat& format, ValueKind kind, std::string_view value) {
  if (is_content(kind)) return put_content(format, value);
  if (kind == ValueKind::decimal)
    return put_value_from_text(row_.bytes(), kind, without_zeros(value));
  if (kind == ValueKind::set) {
    put_value(row_.bytes(), Set{value});
    return {};
  }
  if (!has_date(kind)) return put_value_from_text(row_.bytes(), kind, value);
  text_.clear();
  append_date_form(text_, kind, value);
  return put_value_from_text(row_.bytes(), kind, text_);
}

// What the log has behind a length, or as it is (BIT), is the same in an answer.
Status SelectedRow::put_content(const ColumnFormat& format, std::string_view content) {
  ColumnFormat whole = format;
  whole.length_bytes = sizeof(std::uint32_t);
  text_.clear();
  if (format.form != ValueForm::bits) put_le(text_, static_cast<std::uint32_t>(content.size()));
  text_.append(content);
  ByteReader in(text_);
  TRY_DO(values_.put(row_.bytes(), whole, in));
  if (!in.failed() && in.remaining() == 0) return {};
  return fail(Code::corrupt, "bytes that are no such value");
}

}  // namespace tidelog::mysql
