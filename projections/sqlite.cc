#include "projections/sqlite.h"

namespace tidelog {
namespace {

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL:
      return Code::disk_full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::conflict;
    case SQLITE_CORRUPT:
      return Code::corrupt;
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Code::misconfigured;
    case SQLITE_TOOBIG:
      return Code::unsupported;
    default:
      return Code::failed;
  }
}

tl::unexpected<Error> fail_with(sqlite3* database, const std::string& doing) {
  const int code = sqlite3_extended_errcode(database);
  return fail(code_of(code), "SQLite, " + doing + ": " + sqlite3_errmsg(database));
}

// SQLite takes a null pointer for SQL's null, and an empty view may have one.
const char* pointer_of(std::string_view bytes) { return bytes.empty() ? "" : bytes.data(); }

}  // namespace

void SqliteStatement::bind_text(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, pointer_of(text), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void SqliteStatement::bind_copied_text(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, pointer_of(text), text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
}

void SqliteStatement::bind_bytes(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), index, pointer_of(bytes), bytes.size(), SQLITE_STATIC);
}

Result<bool> SqliteStatement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    return false;
  }
  sqlite3* database = sqlite3_db_handle(statement_.get());
  auto failed = fail_with(database, sqlite3_sql(statement_.get()));
  sqlite3_reset(statement_.get());
  return failed;
}

Status SqliteStatement::run() {
  TRY_DO(step());
  return {};
}

std::string SqliteStatement::text(int column) {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Result<SqliteDatabase> SqliteDatabase::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  SqliteDatabase database;
  database.database_.reset(raw);
  database.path_ = path;
  if (raw == nullptr) return fail(Code::failed, "SQLite, opening " + path + ": out of memory");
  if (code != SQLITE_OK) return fail_with(raw, "opening " + path);
  return database;
}

Status SqliteDatabase::execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return fail_with(database_.get(), path_ + ": " + sql);
}

Result<SqliteStatement> SqliteDatabase::prepare(const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  const int code =
      sqlite3_prepare_v3(database_.get(), sql.c_str(), static_cast<int>(sql.size() + 1),
                         SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return fail_with(database_.get(), path_ + ": " + sql);
  SqliteStatement statement;
  statement.statement_.reset(raw);
  return statement;
}

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace tidelog
