#include "connectors/mysql/connection_url.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

TEST_CASE("mysql url: user, password, host and port") {
  const auto options = parse_connection_url("mysql://app:s%40cret@db.example:3307");
  REQUIRE(options);
  CHECK(*options ==
        ConnectionOptions{.host = "db.example", .user = "app", .password = "s@cret", .port = 3307});
  CHECK(parse_connection_url("mysql://app@db/")->port == 3306);
  CHECK(parse_connection_url("mysql://app:@[::1]:3307")->host == "::1");
}

TEST_CASE("mysql url: TLS and a socket by parameters") {
  const auto options = parse_connection_url(
      "mysql://app@db?ssl-mode=VERIFY_IDENTITY&ssl-ca=/etc/ca%20x.pem&ssl-cert=c&ssl-key=k");
  REQUIRE(options);
  CHECK(options->tls == TlsOptions{TlsMode::verify_identity, "/etc/ca x.pem", "c", "k"});
  CHECK(parse_connection_url("mysql://app@db?server-public-key=/etc/key.pem")->public_key ==
        "/etc/key.pem");
  CHECK(parse_connection_url("mysql://app@/?socket=/run/mysqld.sock")->socket ==
        "/run/mysqld.sock");
}

TEST_CASE("mysql url: what is none is refused, without the password") {
  for (const char* url :
       {"", "postgresql://app@db", "mysql://db", "mysql://:hunter2@db", "mysql://app:hunter2@",
        "mysql://app:hunter2@db:0", "mysql://app:hunter2@db:99999", "mysql://app:hunter2@db:x",
        "mysql://app:hunter2@db/shop", "mysql://app:hunter2%4@db", "mysql://app:hunter2%zz@db",
        "mysql://app:hunter2@db?ssl-mode=VERIFY_CA", "mysql://app:hunter2@db?tls=yes",
        "mysql://app:hunter2@db?socket", "mysql://app:hunter2@[::1",
        "mysql://app:hunter2@[::1]x"}) {
    CAPTURE(url);
    const auto options = parse_connection_url(url);
    REQUIRE_FALSE(options);
    CHECK(options.error().code == Code::misconfigured);
    CHECK(options.error().what.find("hunter2") == std::string::npos);
  }
}

}  // namespace
}  // namespace tidelog::testing
