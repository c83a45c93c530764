// One connection to Postgres, over libpq. The session's settings are forced, so that text comes in
// the one form that core/value_text.h reads, whatever the role or the database has set. Errors
// carry the Code that its SQLSTATE means, and never a password. Used by every file that talks to
// the server.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/options.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

struct pg_conn;
struct pg_result;

namespace tidelog::postgres {

// The rows of one answer. Views live as long as it does.
class QueryResult {
 public:
  explicit QueryResult(pg_result* result) : result_(result) {}
  std::size_t rows() const;
  bool is_null(std::size_t row, std::size_t column) const;
  std::string_view text(std::size_t row, std::size_t column) const;  // empty for null
  bool boolean(std::size_t row, std::size_t column) const { return text(row, column) == "t"; }
  // A number that the server printed; corrupt when it is none.
  Result<std::int64_t> integer(std::size_t row, std::size_t column) const;
  pg_result* raw() const { return result_.get(); }

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

// One thread at a time.
class Connection {
 public:
  // A replication connection takes replication commands, and SQL without parameters.
  enum class Kind : std::uint8_t { sql, replication };
  static Result<Connection> open(const PostgresOptions& options, Kind kind);

  // SQL with parameters $1, $2, … as text.
  Result<QueryResult> query(const std::string& sql, const std::vector<std::string>& parameters);
  // SQL or a replication command, without parameters. Given up and cancelled after `limit`:
  // Code::timeout.
  Result<QueryResult> command(const std::string& sql,
                              std::optional<std::chrono::milliseconds> limit = std::nullopt);
  // From now on every answer is waited for so long at most. One that is given up, for that or for
  // a stop, is not cancelled, since a server that hangs does not answer that either: the connection
  // is closed.
  void limit_answers(std::chrono::milliseconds limit) { limit_ = limit; }
  // Sends a command that starts a copy, and returns once it has.
  Status start_copy(const std::string& command_text);
  // Of the rows of a query, which is one statement, whatever a condition in it says.
  Status start_copy_of(const std::string& select);

  // The next piece of a copy out, nothing once it has ended well.
  struct CopyRow {
    char* bytes = nullptr;  // changeable; freed by release()
    std::size_t size = 0;
  };
  Result<std::optional<CopyRow>> next_copy_row(const StopSignal& stop);
  static void release(CopyRow row);
  // Ends a copy out whose rest nobody wants; the transaction is over with it.
  Status abandon_copy(const StopSignal& stop);

  // What went wrong on the connection itself, or the error that ended a copy.
  Error error() const;
  Error error_that_ended_copy();

  int server_version() const;  // 150004
  int process_id() const;      // of its server process
  bool usable() const;
  std::string user() const;
  std::string database() const;
  pg_conn* raw() const { return connection_.get(); }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  explicit Connection(std::unique_ptr<pg_conn, Finish> connection, const PostgresOptions& options);
  friend class HostAttempt;
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;
  Status wait_while_busy(Deadline deadline, const StopSignal& stop);
  Result<QueryResult> read_answer(Deadline deadline, const StopSignal& stop);
  Result<QueryResult> wait_for_answer(std::optional<std::chrono::milliseconds> limit);
  void give_up_answer();
  void cancel() const;

  std::unique_ptr<pg_conn, Finish> connection_;
  std::unique_ptr<StopSignal> stop_;
  std::optional<std::chrono::milliseconds> limit_;
};

// Its meaning for us. Empty: the connection broke.
Code code_of_sqlstate(std::string_view sqlstate);

// An error as the server told it; what it did not tell is empty.
struct ServerError {
  std::string sqlstate;
  std::string primary;
  std::string detail;
  std::string hint;
  std::string context;
};
Error error_of(const ServerError& said);

// The settings, checked: what libpq would misread (and then print) is refused here.
struct Setting {
  std::string keyword;
  std::string value;
};
Result<std::vector<Setting>> read_connection_settings(std::string_view connection);

// "name" and 'text' as SQL reads them.
std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view text);
// {"a","b"} for an array parameter.
std::string array_literal(const std::vector<std::string>& items);

}  // namespace tidelog::postgres
