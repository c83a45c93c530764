// How a connection is protected from whoever is between us and the server (Postgres manual, "SSL
// Support" of libpq). Used by preflight.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"

namespace tidelog::postgres {

struct Protection {
  enum class Way : std::uint8_t { socket, this_machine, network };
  enum class Cipher : std::uint8_t { none, gss, tls };
  // What shows that the server is the one that was meant. The strongest counts.
  enum class Verified : std::uint8_t {
    nothing,
    password,     // that it knows the user's, bound to this TLS session (channel_binding)
    certificate,  // that its certificate is signed by an authority that we trust
    host_name,    // and is that of the host that we connect to
  };
  Way way = Way::network;
  Cipher cipher = Cipher::none;
  Verified verified = Verified::nothing;  // of Cipher::tls
  std::string tls_version;                // "TLSv1.3"; of Cipher::tls
  std::string ssl_mode;                   // in effect, wherever it was set
  std::string server;                     // its host name, or its address
};
Protection protection_of(const Connection& connection);

// A warning with what mends it, when somebody between could read or change what is captured;
// otherwise Severity::fine, with what protects it. `connection` is the configured one, which says
// how settings are written; `server_has_tls` is the server's setting `ssl`.
Finding judge(const Protection& protection, std::string_view connection, bool server_has_tls);

}  // namespace tidelog::postgres
