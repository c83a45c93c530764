#include "connectors/mysql/server_error.h"

#include <doctest/doctest.h>

#include "connectors/mysql/connection.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

TEST_CASE("server errors: what a number means, and of 1236 the text") {
  CHECK(error_of({1045, "Access denied"}).code == Code::misconfigured);
  CHECK(error_of({2013, "Lost connection"}).code == Code::unavailable);
  CHECK(error_of({1105, "unknown"}).code == Code::failed);
  CHECK(error_of({1236, "Cannot replicate because the source purged required binary logs."}).code ==
        Code::history_lost);
  CHECK(error_of({1236,
                  "A slave with the same server_uuid/server_id as this slave has connected to the "
                  "master"})
            .code == Code::conflict);
  CHECK(error_of({1236, "bogus data in log event"}).code == Code::corrupt);
  CHECK(error_of({1236, "something new"}).what == "something new (error 1236)");
}

TEST_CASE("server errors: TLS that was cut off is tried again, what is wrong with it is not") {
  for (const char* text :
       {"TLS/SSL error: unexpected eof while reading", "TLS/SSL error: Connection reset by peer",
        "TLS/SSL error: Success (0)", "TLS/SSL error: Broken pipe"}) {
    CAPTURE(text);
    CHECK(error_of({2026, text}).code == Code::unavailable);
  }
  for (const char* text :
       {"TLS/SSL error: certificate verify failed", "TLS/SSL error: Hostname mismatch",
        "TLS/SSL error: wrong version number", "TLS/SSL error: unsupported protocol",
        "SSL is required, but the server does not support it",
        "TLS/SSL error: No such file or directory", "TLS/SSL error: tlsv1 alert unknown ca"}) {
    CAPTURE(text);
    CHECK(error_of({2026, text}).code == Code::misconfigured);
  }
}

TEST_CASE("server errors: a packet without a number is corrupt, one without a state is read") {
  CHECK(read_error_packet("").code == Code::corrupt);
  CHECK(read_error_packet(std::string("\x15\x04#28000denied")).what == "denied (error 1045)");
  CHECK(read_error_packet(std::string("\x10\x04too many")).what == "too many (error 1040)");
}

TEST_CASE("server versions: MySQL and MariaDB are told apart") {
  CHECK(read_server_version("8.0.31")->number == 80031);
  CHECK(read_server_version("9.7.4-2")->flavour == Flavour::mysql);
  const auto mariadb = read_server_version("5.5.5-10.11.19-MariaDB-0+deb12u1-log");
  CHECK(mariadb->flavour == Flavour::mariadb);
  CHECK(mariadb->number == 101119);
  CHECK(read_server_version("11.8.9-MariaDB")->number == 110809);
  CHECK(read_server_version("banana").error().code == Code::unsupported);
}

TEST_CASE("quoted texts: as every sql_mode reads them") {
  CHECK(quote_text("it's") == "'it''s'");
  CHECK(quote_text("a\\") == "_utf8mb4 0x615C");
}

}  // namespace
}  // namespace tidelog::testing
