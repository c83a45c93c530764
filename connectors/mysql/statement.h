// What a statement in the binlog means for the tables that are captured: DDL, what begins and ends
// transactions, and what changes rows without telling which. Read only as far as that needs; who it
// is not clear of is told as such, and never as harmless. For the change decoder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidelog::mysql {

struct NamedTable {
  std::string database;
  std::string table;
  bool operator==(const NamedTable&) const = default;
};
// "shop.orders", for people and as names of streams are made.
std::string full_name(const NamedTable& named);

struct Statement {
  enum class Kind : std::uint8_t {
    begin,
    commit,
    rollback,
    savepoint,           // also its release
    rollback_savepoint,  // what came since the savepoint did not happen
    xa_start,            // also its end
    xa_commit,
    xa_rollback,
    truncate,       // `tables` has one
    drop_table,     // `tables`
    drop_database,  // `database`
    create_table,   // also in place of one of the name
    alter_table,    // `tables` has one
    loses_rows,     // an ALTER TABLE that takes rows out, or brings some, without telling which;
                    // `tables`, too, with which it exchanges them
    rename_table,   // `tables`: before, after, before, after, …
    other_ddl,      // no table, nor its rows, are touched
    temporary,      // of a temporary table, which is nobody else's
    changes_rows,   // or may do so; `tables` has its one table, if it is sure to name no other
  };
  Kind kind = Kind::changes_rows;
  std::vector<NamedTable> tables;
  std::string database;   // of drop_database
  bool replaces = false;  // create_table: CREATE OR REPLACE
};

// In UTF-8. `database` is the session's, where names without one are. `quotes_names`: "x" is a
// name, by the session's sql_mode.
Statement read_statement(std::string_view text, std::string_view database, bool quotes_names);

// Bit of the sql_mode in a query event: ANSI_QUOTES.
inline constexpr std::uint64_t ansi_quotes_mode = 4;

}  // namespace tidelog::mysql
