#include "connectors/mysql/column_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "connectors/mysql/type_text.h"

namespace tidelog::mysql {

namespace {

// What MariaDB adds to a table's own columns, behind them, and does not list in its catalog.
enum class Added : std::uint8_t {
  none,
  row_hash,   // of a unique key over long columns; nobody sees it
  row_start,  // of a table with system versioning whose definition does not name them
  row_end,
};

Added added_column(const TableMap& map, std::size_t index, const std::vector<ColumnFacts>* facts,
                   Flavour flavour) {
  const MappedColumn& column = map.columns[index];
  if (flavour != Flavour::mariadb) return Added::none;
  const bool is_unlisted = facts != nullptr && index >= facts->size();
  if (column.type == ColumnType::longlong) {
    const bool is_hash = column.name ? column.name->starts_with(row_hash_prefix) : is_unlisted;
    return is_hash ? Added::row_hash : Added::none;
  }
  if (column.type != ColumnType::timestamp2 || column.decimals != 6 || !is_unlisted) {
    return Added::none;
  }
  return index == facts->size() ? Added::row_start : Added::row_end;
}

// Whether the catalog's type begins with this word.
bool is_type(const ColumnFacts* facts, std::string_view word) {
  if (facts == nullptr || !facts->type.starts_with(word)) return false;
  const std::string_view rest = std::string_view(facts->type).substr(word.size());
  return rest.empty() || rest.front() == ' ' || rest.front() == '(';
}

constexpr std::uint32_t binary_collation = 63;
constexpr std::uint16_t uuid_bytes = 16;
constexpr std::uint16_t inet4_bytes = 4;
constexpr std::uint16_t inet6_bytes = 16;

// Works out one column.
class ColumnReader {
 public:
  ColumnReader(const TableMap& map, std::size_t index, const ColumnFacts* facts, Flavour flavour)
      : map_(map), column_(map.columns[index]), index_(index), facts_(facts), flavour_(flavour) {}

  Result<ColumnFormat> read() {
    format_.length = column_.length;
    format_.decimals = column_.decimals;
    TRY_DO(read_type());
    return std::move(format_);
  }

 private:
  Status read_type() {
    switch (column_.type) {
      case ColumnType::tiny:
        return integer(ValueForm::int8, ValueForm::uint8);
      case ColumnType::short_integer:
        return integer(ValueForm::int16, ValueForm::uint16);
      case ColumnType::int24:
        return integer(ValueForm::int24, ValueForm::uint24);
      case ColumnType::long_integer:
        return integer(ValueForm::int32, ValueForm::uint32);
      case ColumnType::longlong:
        return integer(ValueForm::int64, ValueForm::uint64);
      case ColumnType::year:
        return is(ValueForm::year);
      case ColumnType::float_number:
        return is(ValueForm::float32);
      case ColumnType::double_number:
        return is(ValueForm::float64);
      case ColumnType::newdecimal:
        return is(ValueForm::decimal);
      case ColumnType::bit:
        return is(ValueForm::bits);
      case ColumnType::date:
      case ColumnType::newdate:
        return is(ValueForm::date);
      case ColumnType::time2:
        return is(ValueForm::time2);
      case ColumnType::datetime2:
        return is(ValueForm::datetime2);
      case ColumnType::timestamp2:
        return is(ValueForm::timestamp2);
      case ColumnType::time:
        return old_time(ValueForm::old_time, ValueForm::mariadb53_time);
      case ColumnType::datetime:
        return old_time(ValueForm::old_datetime, ValueForm::mariadb53_datetime);
      case ColumnType::timestamp:
        return old_time(ValueForm::old_timestamp, ValueForm::mariadb53_timestamp);
      case ColumnType::enumeration:
        return labelled(ValueForm::enumeration);
      case ColumnType::set:
        return labelled(ValueForm::set);
      case ColumnType::string:
        return string();
      case ColumnType::varchar:
      case ColumnType::var_string:
        return varchar();
      case ColumnType::varchar_compressed:
        format_.length_bytes = column_.length > 255 ? 2 : 1;
        return text_or(ValueForm::compressed_text, ValueForm::compressed_bytes);
      case ColumnType::blob:
        return sized(ValueForm::text, ValueForm::bytes);
      case ColumnType::blob_compressed:
        return sized(ValueForm::compressed_text, ValueForm::compressed_bytes);
      case ColumnType::json:
        return sized(ValueForm::json);
      case ColumnType::geometry:
        return sized(ValueForm::geometry);
      case ColumnType::vector:
        return sized(ValueForm::vector);
      case ColumnType::decimal:
      case ColumnType::null:
      case ColumnType::typed_array:
        break;
    }
    return refuse(Code::unsupported,
                  fmt::format("values of type {} cannot be read", name_of(column_.type)));
  }

  Status is(ValueForm form) {
    format_.form = form;
    return {};
  }

  Status integer(ValueForm with_sign, ValueForm without_sign) {
    std::optional<bool> is_unsigned = column_.is_unsigned;
    if (facts_ != nullptr) {
      const bool by_catalog = facts_->type.find(" unsigned") != std::string::npos;
      if (is_unsigned && *is_unsigned != by_catalog) return disagrees();
      is_unsigned = by_catalog;
    }
    if (!is_unsigned) return says_too_little("whether it is signed");
    return is(*is_unsigned ? without_sign : with_sign);
  }

  // Of the forms without metadata only MariaDB has some with fractions, and its log does not say
  // where. Those of MySQL have none.
  Status old_time(ValueForm form, ValueForm with_fraction) {
    if (facts_ == nullptr) {
      if (flavour_ == Flavour::mysql) return is(form);
      return says_too_little(
          "how many digits of a second it has, as its table was made with mysql56_temporal_format "
          "off (ALTER TABLE ... FORCE makes it anew)");
    }
    const unsigned decimals = number_in_brackets(facts_->type);
    if (decimals == 0) return is(form);
    if (flavour_ == Flavour::mysql || decimals > 6) return disagrees();
    format_.decimals = static_cast<std::uint8_t>(decimals);
    return is(with_fraction);
  }

  Status labelled(ValueForm form) {
    std::optional<std::vector<std::string>> by_catalog;
    if (facts_ != nullptr) by_catalog = labels_of_type(facts_->type);
    if (facts_ != nullptr && !by_catalog) return disagrees();
    if (column_.labels) {
      TRY_DO(read_labels());
      if (by_catalog && *by_catalog != format_.labels) return disagrees();
    } else if (by_catalog) {
      format_.labels = *std::move(by_catalog);
    } else {
      return says_too_little("its labels");
    }
    return is(form);
  }

  Status read_labels() {
    TRY(format_.charset, charset());
    for (const std::string& label : *column_.labels) {
      std::string& text = format_.labels.emplace_back();
      if (auto done = format_.charset->append_utf8(text, label); !done) {
        return refuse(done.error().code, "label: " + done.error().what);
      }
    }
    return {};
  }

  // CHAR and BINARY, and MariaDB's types of a fixed size, which are logged as if they were BINARY.
  Status string() {
    format_.length_bytes = column_.length > 255 ? 2 : 1;
    if (is_type(facts_, "uuid")) return fixed(ValueForm::uuid, uuid_bytes);
    if (is_type(facts_, "inet4")) return fixed(ValueForm::inet4, inet4_bytes);
    if (is_type(facts_, "inet6")) return fixed(ValueForm::inet6, inet6_bytes);
    return text_or(ValueForm::character, ValueForm::binary);
  }

  Status fixed(ValueForm form, std::uint16_t bytes) {
    if (column_.length != bytes) return disagrees();
    return is(form);
  }

  // In MariaDB a vector is logged as if it were VARBINARY.
  Status varchar() {
    format_.length_bytes = column_.length > 255 ? 2 : 1;
    if (flavour_ == Flavour::mariadb && is_type(facts_, "vector")) return is(ValueForm::vector);
    return text_or(ValueForm::text, ValueForm::bytes);
  }

  Status sized(ValueForm form) {
    format_.length_bytes = static_cast<std::uint8_t>(column_.length);
    return is(form);
  }

  Status sized(ValueForm text_form, ValueForm bytes_form) {
    format_.length_bytes = static_cast<std::uint8_t>(column_.length);
    return text_or(text_form, bytes_form);
  }

  Status text_or(ValueForm text_form, ValueForm bytes_form) {
    TRY(format_.charset, charset());
    return is(format_.charset->is_binary() ? bytes_form : text_form);
  }

  Result<const Charset*> charset() {
    const Charset* by_catalog = facts_ == nullptr ? nullptr : facts_->charset;
    if (by_catalog == nullptr && facts_ != nullptr) by_catalog = charset_named("binary");
    if (!column_.collation) {
      if (by_catalog != nullptr) return by_catalog;
      return error_of(says_too_little("its character set"));
    }
    const auto logged = charset_of_collation(*column_.collation);
    if (!logged) return error_of(refuse(logged.error().code, logged.error().what));
    if (by_catalog != nullptr && by_catalog != *logged) return error_of(disagrees());
    return *logged;
  }

  std::string described() const {
    const std::string* name = column_.name        ? &*column_.name
                              : facts_ != nullptr ? &facts_->name
                                                  : nullptr;
    return fmt::format("table {}, column {}", map_.described(),
                       name != nullptr ? *name : std::to_string(index_ + 1));
  }

  Status refuse(Code code, std::string_view why) const {
    return fail(code, fmt::format("{}: {}", described(), why));
  }

  Status says_too_little(std::string_view what) const {
    return refuse(Code::misconfigured, fmt::format("the server's log does not say {}", what));
  }

  Status disagrees() const {
    return refuse(Code::conflict,
                  fmt::format("the catalog says {}, which the log does not fit", facts_->type));
  }

  const TableMap& map_;
  const MappedColumn& column_;
  std::size_t index_;
  const ColumnFacts* facts_;
  Flavour flavour_;
  ColumnFormat format_;
};

ValueKind kind_of(ValueForm form) {
  switch (form) {
    case ValueForm::int8:
    case ValueForm::int16:
    case ValueForm::int24:
    case ValueForm::int32:
    case ValueForm::int64:
    case ValueForm::year:
      return ValueKind::int64;
    case ValueForm::uint8:
    case ValueForm::uint16:
    case ValueForm::uint24:
    case ValueForm::uint32:
    case ValueForm::uint64:
      return ValueKind::uint64;
    case ValueForm::float32:
      return ValueKind::float32;
    case ValueForm::float64:
      return ValueKind::float64;
    case ValueForm::decimal:
      return ValueKind::decimal;
    case ValueForm::bits:
      return ValueKind::bits;
    case ValueForm::date:
      return ValueKind::date;
    case ValueForm::time2:
    case ValueForm::old_time:
    case ValueForm::mariadb53_time:
      return ValueKind::time;
    case ValueForm::datetime2:
    case ValueForm::old_datetime:
    case ValueForm::mariadb53_datetime:
      return ValueKind::timestamp;
    case ValueForm::timestamp2:
    case ValueForm::old_timestamp:
    case ValueForm::mariadb53_timestamp:
      return ValueKind::timestamp_tz;
    case ValueForm::enumeration:
      return ValueKind::enumeration;
    case ValueForm::set:
      return ValueKind::set;
    case ValueForm::text:
    case ValueForm::character:
    case ValueForm::compressed_text:
      return ValueKind::text;
    case ValueForm::bytes:
    case ValueForm::binary:
    case ValueForm::compressed_bytes:
      return ValueKind::bytes;
    case ValueForm::json:
      return ValueKind::json;
    case ValueForm::geometry:
      return ValueKind::geometry;
    case ValueForm::vector:
      return ValueKind::vector;
    case ValueForm::uuid:
      return ValueKind::uuid;
    case ValueForm::inet4:
    case ValueForm::inet6:
      return ValueKind::other;
  }
  return ValueKind::other;
}

// What a column is by the catalog and by the log. Signs, labels and the sizes of MariaDB's own
// types were compared when it was read.
bool fits_catalog(const ColumnFacts& facts, const MappedColumn& mapped,
                  const ColumnFormat& format) {
  const ValueForm form = format.form;
  if (form == ValueForm::uuid || form == ValueForm::inet4 || form == ValueForm::inet6) return true;
  if (form == ValueForm::vector && mapped.type != ColumnType::vector)
    return mapped.length == number_in_brackets(facts.type) * sizeof(float);
  return is_same_type(facts.type, type_text(mapped, format));
}

// The log's word counts: it is of the time of the rows.
bool is_key(const TableMap& map, std::size_t index, const ColumnFacts* facts) {
  if (!map.sends_names() && facts != nullptr) return facts->key;
  return std::ranges::any_of(map.primary_key,
                             [index](const KeyPart& part) { return part.column == index; });
}

Result<Column> column_of(const TableMap& map, std::size_t index, const ColumnFormat& format,
                         const ColumnFacts* facts) {
  const MappedColumn& mapped = map.columns[index];
  Column column;
  if (facts != nullptr && mapped.name && *mapped.name != facts->name) {
    return fail(Code::conflict, fmt::format("table {}, column {}: the catalog has {} in its place",
                                            map.described(), *mapped.name, facts->name));
  }
  if (facts == nullptr && !mapped.name) {
    return fail(Code::misconfigured,
                fmt::format("table {}, column {}: the server's log does not say its name",
                            map.described(), index + 1));
  }
  if (facts != nullptr && !fits_catalog(*facts, mapped, format)) {
    return fail(Code::conflict,
                fmt::format("table {}, column {}: the catalog says {}, which the log does not fit",
                            map.described(), facts->name, facts->type));
  }
  column.name = facts != nullptr ? facts->name : *mapped.name;
  column.type = facts != nullptr ? facts->type : type_text(mapped, format);
  column.kind = kind_of(format.form);
  column.key = is_key(map, index, facts);
  return column;
}

// Takes the facts of one column after the other.
class FactsInOrder {
 public:
  FactsInOrder(const TableMap& map, const std::vector<ColumnFacts>* facts)
      : map_(map), facts_(facts) {
    if (facts == nullptr) return;
    // A version's end is a part of the key, so that old versions stay beside the row.
    const bool has_key =
        std::ranges::any_of(*facts, [](const ColumnFacts& column) { return column.key; });
    version_ = {{{.name = "row_start", .type = "timestamp(6)"},
                 {.name = "row_end", .type = "timestamp(6)", .key = has_key}}};
  }

  // Null: there is no catalog.
  Result<const ColumnFacts*> next(Added added) {
    if (facts_ == nullptr) return nullptr;
    if (added == Added::row_start) return version_.data();
    if (added == Added::row_end) return &version_[1];
    if (used_ == facts_->size()) return error_of(other_count());
    return &(*facts_)[used_++];
  }

  Status finish() const {
    if (facts_ == nullptr || used_ == facts_->size()) return {};
    return other_count();
  }

 private:
  Status other_count() const {
    return fail(Code::conflict, fmt::format("table {}: the log has {} columns, the catalog {}",
                                            map_.described(), map_.columns.size(), facts_->size()));
  }

  const TableMap& map_;
  const std::vector<ColumnFacts>* facts_;
  std::array<ColumnFacts, 2> version_;
  std::size_t used_ = 0;
};

}  // namespace

bool has_row_hash_name(std::string_view statement) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
  return !std::ranges::search(statement, row_hash_prefix, {}, upper).empty();
}

Result<TableFormat> format_of(const TableMap& map, const std::vector<ColumnFacts>* facts,
                              Flavour flavour) {
  TableFormat table;
  table.schema.table_schema = map.schema;
  table.schema.table = map.table;
  table.columns.reserve(map.columns.size());
  FactsInOrder in_order(map, facts);
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    const Added added = added_column(map, i, facts, flavour);
    if (added == Added::row_hash) {
      table.columns.push_back({.form = ValueForm::uint64, .stored = false});
      continue;
    }
    TRY(const ColumnFacts* const fact, in_order.next(added));
    TRY(ColumnFormat format, ColumnReader(map, i, fact, flavour).read());
    TRY(Column column, column_of(map, i, format, fact));
    table.schema.columns.push_back(std::move(column));
    table.columns.push_back(std::move(format));
  }
  TRY_DO(in_order.finish());
  return table;
}

}  // namespace tidelog::mysql
