#include "tests/support/postgres_server.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

constexpr Duration server_deadline{120'000};

std::string script() { return (source_folder() / "scripts/servers/postgres.sh").string(); }

// The line "NAME=VALUE" of the script's output.
std::string setting_in(const std::string& output, const std::string& name) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  throw std::runtime_error("postgres.sh printed no " + name + ": " + output);
}

std::vector<std::string> flags(PostgresServer::Shutdown how) {
  if (how == PostgresServer::Shutdown::immediate) return {"--immediate"};
  return {};
}

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};

Rows rows_of(const PGresult* result) {
  Rows rows(static_cast<std::size_t>(PQntuples(result)));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const int number = static_cast<int>(row);
    for (int column = 0; column < PQnfields(result); ++column) {
      const bool null = PQgetisnull(result, number, column) != 0;
      rows[row].emplace_back(null ? "NULL" : PQgetvalue(result, number, column));
    }
  }
  return rows;
}

}  // namespace

void SqlSession::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

SqlSession::SqlSession(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
  if (PQstatus(connection_.get()) == CONNECTION_OK) return;
  throw std::runtime_error(fmt::format("{}: {}", url, PQerrorMessage(connection_.get())));
}

Result<Rows> SqlSession::query(const std::string& statements) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) PQreset(connection_.get());
  const std::unique_ptr<PGresult, Clear> result(PQexec(connection_.get(), statements.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    return fail(Code::failed, PQerrorMessage(connection_.get()));
  }
  return rows_of(result.get());
}

Rows SqlSession::sql(const std::string& statements) {
  Result<Rows> rows = query(statements);
  if (!rows) throw std::runtime_error(statements + ": " + rows.error().what);
  return *std::move(rows);
}

std::vector<std::string> postgres_versions() {
  const char* matrix = std::getenv("TIDELOG_MATRIX");
  if (matrix != nullptr && std::string_view(matrix) == "full")
    return {"14", "15", "16", "17", "18"};
  return {"15", "18"};
}

PostgresServer::PostgresServer() : PostgresServer(Options{}) {}

PostgresServer::PostgresServer(const Options& options) : folder_(scratch_folder("postgres")) {
  std::vector<std::string> arguments = {"--version", options.version};
  for (const std::string& setting : options.settings) {
    arguments.insert(arguments.end(), {"--option", setting});
  }
  for (const std::string& line : options.hba) arguments.insert(arguments.end(), {"--hba", line});
  if (options.durable) arguments.emplace_back("--durable");
  if (!options.certificates.empty())
    arguments.insert(arguments.end(), {"--tls", options.certificates.string()});
  start_with(arguments);
}

PostgresServer::~PostgresServer() {
  session_.reset();
  try {
    run("remove", {});
  } catch (const std::runtime_error& error) {
    // The script's own watch removes it when this process ends.
    fmt::print(stderr, "postgres server in {} stays for now: {}\n", folder_.string(), error.what());
  }
}

void PostgresServer::start_with(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {script(), "start", folder_.string(), "--die-with",
                                      std::to_string(::getpid())};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string output = output_of(command, server_deadline);
  url_ = setting_in(output, "URL");
  url_tcp_ = setting_in(output, "URL_TCP");
}

void PostgresServer::run(const std::string& command, const std::vector<std::string>& arguments) {
  std::vector<std::string> whole = {script(), command, folder_.string()};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  output_of(whole, server_deadline);
}

Result<Rows> PostgresServer::query(const std::string& statements) {
  if (session_ == nullptr) session_ = std::make_unique<SqlSession>(url_);
  return session_->query(statements);
}

Rows PostgresServer::sql(const std::string& statements) {
  if (session_ == nullptr) session_ = std::make_unique<SqlSession>(url_);
  return session_->sql(statements);
}

void PostgresServer::stop(Shutdown how) {
  session_.reset();
  run("stop", flags(how));
}

void PostgresServer::start() { start_with({}); }

void PostgresServer::restart(Shutdown how) {
  session_.reset();
  run("restart", flags(how));
}

}  // namespace tidelog::testing
