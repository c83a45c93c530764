#include "projections/sqlite_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <variant>

#include "core/value_codec.h"
#include "core/value_text.h"
#include "projections/row_shape.h"

namespace tidelog {
namespace {

std::string_view column_type(ValueKind kind) {
  switch (kind) {
    case ValueKind::boolean:
    case ValueKind::int64:
      return "INTEGER";
    case ValueKind::uint64:
      return "";
    case ValueKind::float32:
    case ValueKind::float64:
      return "REAL";
    case ValueKind::bytes:
      return "BLOB";
    case ValueKind::null:
    case ValueKind::unchanged:
    case ValueKind::decimal:
    case ValueKind::text:
    case ValueKind::date:
    case ValueKind::time:
    case ValueKind::time_tz:
    case ValueKind::timestamp:
    case ValueKind::timestamp_tz:
    case ValueKind::interval:
    case ValueKind::uuid:
    case ValueKind::json:
    case ValueKind::array:
    case ValueKind::bits:
    case ValueKind::enumeration:
    case ValueKind::set:
    case ValueKind::geometry:
    case ValueKind::vector:
    case ValueKind::other:
      return "TEXT";
  }
  return "TEXT";
}

struct Binder {
  SqliteStatement& statement;
  int index;
  const Value& value;

  void operator()(const Null&) const { statement.bind_null(index); }
  void operator()(const Unchanged&) const {
    statement.bind_null(index);
  }  // the caller has noted it
  void operator()(bool yes) const { statement.bind(index, std::int64_t{yes}); }
  void operator()(std::int64_t number) const { statement.bind(index, number); }
  void operator()(std::uint64_t number) const {
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      statement.bind(index, static_cast<std::int64_t>(number));
    } else {
      print();
    }
  }
  void operator()(float number) const { (*this)(static_cast<double>(number)); }
  void operator()(double number) const {
    if (std::isnan(number)) {
      statement.bind_text(index, "NaN");  // SQLite would make it NULL
    } else {
      statement.bind(index, number);
    }
  }
  void operator()(const Decimal& decimal) const { statement.bind_text(index, decimal.text); }
  void operator()(const Text& text) const { statement.bind_text(index, text.text); }
  void operator()(const Bytes& bytes) const { statement.bind_bytes(index, bytes.bytes); }
  void operator()(const Json& json) const { statement.bind_text(index, json.text); }
  void operator()(const Enumeration& enumeration) const {
    statement.bind_text(index, enumeration.label);
  }
  void operator()(const Set& set) const { statement.bind_text(index, set.labels); }
  void operator()(const Other& other) const { statement.bind_text(index, other.text); }
  template <class AnyOther>
  void operator()(const AnyOther&) const {
    print();
  }

  void print() const {
    std::string text;
    print_value(text, value);
    statement.bind_copied_text(index, text);
  }
};

void bind_value(SqliteStatement& statement, int index, const Value& value) {
  std::visit(Binder{statement, index, value}, value.variant());
}

bool is_sent(const Value& value) { return value.kind() != ValueKind::unchanged; }

std::string lower(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// SQLite's names do not tell capital letters from small ones: a column whose name is taken gets a
// number.
std::vector<std::string> column_names(const Schema& schema) {
  std::vector<std::string> taken;
  std::vector<std::string> names;
  for (const Column& column : schema.columns) {
    std::string name = column.name;
    for (int n = 2; std::find(taken.begin(), taken.end(), lower(name)) != taken.end(); ++n) {
      name = column.name + "_" + std::to_string(n);
    }
    taken.push_back(lower(name));
    names.push_back(quoted_name(name));
  }
  return names;
}

const Column* find_column(const Schema& schema, const std::string& name) {
  for (const Column& column : schema.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

void append_listed(std::string& list, std::string_view item, std::string_view separator = ", ") {
  if (!list.empty()) list += separator;
  list += item;
}

// Whether `next` is `now` with columns added: then the table can stay.
bool only_adds_columns(const Schema& now, const std::vector<std::string>& now_names,
                       const Schema& next, const std::vector<std::string>& next_names) {
  if (now.columns.empty() || !same_key_shape(now, next)) return false;
  for (std::size_t i = 0; i < now.columns.size(); ++i) {
    const Column* kept = find_column(next, now.columns[i].name);
    if (kept == nullptr || column_type(kept->kind) != column_type(now.columns[i].kind))
      return false;
    if (next_names[static_cast<std::size_t>(kept - next.columns.data())] != now_names[i])
      return false;
  }
  return true;
}

}  // namespace

SqliteTable::SqliteTable(SqliteDatabase& database, std::string name, Schema schema)
    : database_(database),
      name_(std::move(name)),
      schema_(std::move(schema)),
      columns_(column_names(schema_)) {}

Status SqliteTable::create() { return create_as(name_, schema_, columns_); }

Status SqliteTable::create_as(const std::string& name, const Schema& schema,
                              const std::vector<std::string>& columns) {
  std::string list;
  std::string keys;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::string column = columns[i];
    if (const auto type = column_type(schema.columns[i].kind); !type.empty())
      column.append(" ").append(type);
    append_listed(list, column);
    if (schema.columns[i].key) append_listed(keys, columns[i]);
  }
  if (columns.empty()) list = "tidelog_no_columns";  // SQLite wants one; Postgres does not
  if (!keys.empty()) list += ", PRIMARY KEY (" + keys + ")";
  return database_.execute("CREATE TABLE " + quoted_name(name) + " (" + list + ")");
}

Result<bool> SqliteTable::change_schema(const Schema& next, std::vector<std::string>& not_known) {
  const auto next_columns = column_names(next);
  bool keeps_rows = true;
  for (const Column& column : next.columns) {
    if (find_column(schema_, column.name) != nullptr) continue;
    not_known.push_back(column.name);
    keeps_rows = keeps_rows && !column.key;
  }
  statements_.clear();
  put_all_sql_.clear();
  remove_sql_.clear();
  if (!keeps_rows) TRY_DO(clear());
  if (only_adds_columns(schema_, columns_, next, next_columns)) {
    TRY_DO(add_columns(next, next_columns));
  } else {
    TRY_DO(rebuild(next, next_columns));
  }
  schema_ = next;
  columns_ = next_columns;
  indexed_ = false;
  return keeps_rows;
}

Status SqliteTable::add_columns(const Schema& next, const std::vector<std::string>& next_columns) {
  for (std::size_t i = 0; i < next.columns.size(); ++i) {
    if (find_column(schema_, next.columns[i].name) != nullptr) continue;
    TRY_DO(database_.execute("ALTER TABLE " + quoted_name(name_) + " ADD COLUMN " +
                             next_columns[i] + " " +
                             std::string(column_type(next.columns[i].kind))));
  }
  return {};
}

Status SqliteTable::rebuild(const Schema& next, const std::vector<std::string>& next_columns) {
  const std::string temporary = "tidelog_new_table";
  TRY_DO(create_as(temporary, next, next_columns));
  std::string from;
  std::string to;
  for (std::size_t i = 0; i < next.columns.size(); ++i) {
    const Column* old = find_column(schema_, next.columns[i].name);
    if (old == nullptr) continue;
    append_listed(from, columns_[static_cast<std::size_t>(old - schema_.columns.data())]);
    append_listed(to, next_columns[i]);
  }
  // Without a column in common the rows stay, all of them NULL.
  if (to.empty()) {
    to = next_columns.empty() ? "tidelog_no_columns" : next_columns.front();
    from = "NULL";
  }
  TRY_DO(database_.execute("INSERT OR REPLACE INTO " + quoted_name(temporary) + " (" + to +
                           ") SELECT " + from + " FROM " + quoted_name(name_)));
  TRY_DO(database_.execute("DROP TABLE " + quoted_name(name_)));
  return database_.execute("ALTER TABLE " + quoted_name(temporary) + " RENAME TO " +
                           quoted_name(name_));
}

Result<SqliteStatement*> SqliteTable::statement(const std::string& sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) return &known->second;
  // Each set of unsent columns has its own text: a wide table could have very many.
  constexpr std::size_t statements_max = 64;
  if (statements_.size() >= statements_max) statements_.clear();
  TRY(auto prepared, database_.prepare(sql));
  return &statements_.emplace(sql, std::move(prepared)).first->second;
}

std::string SqliteTable::put_sql(const std::vector<Value>& values) const {
  std::string names;
  std::string places;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_sent(values[i])) continue;
    append_listed(names, columns_[i]);
    append_listed(places, "?");
  }
  if (names.empty()) return "INSERT INTO " + quoted_name(name_) + " DEFAULT VALUES";
  return "INSERT OR REPLACE INTO " + quoted_name(name_) + " (" + names + ") VALUES (" + places +
         ")";
}

Status SqliteTable::put(std::string_view row, std::vector<std::string>& not_known) {
  TRY(const auto values, read_row(row, schema_.columns.size()));
  const bool whole = std::all_of(values.begin(), values.end(), is_sent);
  if (whole && put_all_sql_.empty()) put_all_sql_ = put_sql(values);
  TRY(SqliteStatement * insert, statement(whole ? put_all_sql_ : put_sql(values)));
  int place = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_sent(values[i])) {
      bind_value(*insert, ++place, values[i]);
    } else {
      not_known.push_back(schema_.columns[i].name);
    }
  }
  return insert->run();
}

std::string SqliteTable::key_condition() const {
  std::string condition;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (schema_.columns[i].key) append_listed(condition, columns_[i] + " IS ?", " AND ");
  }
  return condition;
}

std::string SqliteTable::update_sql(const std::vector<Value>& values) const {
  std::string assignments;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_sent(values[i])) append_listed(assignments, columns_[i] + " = ?");
  }
  return "UPDATE OR REPLACE " + quoted_name(name_) + " SET " + assignments + " WHERE " +
         key_condition();
}

namespace {

int bind_all(SqliteStatement& statement, int place, const std::vector<Value>& values) {
  for (const Value& value : values) {
    if (is_sent(value)) bind_value(statement, ++place, value);
  }
  return place;
}

std::size_t key_count(const Schema& schema) {
  return static_cast<std::size_t>(std::count_if(schema.columns.begin(), schema.columns.end(),
                                                [](const Column& c) { return c.key; }));
}

}  // namespace

Result<bool> SqliteTable::update(std::string_view key, std::string_view row) {
  TRY(const auto values, read_row(row, schema_.columns.size()));
  TRY(const auto key_values, read_row(key, key_count(schema_)));
  // At least the key columns were sent: there is always something to set.
  TRY(SqliteStatement * change, statement(update_sql(values)));
  const int place = bind_all(*change, 0, values);
  bind_all(*change, place, key_values);
  TRY_DO(change->run());
  return database_.changes() > 0;
}

Result<bool> SqliteTable::remove(std::string_view key) {
  TRY(const auto key_values, read_row(key, key_count(schema_)));
  if (remove_sql_.empty())
    remove_sql_ = "DELETE FROM " + quoted_name(name_) + " WHERE " + key_condition();
  TRY(SqliteStatement * removal, statement(remove_sql_));
  bind_all(*removal, 0, key_values);
  TRY_DO(removal->run());
  return database_.changes() > 0;
}

// The number that SQLite gives each row goes by three names; a column of the table may hide some.
Result<std::string> SqliteTable::rowid_name() const {
  for (const std::string name : {"rowid", "_rowid_", "oid"}) {
    const auto hidden =
        std::any_of(columns_.begin(), columns_.end(),
                    [&](const std::string& column) { return lower(column) == quoted_name(name); });
    if (!hidden) return name;
  }
  return fail(
      Code::unsupported,
      "table " + name_ + " has columns rowid, _rowid_ and oid: SQLite cannot tell its rows apart");
}

// Without a key a row is found by all its columns. Made only when a row is first removed: many such
// tables only grow.
Status SqliteTable::index_all_columns() {
  if (indexed_ || columns_.empty()) return {};
  std::string list;
  for (const std::string& column : columns_) append_listed(list, column);
  TRY_DO(database_.execute("CREATE INDEX IF NOT EXISTS " + quoted_name("tidelog_rows_of_" + name_) +
                           " ON " + quoted_name(name_) + " (" + list + ")"));
  indexed_ = true;
  return {};
}

Result<bool> SqliteTable::remove_equal(std::string_view row, const std::vector<std::string>& wild) {
  TRY(const auto values, read_row(row, schema_.columns.size()));
  TRY(const std::string rowid, rowid_name());
  TRY_DO(index_all_columns());
  std::string condition;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_sent(values[i])) continue;
    const bool is_wild = std::find(wild.begin(), wild.end(), schema_.columns[i].name) != wild.end();
    const std::string equal = columns_[i] + " IS ?";
    append_listed(condition, is_wild ? "(" + equal + " OR " + columns_[i] + " IS NULL)" : equal,
                  " AND ");
  }
  if (condition.empty()) condition = "1";
  TRY(SqliteStatement * removal,
      statement("DELETE FROM " + quoted_name(name_) + " WHERE " + rowid + " = (SELECT " + rowid +
                " FROM " + quoted_name(name_) + " WHERE " + condition + " LIMIT 1)"));
  bind_all(*removal, 0, values);
  TRY_DO(removal->run());
  return database_.changes() > 0;
}

Status SqliteTable::clear() { return database_.execute("DELETE FROM " + quoted_name(name_)); }

}  // namespace tidelog
