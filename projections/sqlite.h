// SQLite's C interface as two types that own its handles and return our errors. For
// sqlite_target.h; SQLite does its own file access.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

// A prepared statement. Bound text and bytes are borrowed until the statement has run. One thread.
class SqliteStatement {
 public:
  SqliteStatement() = default;

  void bind_null(int index) { sqlite3_bind_null(statement_.get(), index); }
  void bind(int index, std::int64_t number) { sqlite3_bind_int64(statement_.get(), index, number); }
  void bind(int index, double number) { sqlite3_bind_double(statement_.get(), index, number); }
  void bind_text(int index, std::string_view text);
  void bind_copied_text(int index, std::string_view text);
  void bind_bytes(int index, std::string_view bytes);

  // To the next row (true) or the end (false); after the end the statement can be bound and run
  // again.
  Result<bool> step();
  // Runs a statement that gives no rows.
  Status run();
  void reset() { sqlite3_reset(statement_.get()); }

  std::int64_t integer(int column) { return sqlite3_column_int64(statement_.get(), column); }
  bool is_null(int column) { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
  std::string text(int column);

  explicit operator bool() const { return statement_ != nullptr; }

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// An open database file. Destroying it rolls back what is not committed. One thread.
class SqliteDatabase {
 public:
  SqliteDatabase() = default;
  // Makes the file when it does not exist.
  static Result<SqliteDatabase> open(const std::string& path);

  Status execute(const std::string& sql);
  Result<SqliteStatement> prepare(const std::string& sql);
  std::int64_t changes() const {
    return sqlite3_changes(database_.get());
  }  // rows of the last statement
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

// A name in double quotes, as SQL wants it.
std::string quoted_name(std::string_view name);

}  // namespace tidelog
