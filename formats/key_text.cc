#include "formats/key_text.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/value_codec.h"
#include "core/value_text.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

std::vector<const Column*> key_columns(const Schema& schema) {
  std::vector<const Column*> columns;
  for (const Column& column : schema.columns) {
    if (column.key) columns.push_back(&column);
  }
  return columns;
}

// "key of public.orders: id (integer)", "key of public.lines: [order_id (integer), line (text)]"
std::string expected(const Schema& schema, const std::vector<const Column*>& columns) {
  std::string list;
  for (const Column* column : columns) {
    if (!list.empty()) list += ", ";
    list += column->name + " (" + column->type + ")";
  }
  if (columns.size() > 1) list = "a JSON array [" + list + "]";
  return "the key of " + schema.table_schema + "." + schema.table + " is " + list;
}

// Takes the scalars of one JSON array as text; numbers keep their digits. Anything else ends the
// parse.
class ScalarList : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<std::string> scalars;

  bool null() override { return false; }  // no key column is null
  bool boolean(bool yes) override { return add(yes ? "t" : "f"); }
  bool number_integer(number_integer_t number) override { return add(std::to_string(number)); }
  bool number_unsigned(number_unsigned_t number) override { return add(std::to_string(number)); }
  bool number_float(number_float_t, const string_t& digits) override { return add(digits); }
  bool string(string_t& text) override { return add(text); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return false; }
  bool key(string_t&) override { return false; }
  bool end_object() override { return false; }
  bool start_array(std::size_t) override { return depth_++ == 0; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool add(std::string text) {
    if (depth_ == 0) return false;
    scalars.push_back(std::move(text));
    return true;
  }

  int depth_ = 0;
};

// The flat form prints some kinds otherwise than the database does: back to the database's own
// form.
std::string as_database_text(ValueKind kind, std::string_view text) {
  std::string own(text);
  if (kind == ValueKind::boolean && (own == "true" || own == "false")) own.resize(1);
  if (kind == ValueKind::timestamp || kind == ValueKind::timestamp_tz) {
    if (const auto t = own.find('T'); t != std::string::npos) own[t] = ' ';
    if (kind == ValueKind::timestamp_tz && own.ends_with('Z'))
      own.replace(own.size() - 1, 1, "+00");
  }
  return own;
}

Status put_key_value(std::string& out, const Column& column, std::string_view text) {
  auto put = put_value_from_text(out, column.kind, as_database_text(column.kind, text));
  if (put) return {};
  return fail(Code::misconfigured, column.name + ": " + put.error().what);
}

}  // namespace

Result<std::string> parse_key(std::string_view text, const Schema& schema) {
  const auto columns = key_columns(schema);
  if (columns.empty()) {
    return fail(Code::misconfigured, schema.table_schema + "." + schema.table +
                                         " has no key: its rows cannot be told apart");
  }
  std::vector<std::string> values{std::string(text)};
  if (columns.size() > 1) {
    ScalarList list;
    // The parser alone would not see what stands behind a zero byte.
    std::string json;
    const bool parsed = put_json_embedded(json, text) && nlohmann::json::sax_parse(json, &list);
    if (!parsed || list.scalars.size() != columns.size()) {
      return fail(Code::misconfigured, expected(schema, columns) + ", not " + std::string(text));
    }
    values = std::move(list.scalars);
  }
  std::string key;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (auto put = put_key_value(key, *columns[i], values[i]); !put) {
      return fail_in(expected(schema, columns), std::move(put).error());
    }
  }
  return key;
}

}  // namespace tidelog
