#include "connectors/postgres/ddl_message.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tidelog::postgres {

namespace {

constexpr std::size_t column_fields = 6;
constexpr std::size_t object_fields_min = 4;  // of one that was dropped

// After the first field that is not there all others are empty, and only finish() tells.
class Fields {
 public:
  explicit Fields(std::string_view text) : text_(text) {}

  std::string_view text() {
    const std::size_t colon = text_.find(':');
    std::size_t size = 0;
    if (colon == std::string_view::npos || !read(text_.substr(0, colon), size) ||
        size > text_.size() - colon - 1) {
      fail();
      return {};
    }
    const std::string_view field = text_.substr(colon + 1, size);
    text_.remove_prefix(colon + 1 + size);
    return field;
  }

  template <class Number>
  Number number() {
    Number value = 0;
    if (!read(text(), value)) fail();
    return value;
  }

  // Of items that have at least so many fields each.
  std::size_t count(std::size_t fields_min) {
    const auto items = number<std::size_t>();
    if (items > text_.size() / (fields_min * field_bytes_min)) fail();
    return is_broken_ ? 0 : items;
  }

  bool is_broken() const { return is_broken_; }
  void fail() {
    is_broken_ = true;
    text_ = {};
  }

  template <class Value>
  Result<Value> finish(Value value, const char* what) const {
    if (is_broken_ || !text_.empty())
      return tidelog::fail(Code::corrupt,
                           std::string(what) + ": not in the form that it should be");
    return value;
  }

 private:
  static constexpr std::size_t field_bytes_min = 2;

  template <class Number>
  static bool read(std::string_view digits, Number& value) {
    const char* const end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, value);
    return error == std::errc{} && at == end;
  }

  std::string_view text_;
  bool is_broken_ = false;
};

ReplicaIdentity read_identity(Fields& in) {
  const std::string_view letter = in.text();
  if (letter == "d") return ReplicaIdentity::primary_key;
  if (letter == "i") return ReplicaIdentity::index;
  if (letter == "f") return ReplicaIdentity::full;
  if (letter != "n") in.fail();
  return ReplicaIdentity::nothing;
}

void read_flags(Fields& in, DescribedColumn& column) {
  for (const char flag : in.text()) {
    switch (flag) {
      case 'e':
        column.is_enum = true;
        break;
      case 'n':
        column.not_null = true;
        break;
      case 'p':
        column.primary_key = true;
        break;
      case 'i':
        column.identity_index = true;
        break;
      case 'g':
        column.generated = true;
        break;
      default:
        in.fail();
    }
  }
}

DescribedColumn read_column(Fields& in) {
  DescribedColumn column;
  column.name = in.text();
  column.type = in.number<std::uint32_t>();
  column.type_modifier = in.number<std::int32_t>();
  column.type_name = in.text();
  column.bottom_type = in.number<std::uint32_t>();
  read_flags(in, column);
  return column;
}

TableDescription read_description(Fields& in) {
  TableDescription table;
  table.oid = in.number<std::uint32_t>();
  table.schema = in.text();
  table.table = in.text();
  table.identity = read_identity(in);
  for (std::size_t left = in.count(column_fields); left != 0 && !in.is_broken(); --left)
    table.columns.push_back(read_column(in));
  return table;
}

TouchedTable read_touched(Fields& in) {
  TouchedTable touched;
  touched.was_schema = in.text();
  touched.was_table = in.text();
  touched.now = read_description(in);
  return touched;
}

DroppedTable read_dropped(Fields& in) {
  DroppedTable dropped;
  dropped.oid = in.number<std::uint32_t>();
  dropped.schema = in.text();
  dropped.table = in.text();
  return dropped;
}

// As pgoutput flags the columns of old rows.
bool is_flagged(const TableDescription& table, const DescribedColumn& column) {
  switch (table.identity) {
    case ReplicaIdentity::primary_key:
      return column.primary_key;
    case ReplicaIdentity::index:
      return column.identity_index;
    case ReplicaIdentity::full:
      return true;
    case ReplicaIdentity::nothing:
      return false;
  }
  return false;
}

}  // namespace

std::string_view token_of(std::string_view content) {
  Fields in(content);
  in.text();  // the version
  return in.text();
}

Result<DdlMessage> read_ddl_message(std::string_view content) {
  Fields in(content);
  DdlMessage message;
  if (in.text() != "1") in.fail();
  message.token = in.text();
  message.problem = in.text();
  message.command = in.text();
  message.statement = in.text();
  for (std::size_t left = in.count(object_fields_min); left != 0 && !in.is_broken(); --left) {
    const std::string_view what = in.text();
    if (what == "table") {
      message.touched.push_back(read_touched(in));
    } else if (what == "dropped") {
      message.dropped.push_back(read_dropped(in));
    } else {
      in.fail();
      break;
    }
  }
  return in.finish(std::move(message), "message of the event triggers");
}

Result<TableDescription> read_table_description(std::string_view text) {
  Fields in(text);
  TableDescription table = read_description(in);
  return in.finish(std::move(table), "description of a table");
}

bool fits(const TableDescription& description, const Relation& relation) {
  if (description.schema != relation.schema || description.table != relation.table ||
      description.identity != relation.identity) {
    return false;
  }
  return std::ranges::all_of(relation.columns, [&](const RelationColumn& sent) {
    const auto column = std::ranges::find(description.columns, sent.name, &DescribedColumn::name);
    return column != description.columns.end() && column->type == sent.type &&
           column->type_modifier == sent.type_modifier &&
           is_flagged(description, *column) == sent.key;
  });
}

}  // namespace tidelog::postgres
