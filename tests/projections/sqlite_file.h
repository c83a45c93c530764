// A SQLite file of a test's own, read with a connection of its own.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "projections/sqlite.h"
#include "tests/support/paths.h"

namespace tidelog::testing {

class SqliteFile {
 public:
  SqliteFile() {
    static int count = 0;
    folder_ = build_folder() /
              ("sqlite-test-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(folder_);
  }
  ~SqliteFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  std::string path() const { return (folder_ / "current.db").string(); }

  void write(const std::string& content) const { std::ofstream(path()) << content; }

  // Each row's columns as SQL literals, joined by |.
  std::vector<std::string> query(const std::string& sql) const {
    auto database = SqliteDatabase::open(path());
    REQUIRE(database);
    auto statement = database->prepare(sql);
    if (!statement) FAIL(statement.error().what);
    std::vector<std::string> lines;
    for (;;) {
      const auto more = statement->step();
      if (!more) FAIL(more.error().what);
      if (!*more) return lines;
      lines.push_back(statement->text(0));
    }
  }

  // The table's rows as SQL literals, in the order of those.
  std::vector<std::string> rows(const std::string& table) const {
    std::string literals;
    for (const std::string& column : query("SELECT name FROM pragma_table_info('" + table + "')")) {
      if (!literals.empty()) literals += " || '|' || ";
      literals += "quote(" + quoted_name(column) + ")";
    }
    return query("SELECT " + literals + " AS line FROM " + quoted_name(table) + " ORDER BY line");
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace tidelog::testing
