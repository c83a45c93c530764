// SqliteTable: one stream's rows as a table of SQLite (docs/adr/sqlite-tables.md): the statements
// that make, change and fill it. For sqlite_target.h, which decides what to call for which event,
// and in which transaction.
//
//   kind                       column type    stored as
//   boolean, int64             INTEGER        0, 1; the number
//   uint64                     (none)         an integer up to 2^63 - 1, text beyond
//   float32, float64           REAL           the number (SQLite has no negative zero); text for
//   NaN bytes                      BLOB           the bytes all others                 TEXT what
//   the database prints: decimals keep every digit
//
// SQLite changes values to suit a column's type; with these none of them is changed.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/schema.h"
#include "core/value.h"
#include "projections/sqlite.h"

namespace tidelog {

// One thread. Borrows the database.
class SqliteTable {
 public:
  SqliteTable(SqliteDatabase& database, std::string name, Schema schema);

  Status create();
  // Brings the table into the shape of `next`, by column name. Appends the names of columns whose
  // values older rows do not have (they hold NULL) to `not_known`. Returns whether the rows were
  // kept: not when the key became columns that they do not have.
  Result<bool> change_schema(const Schema& next, std::vector<std::string>& not_known);

  // Adds a row, in the place of one with its key. Columns that were not sent are NULL; their names
  // are appended.
  Status put(std::string_view row, std::vector<std::string>& not_known);
  // Writes the columns that were sent to the row under `key`. False: there is no such row.
  Result<bool> update(std::string_view key, std::string_view row);
  Result<bool> remove(std::string_view key);
  // Removes one row that equals `row`, where NULLs of `wild` columns equal anything. Any table.
  Result<bool> remove_equal(std::string_view row, const std::vector<std::string>& wild);
  Status clear();

  const Schema& schema() const { return schema_; }
  const std::string& name() const { return name_; }

 private:
  using Sent = std::vector<bool>;

  Result<SqliteStatement*> statement(const std::string& sql);
  Status create_as(const std::string& name, const Schema& schema,
                   const std::vector<std::string>& columns);
  Status rebuild(const Schema& next, const std::vector<std::string>& next_columns);
  Status add_columns(const Schema& next, const std::vector<std::string>& next_columns);
  Result<std::string> rowid_name() const;
  Status index_all_columns();
  std::string put_sql(const std::vector<Value>& values) const;
  std::string update_sql(const std::vector<Value>& values) const;
  std::string key_condition() const;

  SqliteDatabase& database_;
  std::string name_;
  Schema schema_;
  std::vector<std::string> columns_;  // of schema_, quoted
  bool indexed_ = false;
  absl::flat_hash_map<std::string, SqliteStatement> statements_;  // by their text
  std::string put_all_sql_;                                       // the most frequent text
  std::string remove_sql_;
};

}  // namespace tidelog
