// How a MySQL or MariaDB server is reached. Filled by app/ from the configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tidelog::mysql {

// By the words of MySQL's own clients. VERIFY_CA is not among them: the client library sends the
// password before we could look at the certificate.
enum class TlsMode : std::uint8_t {
  disabled,
  preferred,        // as long as the server has it
  required,         // whoever the server is
  verify_identity,  // its certificate is signed by `ca` and has the name of the host
};

struct TlsOptions {
  TlsMode mode = TlsMode::preferred;
  std::string ca = {};           // files, PEM; empty: the system's
  std::string certificate = {};  // of the client, and its key
  std::string key = {};
  bool operator==(const TlsOptions&) const = default;
};

struct ConnectionOptions {
  std::string host = {};    // a name or an address
  std::string socket = {};  // the path of a Unix socket, in place of the host; is never encrypted
  std::string user = {};
  std::string password = {};
  TlsOptions tls = {};
  // File, PEM: the server's own RSA key, under which the password goes to it without TLS (MySQL's
  // caching_sha2_password and sha256_password). Empty: whoever answers is asked for one.
  std::string public_key = {};
  std::uint16_t port = 3306;
  std::chrono::seconds connect_limit{10};
  std::chrono::seconds answer_limit{60};  // for each read of an answer
  bool operator==(const ConnectionOptions&) const = default;
};

}  // namespace tidelog::mysql
