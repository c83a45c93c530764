#include "connectors/postgres/connect_failure.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

TEST_CASE("connect failure: the state is taken out of the text, and the server's source line") {
  const ConnectFailure failure = read_connect_failure(
      "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password "
      "authentication failed for "
      "user \"x\"\nLOCATION:  auth_failed, auth.c:338\n");
  CHECK(failure.sqlstate == "28P01");
  CHECK(failure.text ==
        "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password authentication "
        "failed for user "
        "\"x\"");
}

TEST_CASE("connect failure: without an answer of the server there is no state") {
  const ConnectFailure failure = read_connect_failure(
      "connection to server at \"::1\" failed: Connection refused\n\tIs it running?\n");
  CHECK(failure.sqlstate.empty());
  CHECK(failure.text.find("Connection refused") != std::string::npos);
}

// What is told by a server that takes connections with TLS alone, when sslmode is prefer.
std::string twice(const std::string& first) {
  return "connection to server at \"h\" failed: FATAL:  " + first +
         "\nLOCATION:  f, f.c:1\nconnection to server at \"h\" failed: FATAL:  28000: no "
         "pg_hba.conf entry for host \"10.0.0.7\", user \"u\", database \"d\", no encryption\n";
}

TEST_CASE("connect failure: of two tries the one that says most counts") {
  CHECK(read_connect_failure(twice("28P01: password authentication failed")).sqlstate == "28P01");
  CHECK(read_connect_failure(twice("57P03: the database system is starting up")).sqlstate ==
        "57P03");
  CHECK(read_connect_failure(twice("53300: sorry, too many clients already")).sqlstate == "53300");
}

Refusal refusal(const std::string& said) { return refusal_of(read_connect_failure(said)); }

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("refusal: what no other try mends is final, all else is tried again") {
  for (const std::string text :
       {"connection refused", "SSL SYSCALL error: EOF detected",
        "SSL error: unexpected eof while "
        "reading",
        "could not translate host name \"h\" to address: Name or service not known",
        "FATAL:  57P03: the database system is starting up", "session is read-only"}) {
    CAPTURE(text);
    CHECK(refusal(text).code == Code::unavailable);
    CHECK(refusal(text).way_out.empty());
  }
  for (const std::string text :
       {"SSL error: certificate verify failed", "SSL error: sslv3 alert certificate expired",
        "SSL error: tlsv13 alert certificate required", "SSL error: tlsv1 alert unknown ca",
        "server certificate for \"a\" (and 2 other names) does not match host name \"b\"",
        "certificate present, but not private key file \"k\"", "fe_sendauth: no password supplied",
        "server does not support SSL, but SSL was required", "incorrect server signature"}) {
    CAPTURE(text);
    CHECK(refusal(text).code == Code::misconfigured);
    CHECK_FALSE(refusal(text).way_out.empty());
  }
}

TEST_CASE("refusal: what pg_hba.conf must have is told as its line") {
  const auto way_out = [](const std::string& rest) {
    return refusal("FATAL:  28000: no pg_hba.conf entry for host " + rest).way_out;
  };
  CHECK(contains(way_out("\"10.0.0.7\", user \"u\", database \"d\", SSL encryption"),
                 ": hostssl \"d\" \"u\" 10.0.0.7/32 scram-sha-256 and:"));
  CHECK(contains(way_out("\"fe80::7\", user \"u\", database \"d\", no encryption"),
                 ": host \"d\" \"u\" fe80::7/128 scram-sha-256 and:"));
  CHECK(contains(way_out("\"10.0.0.7\", user \"u\", database \"d\", no encryption"),
                 "sslmode=verify-full"));
  CHECK(contains(way_out("\"[local]\", user \"u\", database \"d\", no encryption"),
                 ": local \"d\" \"u\" scram-sha-256 and:"));
  for (const std::string rest : {"", "\"", "\"a\", user \"u\", database \"d"})
    CHECK(way_out(rest) == "allow the connection in the server's pg_hba.conf");
  CHECK(refusal("FATAL:  28000: role \"u\" does not exist").way_out ==
        "CREATE ROLE \"u\" LOGIN REPLICATION PASSWORD '…';");
  for (const std::string text : {" does not exist", "\" does not exist", "u\" does not exist"}) {
    CHECK(refusal("FATAL:  28000: " + text).way_out ==
          "allow the connection in the server's pg_hba.conf");
  }
}

}  // namespace
}  // namespace tidelog::testing
