#include "connectors/mysql/connection_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace tidelog::mysql {

namespace {

constexpr std::string_view scheme = "mysql://";
constexpr std::string_view expected = "expected mysql://user:password@host:port";

tl::unexpected<Error> refused(std::string_view why) {
  return fail(Code::misconfigured, fmt::format("{}: {}", expected, why));
}

// Takes what stands before `end` off the text; nothing: it has none.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  if (at == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return taken;
}

Result<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    unsigned code = 0;
    const char* const digits = text.data() + i + 1;
    const bool has_digits = text.size() - i > 2;
    if (!has_digits || std::from_chars(digits, digits + 2, code, 16).ptr != digits + 2)
      return refused("a % is not followed by two hexadecimal digits");
    out.push_back(static_cast<char>(code));
    i += 2;
  }
  return out;
}

Status read_user(std::string_view text, ConnectionOptions& options) {
  const std::size_t colon = text.find(':');
  TRY(options.user, decoded(text.substr(0, colon)));
  if (options.user.empty()) return refused("the user is missing");
  if (colon == text.npos) return {};
  TRY(options.password, decoded(text.substr(colon + 1)));
  return {};
}

Status read_port(std::string_view text, ConnectionOptions& options) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, options.port);
  if (error == std::errc{} && stopped == end && options.port != 0) return {};
  return refused(fmt::format("'{}' is no port", text));
}

// host | host:port | [address of IPv6]:port
Status read_host(std::string_view text, ConnectionOptions& options) {
  if (text.starts_with('[')) {
    text.remove_prefix(1);
    const std::optional<std::string_view> address = take_until(text, ']');
    if (!address) return refused("the ] behind the address is missing");
    options.host = *address;
    if (text.empty()) return {};
    if (!text.starts_with(':')) return refused("behind the ] a port is expected");
    return read_port(text.substr(1), options);
  }
  const std::size_t colon = text.find(':');
  TRY(options.host, decoded(text.substr(0, colon)));
  return colon == text.npos ? Status() : read_port(text.substr(colon + 1), options);
}

Status read_mode(std::string_view text, TlsOptions& tls) {
  constexpr std::array<std::pair<std::string_view, TlsMode>, 4> modes = {{
      {"DISABLED", TlsMode::disabled},
      {"PREFERRED", TlsMode::preferred},
      {"REQUIRED", TlsMode::required},
      {"VERIFY_IDENTITY", TlsMode::verify_identity},
  }};
  for (const auto& [name, mode] : modes) {
    if (text != name) continue;
    tls.mode = mode;
    return {};
  }
  return refused(fmt::format(
      "ssl-mode is DISABLED, PREFERRED, REQUIRED or VERIFY_IDENTITY, and not '{}'", text));
}

Status read_parameter(std::string_view name, std::string_view text, ConnectionOptions& options) {
  TRY(std::string value, decoded(text));
  if (name == "ssl-mode") return read_mode(value, options.tls);
  if (name == "ssl-ca") {
    options.tls.ca = std::move(value);
  } else if (name == "ssl-cert") {
    options.tls.certificate = std::move(value);
  } else if (name == "ssl-key") {
    options.tls.key = std::move(value);
  } else if (name == "server-public-key") {
    options.public_key = std::move(value);
  } else if (name == "socket") {
    options.socket = std::move(value);
  } else {
    return refused(
        fmt::format("'{}' is no parameter: there are ssl-mode, ssl-ca, ssl-cert, "
                    "ssl-key, server-public-key and socket",
                    name));
  }
  return {};
}

Status read_parameters(std::string_view text, ConnectionOptions& options) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    std::string_view value = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::optional<std::string_view> name = take_until(value, '=');
    if (!name) return refused("a parameter is name=value");
    TRY_DO(read_parameter(*name, value, options));
  }
  return {};
}

}  // namespace

Result<ConnectionOptions> parse_connection_url(std::string_view url) {
  ConnectionOptions options;
  if (!url.starts_with(scheme)) return refused("it begins otherwise");
  url.remove_prefix(scheme.size());
  const std::size_t question = std::min(url.find('?'), url.size());
  TRY_DO(read_parameters(url.substr(std::min(question + 1, url.size())), options));
  url = url.substr(0, question);
  const std::size_t at = url.rfind('@');
  if (at == url.npos) return refused("the user is missing");
  TRY_DO(read_user(url.substr(0, at), options));
  url.remove_prefix(at + 1);
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.find('/') != url.npos)
    return refused("a database is not part of it: `tables` says what is captured");
  TRY_DO(read_host(url, options));
  if (options.host.empty() && options.socket.empty()) return refused("the host is missing");
  return options;
}

}  // namespace tidelog::mysql
