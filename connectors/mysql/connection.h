// One connection to a MySQL or MariaDB server, over the MariaDB client library. Used for the few
// statements that prepare a binlog dump, and then as the dump itself (binlog_dump.h). Errors carry
// the Code that the server's number means, and never a password.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/connection_options.h"
#include "connectors/mysql/flavour.h"
#include "connectors/socket/wait.h"
#include "core/result.h"

struct st_mysql;
struct st_mysql_res;

namespace tidelog::mysql {

// The rows of an answer, as text; nothing: NULL.
using TextRow = std::vector<std::optional<std::string>>;

// As the server told it when we connected.
struct ServerVersion {
  Flavour flavour = Flavour::mysql;
  unsigned number = 0;  // 80031 for 8.0.31
  std::string text;
};
// "8.0.31", "5.5.5-10.11.19-MariaDB-log"
Result<ServerVersion> read_server_version(std::string_view text);

// One thread.
class Connection {
 public:
  // Gives up when it is asked to stop: Code::cancelled.
  static Result<Connection> open(const ConnectionOptions& options, const StopSignal& stop);

  // One statement. Cancelled, or unavailable after a lost connection: it cannot be used any more.
  Result<std::vector<TextRow>> query(const std::string& statement, const StopSignal& stop);
  // One statement, whose rows are given to `take` one after the other, borrowed for the call; it
  // says whether it wants more. In the character set that the session has for answers.
  using TakeRow = std::function<Result<bool>(std::span<const std::optional<std::string_view>>)>;
  Status each_row(const std::string& statement, const StopSignal& stop, const TakeRow& take);
  // Its one value.
  Result<std::string> value(const std::string& statement, const StopSignal& stop);

  const ServerVersion& version() const { return version_; }
  bool is_mariadb() const { return version_.flavour == Flavour::mariadb; }
  bool is_encrypted() const;
  std::uint32_t id() const;  // on the server, for KILL
  st_mysql* raw() const { return connection_.get(); }

 private:
  struct Close {
    void operator()(st_mysql* connection) const;
  };
  explicit Connection(std::unique_ptr<st_mysql, Close> connection);
  // `plugins`: that may authenticate; null: all that are loaded.
  static Result<Connection> open_with(const ConnectionOptions& options, const char* plugins,
                                      const StopSignal& stop);
  static Error plugin_not_allowed(const ConnectionOptions& options, const StopSignal& stop);
  Error last_error() const;
  Status set_session(const StopSignal& stop);
  Status send(const std::string& statement, const StopSignal& stop);
  Result<bool> take_row(st_mysql_res* result, const StopSignal& stop,
                        std::vector<std::optional<std::string_view>>& values);

  std::unique_ptr<st_mysql, Close> connection_;
  ServerVersion version_;
};

// 'text' as the server reads it in any sql_mode.
std::string quote_text(std::string_view text);

}  // namespace tidelog::mysql
