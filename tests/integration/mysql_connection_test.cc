// Connections of every kind: ways to authenticate, with and without TLS, and what is told of one
// that is refused.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

constexpr Duration generous(60'000);

// A server's certificate for 127.0.0.1, another for another host, and who has signed them.
std::filesystem::path make_certificates() {
  const std::filesystem::path folder = scratch_folder("certificates");
  const auto make = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"openssl",  "req",
                                        "-x509",    "-newkey",
                                        "rsa:2048", "-nodes",
                                        "-days",    "2",
                                        "-keyout",  (folder / (name + ".key")).string(),
                                        "-out",     (folder / (name + ".crt")).string()};
    command.insert(command.end(), more.begin(), more.end());
    output_of(command, generous);
  };
  const std::vector<std::string> signer = {"-CA", (folder / "root.crt").string(), "-CAkey",
                                           (folder / "root.key").string()};
  make("root", {"-subj", "/CN=root"});
  make("other", {"-subj", "/CN=other"});
  std::vector<std::string> server = {"-subj", "/CN=db", "-addext",
                                     "subjectAltName=DNS:db.tidelog.test,IP:127.0.0.1"};
  server.insert(server.end(), signer.begin(), signer.end());
  make("server", server);
  return folder;
}

struct Account {
  std::string name;
  std::string how;  // CREATE USER … IDENTIFIED …
};

std::vector<Account> accounts_of(const MysqlVersion& version) {
  if (version.is_mariadb())
    return {{"native", "via mysql_native_password using password('Sesam''-4711')"},
            {"ed25519", "via ed25519 using password('Sesam''-4711')"}};
  std::vector<Account> accounts = {{"sha2", "with caching_sha2_password by 'Sesam''-4711'"},
                                   {"sha256", "with sha256_password by 'Sesam''-4711'"}};
  if (version.number != "9.7")
    accounts.push_back({"native", "with mysql_native_password by 'Sesam''-4711'"});
  return accounts;
}

Result<Connection> try_connection(const ConnectionOptions& options) {
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  return Connection::open(options, signal);
}

TEST_CASE("connections: every way to authenticate, in plain and over TLS") {
  const std::filesystem::path certificates = make_certificates();
  for (const MysqlVersion& version : {MysqlVersion{"mysql", "8.0"}, MysqlVersion{"mysql", "9.7"},
                                      MysqlVersion{"mariadb", "11.8"}}) {
    CAPTURE(version.text());
    MysqlServer::Options server_options{.version = version, .certificates = certificates};
    if (version.is_mariadb()) server_options.settings = {"plugin-load-add=auth_ed25519"};
    MysqlServer server(server_options);
    for (const Account& account : accounts_of(version)) {
      CAPTURE(account.name);
      server.sql(
          fmt::format("create user {} identified {}; grant replication slave, replication "
                      "client on *.* to {}",
                      account.name, account.how, account.name));
      ConnectionOptions options = connection_to(server);
      options.user = account.name;
      options.password = "Sesam'-4711";
      for (const TlsMode mode :
           {TlsMode::disabled, TlsMode::preferred, TlsMode::required, TlsMode::verify_identity}) {
        CAPTURE(static_cast<int>(mode));
        server.sql("flush privileges");  // forgets whom it has seen
        options.tls = {
            .mode = mode,
            .ca = mode == TlsMode::verify_identity ? (certificates / "root.crt").string() : ""};
        const auto opened = try_connection(options);
        if (!opened) FAIL_CHECK(opened.error().what);
        if (opened) CHECK(opened->is_encrypted() == (mode != TlsMode::disabled));
      }
      options.password = "Sesam-4712";
      const auto refused = try_connection(options);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == Code::misconfigured);
      CHECK(refused.error().what.find("Sesam") == std::string::npos);
      CHECK(refused.error().what.find(account.name) != std::string::npos);
    }
    ConnectionOptions options = connection_to(server);
    options.tls = {.mode = TlsMode::verify_identity, .ca = (certificates / "other.crt").string()};
    const auto stranger = try_connection(options);
    REQUIRE_FALSE(stranger);
    CHECK(stranger.error().code == Code::misconfigured);
    options.tls.ca = (certificates / "root.crt").string();
    options.host = "localhost";
    const auto wrong_name = try_connection(options);
    REQUIRE_FALSE(wrong_name);
    CHECK(wrong_name.error().code == Code::misconfigured);
  }
}

TEST_CASE("connections: a server without TLS is taken only if it is not required") {
  MysqlServer server(MysqlVersion{"mariadb", "10.11"});
  ConnectionOptions options = connection_to(server);
  options.tls.mode = TlsMode::preferred;
  const auto plain = try_connection(options);
  REQUIRE(plain);
  CHECK_FALSE(plain->is_encrypted());
  for (const TlsMode mode : {TlsMode::required, TlsMode::verify_identity}) {
    options.tls.mode = mode;
    const auto refused = try_connection(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::misconfigured);
    CHECK(refused.error().what.find("the server has no TLS") != std::string::npos);
  }
}

TEST_CASE("connections: a way to authenticate that the library lacks is refused by its name") {
  MysqlServer server({.version = {"mariadb", "11.8"}, .settings = {"plugin-load-add=auth_parsec"}});
  server.sql("create user p identified via parsec using password('secret')");
  ConnectionOptions options = connection_to(server);
  options.user = "p";
  options.password = "secret";
  const auto refused = try_connection(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::misconfigured);
  CHECK_MESSAGE(refused.error().what.find("parsec") != std::string::npos, refused.error().what);
}

}  // namespace
}  // namespace tidelog::testing
