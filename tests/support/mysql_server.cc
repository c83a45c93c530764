#include "tests/support/mysql_server.h"

#include <fmt/format.h>
#include <mysql.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

// Programs may have to be fetched first.
constexpr Duration server_deadline{300'000};

// The line "NAME=VALUE" of the script's output.
std::string setting_in(const std::string& output, const std::string& name) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  throw std::runtime_error("the server's script printed no " + name + ": " + output);
}

std::uint16_t number_in(const std::string& text) {
  std::uint16_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<std::string> flags(MysqlServer::Shutdown how) {
  if (how == MysqlServer::Shutdown::immediate) return {"--immediate"};
  return {};
}

std::vector<std::string> options_of(const std::vector<std::string>& settings) {
  std::vector<std::string> arguments;
  for (const std::string& setting : settings)
    arguments.insert(arguments.end(), {"--option", setting});
  return arguments;
}

struct Free {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};

Rows rows_of(MYSQL_RES* result) {
  Rows rows;
  const unsigned columns = mysql_num_fields(result);
  while (const MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    std::vector<std::string>& texts = rows.emplace_back();
    for (unsigned i = 0; i < columns; ++i)
      texts.emplace_back(row[i] == nullptr ? "NULL" : std::string(row[i], lengths[i]));
  }
  return rows;
}

}  // namespace

// -- sessions --

void MysqlSession::Close::operator()(st_mysql* connection) const { mysql_close(connection); }

MysqlSession::MysqlSession(std::string socket) : socket_(std::move(socket)) { connect(); }

void MysqlSession::connect() {
  connection_.reset(mysql_init(nullptr));
  MYSQL* const session = connection_.get();
  mysql_options(session, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (mysql_real_connect(session, nullptr, "root", "", nullptr, 0, socket_.c_str(),
                         CLIENT_MULTI_STATEMENTS) != nullptr)
    return;
  const std::string error = mysql_error(session);
  connection_.reset();
  throw std::runtime_error(fmt::format("{}: {}", socket_, error));
}

Result<Rows> MysqlSession::query(const std::string& statements) {
  if (connection_ == nullptr || mysql_ping(connection_.get()) != 0) connect();
  MYSQL* const session = connection_.get();
  Rows rows;
  int more = mysql_real_query(session, statements.data(), statements.size());
  while (more == 0) {
    const std::unique_ptr<MYSQL_RES, Free> result(mysql_store_result(session));
    if (result != nullptr) rows = rows_of(result.get());
    more = mysql_next_result(session);
  }
  if (mysql_errno(session) != 0) return fail(Code::failed, mysql_error(session));
  return rows;
}

Rows MysqlSession::sql(const std::string& statements) {
  Result<Rows> rows = query(statements);
  if (!rows) throw std::runtime_error(statements.substr(0, 1'000) + ": " + rows.error().what);
  return *std::move(rows);
}

std::vector<MysqlVersion> mysql_versions() {
  std::vector<MysqlVersion> versions = {
      {"mysql", "8.0"}, {"mysql", "9.7"}, {"mariadb", "10.11"}, {"mariadb", "11.8"}};
  const char* matrix = std::getenv("TIDELOG_MATRIX");
  if (matrix != nullptr && std::string_view(matrix) == "full") {
    versions.push_back({"mysql", "5.7"});
    versions.push_back({"mariadb", "11.4"});
  }
  return versions;
}

// -- the server --

MysqlServer::MysqlServer(const MysqlVersion& version) : MysqlServer(Options{.version = version}) {}

MysqlServer::MysqlServer(const Options& options)
    : version_(options.version), folder_(scratch_folder(options.version.make)) {
  std::vector<std::string> arguments = options_of(options.settings);
  arguments.insert(arguments.end(), {"--version", version_.number});
  if (options.durable) arguments.emplace_back("--durable");
  if (!options.certificates.empty())
    arguments.insert(arguments.end(), {"--tls", options.certificates.string()});
  start_with(arguments);
}

MysqlServer::~MysqlServer() {
  session_.reset();
  try {
    run("remove", {});
  } catch (const std::runtime_error& error) {
    // The script's own watch removes it when this process ends.
    fmt::print(stderr, "{} in {} stays for now: {}\n", version_.text(), folder_.string(),
               error.what());
  }
}

std::string MysqlServer::script() const {
  return (source_folder() / "scripts/servers" / (version_.make + ".sh")).string();
}

void MysqlServer::start_with(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {script(), "start", folder_.string(), "--die-with",
                                      std::to_string(::getpid())};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string output = output_of(command, server_deadline);
  url_ = setting_in(output, "URL");
  socket_ = setting_in(output, "SOCKET");
  data_ = setting_in(output, "DATA");
  port_ = number_in(setting_in(output, "PORT"));
}

void MysqlServer::run(const std::string& command, const std::vector<std::string>& arguments) {
  std::vector<std::string> whole = {script(), command, folder_.string()};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  output_of(whole, server_deadline);
}

Result<Rows> MysqlServer::query(const std::string& statements) {
  if (session_ == nullptr) session_ = std::make_unique<MysqlSession>(socket_);
  return session_->query(statements);
}

Rows MysqlServer::sql(const std::string& statements) {
  if (session_ == nullptr) session_ = std::make_unique<MysqlSession>(socket_);
  return session_->sql(statements);
}

void MysqlServer::stop(Shutdown how) {
  session_.reset();
  run("stop", flags(how));
}

void MysqlServer::start(const std::vector<std::string>& settings) {
  start_with(options_of(settings));
}

void MysqlServer::restart(Shutdown how) {
  session_.reset();
  run("restart", flags(how));
}

}  // namespace tidelog::testing
