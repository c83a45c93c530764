#include "connectors/mysql/statement.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace tidelog::mysql {

namespace {

using Kind = Statement::Kind;

// ---- words ----

struct Token {
  enum class Kind : std::uint8_t { word, name, text, sign, end };
  Kind kind = Kind::end;
  std::string text;  // word: as it stands; name: without its quotes; sign: one character
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool is_same_word(std::string_view text, std::string_view word) {
  return std::ranges::equal(text, word, {}, upper, upper);
}

// Words, names, texts and signs. What stands in a comment with a version is part of the statement
// to a server of that version, which wrote it.
class Words {
 public:
  Words(std::string_view text, bool quotes_names) : rest_(text), quotes_names_(quotes_names) {
    next();
  }

  const Token& now() const { return now_; }
  bool is(std::string_view word) const {
    return now_.kind == Token::Kind::word && is_same_word(now_.text, word);
  }
  bool is_sign(char sign) const {
    return now_.kind == Token::Kind::sign && now_.text.front() == sign;
  }
  bool at_end() const { return now_.kind == Token::Kind::end; }

  bool take(std::string_view word) {
    if (!is(word)) return false;
    next();
    return true;
  }
  bool take_sign(char sign) {
    if (!is_sign(sign)) return false;
    next();
    return true;
  }
  bool take_any(std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(words, [&](std::string_view word) { return take(word); });
  }

  void next() {
    skip_spaces();
    now_ = {};
    if (rest_.empty()) return;
    const char first = rest_.front();
    if (first == '`' || first == '"' || first == '\'') return take_quoted(first);
    std::size_t size = 0;
    while (size < rest_.size() && is_word_character(rest_[size])) ++size;
    now_.kind = size == 0 ? Token::Kind::sign : Token::Kind::word;
    size = std::max<std::size_t>(size, 1);
    now_.text = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }

 private:
  bool skip_to(std::string_view end) {
    const std::size_t at = rest_.find(end);
    rest_.remove_prefix(at == rest_.npos ? rest_.size() : at + end.size());
    return true;
  }

  // /* … */, but for /*! and /*M!, whose content counts, after a version's digits.
  bool skip_block_comment() {
    std::size_t mark = 0;
    if (rest_.starts_with("/*!")) mark = 3;
    if (rest_.starts_with("/*M!")) mark = 4;
    if (mark == 0) {
      rest_.remove_prefix(2);
      return skip_to("*/");
    }
    rest_.remove_prefix(mark);
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') rest_.remove_prefix(1);
    in_comment_ = true;
    return true;
  }

  bool skip_space() {
    if (rest_.empty()) return false;
    if (is_space(rest_.front())) {
      rest_.remove_prefix(1);
      return true;
    }
    if (in_comment_ && rest_.starts_with("*/")) {
      in_comment_ = false;
      rest_.remove_prefix(2);
      return true;
    }
    if (rest_.starts_with("/*")) return skip_block_comment();
    const bool is_dashed = rest_.starts_with("--") && (rest_.size() == 2 || is_space(rest_[2]));
    if (rest_.front() == '#' || is_dashed) return skip_to("\n");
    return false;
  }

  void skip_spaces() {
    while (skip_space()) continue;
  }

  // A quote inside is doubled; in texts a backslash takes away the meaning of what follows.
  void take_quoted(char quote) {
    const bool is_name = quote == '`' || (quote == '"' && quotes_names_);
    now_.kind = is_name ? Token::Kind::name : Token::Kind::text;
    std::size_t at = 1;
    for (; at < rest_.size(); ++at) {
      if (!is_name && rest_[at] == '\\' && at + 1 < rest_.size()) {
        ++at;
      } else if (rest_[at] == quote) {
        if (at + 1 >= rest_.size() || rest_[at + 1] != quote) break;
        ++at;
      }
      now_.text.push_back(rest_[at]);
    }
    rest_.remove_prefix(std::min(at + 1, rest_.size()));
  }

  std::string_view rest_;
  bool quotes_names_;
  bool in_comment_ = false;
  Token now_;
};

// ---- names ----

bool take_name(Words& words, std::string& name) {
  if (words.now().kind != Token::Kind::word && words.now().kind != Token::Kind::name) return false;
  name = words.now().text;
  words.next();
  return true;
}

// [database .] table
bool take_table(Words& words, std::string_view database, Statement& statement) {
  NamedTable named;
  named.database = database;
  if (!take_name(words, named.table)) return false;
  if (words.take_sign('.')) {
    named.database = std::move(named.table);
    if (!take_name(words, named.table)) return false;
  }
  statement.tables.push_back(std::move(named));
  return true;
}

bool take_if_exists(Words& words) {
  if (!words.take("IF")) return true;
  words.take("NOT");
  return words.take("EXISTS");
}

// ---- statements ----

// `kind`, unless it was not read to where it names its tables.
Statement if_read(bool is_read, Kind kind, Statement statement) {
  statement.kind = is_read ? kind : Kind::changes_rows;
  return statement;
}

Statement plain(Kind kind) {
  Statement statement;
  statement.kind = kind;
  return statement;
}

Statement read_rollback(Words& words) {
  words.take("WORK");
  return plain(words.is("TO") ? Kind::rollback_savepoint : Kind::rollback);
}

Statement read_xa(Words& words) {
  if (words.take_any({"START", "BEGIN", "END"})) return plain(Kind::xa_start);
  if (words.take("COMMIT")) return plain(Kind::xa_commit);
  if (words.take("ROLLBACK")) return plain(Kind::xa_rollback);
  return plain(Kind::changes_rows);
}

Statement read_truncate(Words& words, std::string_view database) {
  Statement statement;
  words.take("TABLE");
  const bool is_read = take_table(words, database, statement);
  return if_read(is_read, Kind::truncate, std::move(statement));
}

Statement read_drop(Words& words, std::string_view database) {
  Statement statement;
  const bool is_temporary = words.take("TEMPORARY");
  if (words.take_any({"DATABASE", "SCHEMA"})) {
    const bool is_read = take_if_exists(words) && take_name(words, statement.database);
    return if_read(is_read, Kind::drop_database, std::move(statement));
  }
  if (!words.take_any({"TABLE", "TABLES"}))
    return plain(is_temporary ? Kind::temporary : Kind::other_ddl);
  bool is_read = take_if_exists(words) && take_table(words, database, statement);
  while (is_read && words.take_sign(',')) is_read = take_table(words, database, statement);
  const Kind kind = is_temporary ? Kind::temporary : Kind::drop_table;
  return if_read(is_read, kind, std::move(statement));
}

Statement read_rename(Words& words, std::string_view database) {
  Statement statement;
  if (!words.take_any({"TABLE", "TABLES"})) return plain(Kind::other_ddl);  // of a user
  bool is_read = true;
  do {
    is_read = take_if_exists(words) && take_table(words, database, statement);
    if (words.take_any({"WAIT", "NOWAIT"}) && !words.is("TO")) words.next();
    is_read = is_read && words.take("TO") && take_table(words, database, statement);
  } while (is_read && words.take_sign(','));
  return if_read(is_read, Kind::rename_table, std::move(statement));
}

Statement read_create(Words& words, std::string_view database) {
  Statement statement;
  if (words.take("OR")) statement.replaces = words.take("REPLACE");
  if (words.take("TEMPORARY")) return plain(Kind::temporary);
  if (!words.take("TABLE")) return plain(Kind::other_ddl);
  const bool is_read = take_if_exists(words) && take_table(words, database, statement);
  return if_read(is_read, Kind::create_table, std::move(statement));
}

// EXCHANGE PARTITION p WITH TABLE t, CONVERT PARTITION p TO TABLE t, CONVERT TABLE t TO PARTITION p
bool take_exchanged(Words& words, std::string_view database, Statement& statement) {
  bool is_read = true;
  while (is_read && !words.at_end()) {
    if (words.take("TABLE")) {
      is_read = take_table(words, database, statement);
    } else {
      words.next();
    }
  }
  return is_read;
}

// What of an ALTER TABLE changes its name, or its rows.
Kind kind_of_alter(Words& words, std::string_view database, Statement& statement) {
  for (; !words.at_end(); words.next()) {
    if (words.take("RENAME")) {
      if (words.take_any({"COLUMN", "INDEX", "KEY"})) continue;
      if (!words.take_any({"TO", "AS"})) words.take_sign('=');
      return take_table(words, database, statement) ? Kind::rename_table : Kind::changes_rows;
    }
    if (words.take_any({"DROP", "TRUNCATE", "EXCHANGE", "CONVERT", "IMPORT", "DISCARD"}) &&
        (words.is("PARTITION") || words.is("TABLESPACE") || words.is("TABLE")))
      return take_exchanged(words, database, statement) ? Kind::loses_rows : Kind::changes_rows;
  }
  return Kind::alter_table;
}

Statement read_alter(Words& words, std::string_view database) {
  Statement statement;
  while (words.take_any({"ONLINE", "OFFLINE", "IGNORE"})) continue;
  if (!words.take("TABLE")) return plain(Kind::other_ddl);
  if (!take_if_exists(words) || !take_table(words, database, statement))
    return plain(Kind::changes_rows);
  statement.kind = kind_of_alter(words, database, statement);
  return statement;
}

// Statements that are written as such and change no rows of tables.
bool changes_no_rows(const Words& words) {
  constexpr std::array<std::string_view, 13> known = {
      "GRANT",   "REVOKE", "FLUSH",     "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK",
      "INSTALL", "LOCK",   "UNINSTALL", "UNLOCK",  "USE",      "RESET"};
  return std::ranges::any_of(known, [&](std::string_view word) { return words.is(word); });
}

// INSERT, REPLACE: their one table. UPDATE, DELETE: that of one that names no others.
Statement read_insert(Words& words, std::string_view database) {
  Statement statement = plain(Kind::changes_rows);
  while (words.take_any({"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"})) continue;
  if (!take_table(words, database, statement)) statement.tables.clear();
  return statement;
}

Statement read_update(Words& words, std::string_view database) {
  Statement statement = plain(Kind::changes_rows);
  while (words.take_any({"LOW_PRIORITY", "IGNORE"})) continue;
  if (!take_table(words, database, statement) || !words.is("SET")) statement.tables.clear();
  return statement;
}

Statement read_delete(Words& words, std::string_view database) {
  Statement statement = plain(Kind::changes_rows);
  while (words.take_any({"LOW_PRIORITY", "QUICK", "IGNORE"})) continue;
  const bool is_simple = words.take("FROM") && take_table(words, database, statement) &&
                         (words.at_end() || words.is("WHERE"));
  if (!is_simple) statement.tables.clear();
  return statement;
}

// SET PASSWORD, SET ROLE, SET DEFAULT ROLE; SET STATEMENT … FOR is anything.
Statement read_set(Words& words) {
  return plain(words.take_any({"PASSWORD", "ROLE", "DEFAULT"}) ? Kind::other_ddl
                                                               : Kind::changes_rows);
}

}  // namespace

std::string full_name(const NamedTable& named) { return named.database + "." + named.table; }

Statement read_statement(std::string_view text, std::string_view database, bool quotes_names) {
  Words words(text, quotes_names);
  if (words.take("BEGIN")) return plain(Kind::begin);
  if (words.take("START")) return plain(words.is("TRANSACTION") ? Kind::begin : Kind::changes_rows);
  if (words.take("COMMIT")) return plain(Kind::commit);
  if (words.take("ROLLBACK")) return read_rollback(words);
  if (words.take_any({"SAVEPOINT", "RELEASE"})) return plain(Kind::savepoint);
  if (words.take("XA")) return read_xa(words);
  if (words.take("TRUNCATE")) return read_truncate(words, database);
  if (words.take("DROP")) return read_drop(words, database);
  if (words.take("RENAME")) return read_rename(words, database);
  if (words.take("CREATE")) return read_create(words, database);
  if (words.take("ALTER")) return read_alter(words, database);
  if (words.take("SET")) return read_set(words);
  if (words.take_any({"INSERT", "REPLACE"})) return read_insert(words, database);
  if (words.take("UPDATE")) return read_update(words, database);
  if (words.take("DELETE")) return read_delete(words, database);
  if (words.at_end() || changes_no_rows(words)) return plain(Kind::other_ddl);
  return plain(Kind::changes_rows);
}

}  // namespace tidelog::mysql
