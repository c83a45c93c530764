// MysqlServer: a real, throw-away MySQL or MariaDB for a test (scripts/servers/mysql.sh,
// mariadb.sh). It is gone when the test is, however that ends. Set-up that fails throws
// std::runtime_error.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "tests/support/rows.h"

struct st_mysql;

namespace tidelog::testing {

// A session of the superuser. One thread.
class MysqlSession {
 public:
  explicit MysqlSession(std::string socket);
  // One statement or several; the rows are those of the last one that has some. An error ends the
  // connection's turn: the next call connects again if it must.
  Result<Rows> query(const std::string& statements);
  // The same, but an error throws.
  Rows sql(const std::string& statements);

 private:
  struct Close {
    void operator()(st_mysql* connection) const;
  };
  void connect();

  std::string socket_;
  std::unique_ptr<st_mysql, Close> connection_;
};

// A server's make and version: "mysql 8.0", "mariadb 11.8".
struct MysqlVersion {
  std::string make;  // mysql or mariadb
  std::string number;

  std::string text() const { return make + " " + number; }
  bool is_mariadb() const { return make == "mariadb"; }
  bool operator==(const MysqlVersion&) const = default;
};

// The versions that a test of what differs between them runs on: the ends of what is in use, or
// with TIDELOG_MATRIX=full all that are claimed.
std::vector<MysqlVersion> mysql_versions();

// One thread.
class MysqlServer {
 public:
  struct Options {
    MysqlVersion version = {"mysql", "8.0"};
    std::vector<std::string> settings = {};  // "binlog-row-image=MINIMAL", as in a file of options
    bool durable = false;
    // Of server.crt, server.key and root.crt, for TLS; empty: what the server has by itself.
    std::filesystem::path certificates = {};
  };
  explicit MysqlServer(const Options& options);
  explicit MysqlServer(const MysqlVersion& version);
  MysqlServer(const MysqlServer&) = delete;
  MysqlServer& operator=(const MysqlServer&) = delete;
  ~MysqlServer();

  const MysqlVersion& version() const { return version_; }
  std::uint16_t port() const { return port_; }                 // on 127.0.0.1
  const std::string& socket() const { return socket_; }        // its path
  const std::filesystem::path& data() const { return data_; }  // where its binlogs are, too
  const std::string& url() const { return url_; }              // over 127.0.0.1

  // In a session of the superuser that this object keeps.
  Rows sql(const std::string& statements);
  Result<Rows> query(const std::string& statements);
  MysqlSession session() const { return MysqlSession(socket_); }

  enum class Shutdown : std::uint8_t { fast, immediate };  // immediate: like a crash
  void stop(Shutdown how);
  void start(const std::vector<std::string>& settings = {});
  void restart(Shutdown how);

 private:
  void start_with(const std::vector<std::string>& arguments);
  void run(const std::string& command, const std::vector<std::string>& arguments);
  std::string script() const;

  MysqlVersion version_;
  std::filesystem::path folder_;
  std::filesystem::path data_;
  std::string socket_;
  std::string url_;
  std::uint16_t port_ = 0;
  std::unique_ptr<MysqlSession> session_;
};

}  // namespace tidelog::testing
