#include "connectors/postgres/protection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

namespace tidelog::postgres {

namespace {

using Cipher = Protection::Cipher;
using Verified = Protection::Verified;
using Way = Protection::Way;

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Settings = std::unique_ptr<PQconninfoOption, FreeOptions>;

// As libpq uses it, from the connection, the service file, the environment or by default.
std::string_view setting(const Settings& settings, std::string_view keyword) {
  for (const PQconninfoOption* option = settings.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (option->keyword == keyword && option->val != nullptr) return option->val;
  }
  return {};
}

std::optional<in6_addr> address_of(const sockaddr_storage& socket) {
  in6_addr address{};
  if (socket.ss_family == AF_INET6) {
    return reinterpret_cast<const sockaddr_in6&>(socket).sin6_addr;
  }
  if (socket.ss_family != AF_INET) return std::nullopt;
  address.s6_addr[10] = address.s6_addr[11] = 0xff;  // ::ffff:127.0.0.1
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(socket).sin_addr;
  const std::uint32_t host = ntohl(v4.s_addr);
  for (int i = 0; i < 4; ++i)
    address.s6_addr[12 + i] = static_cast<std::uint8_t>(host >> (24 - 8 * i));
  return address;
}

bool is_loopback(const in6_addr& address) {
  return IN6_IS_ADDR_LOOPBACK(&address) ||
         (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

Way way_of(int socket) {
  sockaddr_storage peer{};
  sockaddr_storage self{};
  socklen_t peer_bytes = sizeof peer;
  socklen_t self_bytes = sizeof self;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_bytes) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&self), &self_bytes) != 0)
    return Way::network;
  if (peer.ss_family == AF_UNIX) return Way::socket;
  const auto to = address_of(peer);
  const auto from = address_of(self);
  if (!to || !from) return Way::network;
  return is_loopback(*to) || IN6_ARE_ADDR_EQUAL(&*to, &*from) ? Way::this_machine : Way::network;
}

// The same look as libpq's: without that file only the verifying modes fail.
bool has_root_certificate(const Settings& settings) {
  std::filesystem::path file = setting(settings, "sslrootcert");
  if (file.empty()) {
    const char* const home = std::getenv("HOME");
    if (home == nullptr) return false;
    file = std::filesystem::path(home) / ".postgresql/root.crt";
  }
  std::error_code error;
  return std::filesystem::exists(file, error);
}

// `prefer` and `allow` go on without TLS when a certificate is refused.
Verified verified_by(const Settings& settings) {
  const std::string_view mode = setting(settings, "sslmode");
  if (mode == "verify-full") return Verified::host_name;
  if (mode == "verify-ca" || (mode == "require" && has_root_certificate(settings)))
    return Verified::certificate;
  if (setting(settings, "channel_binding") == "require") return Verified::password;
  return Verified::nothing;
}

std::string described(const Protection& protection) {
  switch (protection.cipher) {
    case Cipher::none:
      return protection.way == Way::socket ? "over a Unix socket"
                                           : "within this machine, not encrypted";
    case Cipher::gss:
      return "encrypted by GSSAPI";
    case Cipher::tls:
      break;
  }
  switch (protection.verified) {
    case Verified::nothing:
      return protection.tls_version + " within this machine, the server is not verified";
    case Verified::password:
      return protection.tls_version + ", the server has shown that it knows the user's password";
    case Verified::certificate:
      return protection.tls_version +
             ", the server's certificate is verified, its host name is not";
    case Verified::host_name:
      return protection.tls_version + ", the server's certificate and host name are verified";
  }
  return {};
}

std::string mend_of(const Protection& protection, std::string_view connection,
                    bool server_has_tls) {
  const bool is_url =
      connection.starts_with("postgresql://") || connection.starts_with("postgres://");
  const std::string_view first = connection.find('?') == connection.npos ? "?" : "&";
  std::string mend = fmt::format(
      "add {}sslmode=verify-full{}sslrootcert=FILE to the connection; FILE has the certificate of "
      "the authority that signed the server's",
      is_url ? first : "", is_url ? "&" : " ");
  if (protection.cipher == Cipher::none && !server_has_tls) {
    mend =
        "give the server a certificate (ssl_cert_file, ssl_key_file), and: ALTER SYSTEM SET ssl = "
        "'on'; SELECT pg_reload_conf(); then " +
        mend;
  }
  return mend;
}

}  // namespace

Protection protection_of(const Connection& connection) {
  pg_conn* const raw = connection.raw();
  const Settings settings(PQconninfo(raw));
  Protection found;
  found.way = way_of(PQsocket(raw));
  found.ssl_mode = setting(settings, "sslmode");
  found.server = PQhost(raw);
  if (PQsslInUse(raw) != 0) {
    const char* const version = PQsslAttribute(raw, "protocol");
    found.cipher = Cipher::tls;
    found.tls_version = version == nullptr ? "TLS" : version;
    found.verified = verified_by(settings);
  } else if (PQgssEncInUse(raw) != 0) {
    found.cipher = Cipher::gss;
  }
  return found;
}

Finding judge(const Protection& protection, std::string_view connection, bool server_has_tls) {
  using Severity = Finding::Severity;
  const bool is_open = protection.cipher == Cipher::none;
  const bool is_unknown =
      protection.cipher == Cipher::tls && protection.verified == Verified::nothing;
  if (protection.way != Way::network || (!is_open && !is_unknown))
    return {Severity::fine, Code::misconfigured, "connected: " + described(protection), ""};
  const std::string what =
      is_open ? fmt::format(
                    "the connection to {} is not encrypted (sslmode={}): whoever is between "
                    "can read and change what is captured",
                    protection.server, protection.ssl_mode)
              : fmt::format(
                    "the connection to {} is encrypted, but sslmode={} does not verify that "
                    "it is that server: whoever is between can stand in for it, and so read "
                    "and change what is captured",
                    protection.server, protection.ssl_mode);
  return {Severity::warning, Code::misconfigured, what,
          mend_of(protection, connection, server_has_tls)};
}

}  // namespace tidelog::postgres
