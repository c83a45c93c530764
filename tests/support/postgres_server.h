// PostgresServer: a real, throw-away PostgreSQL for a test (scripts/servers/postgres.sh). It is
// gone when the test is, however that ends. Set-up that fails throws std::runtime_error.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "tests/support/rows.h"

struct pg_conn;

namespace tidelog::testing {

// A session. One thread.
class SqlSession {
 public:
  explicit SqlSession(const std::string& url);
  // One statement or several; the rows are the last one's. Connects again when the connection is
  // gone.
  Result<Rows> query(const std::string& statements);
  // The same, but an error throws.
  Rows sql(const std::string& statements);

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<pg_conn, Close> connection_;
};

// The versions that a test of what differs between them runs on: the two ends of what is in use, or
// with TIDELOG_MATRIX=full all that are claimed.
std::vector<std::string> postgres_versions();

// One thread.
class PostgresServer {
 public:
  struct Options {
    std::vector<std::string> settings;  // "wal_level=replica"
    std::vector<std::string> hba;       // lines of pg_hba.conf, before "everybody here is trusted"
    std::string version = "15";
    bool durable = false;
    // Of server.crt, server.key and root.crt, for TLS; empty: without.
    std::filesystem::path certificates = {};
  };
  PostgresServer();
  explicit PostgresServer(const Options& options);
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  const std::string& url() const { return url_; }          // over the Unix socket
  const std::string& url_tcp() const { return url_tcp_; }  // over 127.0.0.1

  // In a session of the superuser that this object keeps.
  Rows sql(const std::string& statements);
  Result<Rows> query(const std::string& statements);
  SqlSession session() const { return SqlSession(url_); }

  enum class Shutdown : std::uint8_t { fast, immediate };  // immediate: like a crash
  void stop(Shutdown how);
  void start();
  void restart(Shutdown how);

 private:
  void start_with(const std::vector<std::string>& arguments);
  void run(const std::string& command, const std::vector<std::string>& arguments);

  std::filesystem::path folder_;
  std::string url_;
  std::string url_tcp_;
  std::unique_ptr<SqlSession> session_;
};

}  // namespace tidelog::testing
