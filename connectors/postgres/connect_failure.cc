#include "connectors/postgres/connect_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "connectors/postgres/connection.h"

namespace tidelog::postgres {

namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

// "FATAL:  28P01: text": takes the SQLSTATE out of the line. Empty: it has none.
std::string take_sqlstate(std::string& line) {
  constexpr std::string_view before = ":  ";
  constexpr std::size_t code_bytes = 5;
  for (std::size_t at = line.find(before); at != std::string::npos;
       at = line.find(before, at + 1)) {
    const std::size_t code = at + before.size();
    if (line.size() < code + code_bytes + 2 || line.compare(code + code_bytes, 2, ": ") != 0)
      continue;
    const std::string found = line.substr(code, code_bytes);
    if (!is_sqlstate(found)) continue;
    line.erase(code, code_bytes + 2);
    return found;
  }
  return {};
}

// A server that takes connections with TLS alone refuses libpq's second try, without TLS, as one
// that is not allowed (28000), whatever was wrong with the first.
int weight(std::string_view sqlstate) {
  if (sqlstate.empty()) return 0;
  if (action_for(code_of_sqlstate(sqlstate)) == Action::retry) return 3;
  return sqlstate == "28000" ? 1 : 2;
}

// What libpq itself refuses, and what OpenSSL says below it, as opposed to a server that is not
// there; the first that fits counts.
struct Sign {
  std::string_view part;
  std::string_view way_out;
};
constexpr std::string_view give_authority =
    "set sslrootcert=FILE, which has the certificate of the authority that signed the server's";
constexpr std::string_view give_host_name =
    "connect by a host name that the server's certificate has; hostaddr=ADDRESS beside host=NAME "
    "says where that is";
constexpr std::string_view give_key =
    "sslkey=FILE must have the key of sslcert=FILE, for this user alone to read (chmod 600); "
    "sslpassword opens one that is encrypted";
constexpr std::string_view give_signed =
    "the server refuses the certificate of sslcert: it must be valid, and signed by an authority "
    "in the server's ssl_ca_file";
constexpr std::string_view give_version =
    "correct ssl_min_protocol_version and ssl_max_protocol_version of the connection or of the "
    "server";
constexpr Sign signs[] = {
    {"no password supplied",
     "give one: in the connection, in PGPASSWORD, or in a password file (~/.pgpass or PGPASSFILE; "
     "chmod 600)"},
    {"certificate verify failed", give_authority},
    {"root certificate file", give_authority},
    {"does not match host name", give_host_name},
    {"could not get server's host name from server certificate", give_host_name},
    {"host name must be specified for a verified", give_host_name},
    {"server does not support SSL",
     "give the server a certificate (ssl_cert_file, ssl_key_file), and: ALTER SYSTEM SET ssl = "
     "'on'; SELECT pg_reload_conf();"},
    {"private key file", give_key},
    {"certificate file", "correct sslcert=FILE"},
    {"alert unknown ca", give_signed},
    {"alert bad certificate", give_signed},
    {"alert certificate", give_signed},
    {"alert unsupported certificate", give_signed},
    {"alert protocol version", give_version},
    {"unsupported protocol", give_version},
    {"SSL protocol version range", give_version},
    {"channel binding",
     "channel_binding=require is for a password of kind scram-sha-256, over TLS"},
    {"incorrect server signature",
     "the server does not know the user's password: it may not be the one that it seems to be"},
    {"required but was impossible", "correct gssencmode"},
    {"doesn't support GSSAPI encryption", "correct gssencmode"},
    {"definition of service",
     "correct service=NAME, or the service file (PGSERVICEFILE, or ~/.pg_service.conf)"},
    {"service file", "correct the service file (PGSERVICEFILE, or ~/.pg_service.conf)"},
    {"value: \"", ""},  // "invalid sslmode value: …"
    {"invalid connection option", ""},
};

// The next text in quotes from `at` on, which is put behind it.
std::optional<std::string_view> next_quoted(std::string_view text, std::size_t& at) {
  const std::size_t begin = text.find('"', at);
  if (begin == text.npos) return std::nullopt;
  const std::size_t end = text.find('"', begin + 1);
  if (end == text.npos) return std::nullopt;
  at = end + 1;
  return text.substr(begin + 1, end - begin - 1);
}

// The text in quotes that stands before `sign`.
std::optional<std::string_view> quoted_before(std::string_view text, std::string_view sign) {
  const std::size_t end = text.find(sign);
  if (end == text.npos || end < 2 || text[end - 1] != '"') return std::nullopt;
  const std::size_t begin = text.rfind('"', end - 2);
  if (begin == text.npos) return std::nullopt;
  return text.substr(begin + 1, end - begin - 2);
}

// … for host "10.0.0.7", user "tidelog", database "shop", SSL encryption
std::string line_of_hba(std::string_view text, std::size_t at) {
  const auto host = next_quoted(text, at);
  const auto user = next_quoted(text, at);
  const auto database = next_quoted(text, at);
  if (!host || !user || !database) return "allow the connection in the server's pg_hba.conf";
  const bool over_tls = has(text, ", SSL encryption");
  const std::string who = fmt::format("\"{}\" \"{}\"", *database, *user);
  const std::string line =
      *host == "[local]" ? fmt::format("local {} scram-sha-256", who)
                         : fmt::format("{} {} {}/{} scram-sha-256", over_tls ? "hostssl" : "host",
                                       who, *host, has(*host, ":") ? 128 : 32);
  return fmt::format(
      "let the server's pg_hba.conf have, before what else fits: {} and: SELECT "
      "pg_reload_conf();{}",
      line,
      over_tls || *host == "[local]" ? ""
                                     : " or, if it takes connections with TLS alone, set "
                                       "sslmode=verify-full sslrootcert=FILE");
}

// The texts are the server's, in English; in another language the general way out is told.
std::string way_out_of_authorization(std::string_view text) {
  for (const std::string_view sign : {"no pg_hba.conf entry", "pg_hba.conf rejects"}) {
    if (const std::size_t at = text.find(sign); at != text.npos) return line_of_hba(text, at);
  }
  if (has(text, "requires a valid client certificate"))
    return "set sslcert=FILE and sslkey=FILE, a certificate for the user and its key";
  if (has(text, "certificate authentication failed"))
    return "the common name (CN) of the certificate must be the user's name, or be mapped to it in "
           "the server's pg_ident.conf";
  if (const auto role = quoted_before(text, " does not exist"))
    return fmt::format("CREATE ROLE {} LOGIN REPLICATION PASSWORD '…';", quote_identifier(*role));
  if (const auto role = quoted_before(text, " is not permitted to log in"))
    return fmt::format("ALTER ROLE {} LOGIN;", quote_identifier(*role));
  return "allow the connection in the server's pg_hba.conf";
}

std::string way_out_of(const ConnectFailure& failure) {
  if (failure.sqlstate == "28P01") return "correct the user or the password of the connection";
  if (failure.sqlstate == "28000") return way_out_of_authorization(failure.text);
  if (failure.sqlstate == "3D000") return "correct the database's name, or create it";
  return "";
}

}  // namespace

ConnectFailure read_connect_failure(std::string_view verbose) {
  ConnectFailure failure;
  while (!verbose.empty()) {
    const std::size_t end = std::min(verbose.find('\n'), verbose.size());
    std::string line(verbose.substr(0, end));
    verbose.remove_prefix(std::min(end + 1, verbose.size()));
    if (line.empty() || line.starts_with("LOCATION:")) continue;
    std::string state = take_sqlstate(line);
    if (weight(state) > weight(failure.sqlstate)) failure.sqlstate = std::move(state);
    if (!failure.text.empty()) failure.text += "; ";
    failure.text += line;
  }
  return failure;
}

Refusal refusal_of(const ConnectFailure& failure) {
  if (!failure.sqlstate.empty()) return {code_of_sqlstate(failure.sqlstate), way_out_of(failure)};
  for (const Sign& sign : signs) {
    if (has(failure.text, sign.part)) return {Code::misconfigured, std::string(sign.way_out)};
  }
  return {Code::unavailable, ""};
}

}  // namespace tidelog::postgres
