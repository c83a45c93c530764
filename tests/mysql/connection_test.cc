#include "connectors/mysql/connection.h"

#include <doctest/doctest.h>

#include <stop_token>
#include <thread>

#include "connectors/mysql/binlog_dump.h"
#include "tests/mysql/fake_server.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

// "What you have shown is not in my cache: the whole password, please."
const std::string full_password = std::string("\x01\x04");

std::string switch_to(const std::string& plugin) {
  return "\xFE" + std::string(plugin).append(1, '\0') + std::string("abcdefghijklmnopqrst", 20) +
         '\0';
}

Error refused_at(std::uint16_t port, TlsMode mode, const std::string& public_key = {}) {
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  const ConnectionOptions options{.host = "127.0.0.1",
                                  .user = "app",
                                  .password = "open sesame",
                                  .tls = {.mode = mode, .ca = "/etc/ssl/certs/ca-certificates.crt"},
                                  .public_key = public_key,
                                  .port = port};
  const auto opened = Connection::open(options, signal);
  REQUIRE_FALSE(opened);
  return opened.error();
}

Error refused_by(const FakeServer& server, TlsMode mode) { return refused_at(server.port(), mode); }

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("passwords: a server without TLS never gets one as it is") {
  for (const TlsMode mode : {TlsMode::disabled, TlsMode::preferred}) {
    FakeServer server(false, {full_password});
    refused_by(server, mode);
    CHECK(says(server.heard(), "app"));
    CHECK_FALSE(says(server.heard(), "open sesame"));
    CHECK(server.heard().back() == '\x02');  // the server's public key is asked for
  }
}

TEST_CASE("passwords: where TLS is required, a server without hears nothing") {
  for (const TlsMode mode : {TlsMode::required, TlsMode::verify_identity}) {
    FakeServer server(false, {full_password});
    const Error error = refused_by(server, mode);
    CHECK(error.code == Code::misconfigured);
    CHECK(says(error.what, "the server has no TLS"));
    CHECK(server.heard().empty());
  }
}

TEST_CASE("passwords: a way to authenticate that sends them as they are is not taken") {
  for (const char* plugin : {"mysql_clear_password", "dialog"}) {
    CAPTURE(plugin);
    FakeServer server(false, {switch_to(plugin)}, 2);
    const Error error = refused_by(server, TlsMode::preferred);
    CHECK_MESSAGE(error.code == Code::misconfigured, error.what);
    CHECK_MESSAGE(says(error.what, plugin), error.what);
    CHECK_FALSE(says(server.heard(), "open sesame"));
  }
}

TEST_CASE("passwords: a public key that cannot be read is not replaced by that of who answers") {
  const Error error = refused_at(1, TlsMode::disabled, "/nowhere/key.pem");
  CHECK(error.code == Code::misconfigured);
  CHECK(says(error.what, "/nowhere/key.pem"));
}

TEST_CASE("passwords: TLS that ends in its midst is no reason to stop for good") {
  FakeServer server(true, {});
  CHECK(refused_by(server, TlsMode::required).code == Code::unavailable);
  CHECK_FALSE(says(server.heard(), "open sesame"));
}

TEST_CASE("dumps: a stop ends the wait for an answer to who we are") {
  const std::string ok("\0\0\0\2\0\0\0", 7);  // to the password, and to what is set first
  FakeServer server(false, {ok, ok, ok, {}});
  std::stop_source stop;
  const StopSignal signal(stop.get_token());
  auto connection = Connection::open({.host = "127.0.0.1",
                                      .user = "app",
                                      .tls = {.mode = TlsMode::disabled},
                                      .port = server.port()},
                                     signal);
  if (!connection) FAIL(connection.error().what);
  {
    auto dump = BinlogDump::open(*std::move(connection));
    REQUIRE(dump);
    const std::jthread stopper([&stop] { stop.request_stop(); });
    const Status registered = dump->register_as_replica(1, "tidelog", signal);
    REQUIRE_FALSE(registered);
    CHECK(registered.error().code == Code::cancelled);
  }
  CHECK(says(server.heard(), "tidelog"));
}

}  // namespace
}  // namespace tidelog::testing
