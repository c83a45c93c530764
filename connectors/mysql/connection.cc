#include "connectors/mysql/connection.h"

#include <fmt/format.h>
#include <mysql.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <mutex>

#include "connectors/mysql/greeting.h"
#include "connectors/mysql/server_error.h"

namespace tidelog::mysql {

namespace {

using std::chrono::milliseconds;

// Where the library keeps its context between the parts of a call.
constexpr milliseconds no_limit{3'600'000};

// -- the library's calls in parts, so that a request to stop ends them --

milliseconds limit_of(MYSQL* connection, int wanted) {
  if ((wanted & MYSQL_WAIT_TIMEOUT) == 0) return no_limit;
  return milliseconds{mysql_get_timeout_value_ms(connection)};
}

Direction direction_of(int wanted) {
  const bool reads = (wanted & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) != 0;
  if ((wanted & MYSQL_WAIT_WRITE) == 0) return Direction::read;
  return reads ? Direction::both : Direction::write;
}

// What the library waits for has happened, or its time is over.
Result<int> wait_for(MYSQL* connection, int wanted, const StopSignal& stop) {
  switch (wait_for_socket(static_cast<int>(mysql_get_socket(connection)), direction_of(wanted),
                          limit_of(connection, wanted), stop)) {
    case Wake::ready:
      return wanted & ~MYSQL_WAIT_TIMEOUT;
    case Wake::timed_out:
      return MYSQL_WAIT_TIMEOUT;
    case Wake::stopped:
      break;
  }
  return fail(Code::cancelled, "asked to stop");
}

// Until a call is complete that began with `wanted`.
template <class Continue>
Status complete(MYSQL* connection, int wanted, const StopSignal& stop, Continue&& go_on) {
  while (wanted != 0) {
    TRY(const int happened, wait_for(connection, wanted, stop));
    wanted = go_on(happened);
  }
  return {};
}

// -- options --

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

void set_tls(MYSQL* connection, const ConnectionOptions& options) {
  const TlsOptions& tls = options.tls;
  const my_bool yes = 1;
  const my_bool no = 0;
  mysql_optionsv(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
                 tls.mode == TlsMode::verify_identity ? &yes : &no);
  if (tls.mode == TlsMode::disabled || !options.socket.empty()) return;
  mysql_ssl_set(connection, text_or_null(tls.key), text_or_null(tls.certificate),
                text_or_null(tls.ca), nullptr, nullptr);
}

// -- TLS that is required --

bool requires_tls(const ConnectionOptions& options) {
  return options.socket.empty() &&
         (options.tls.mode == TlsMode::required || options.tls.mode == TlsMode::verify_identity);
}

Error no_tls() {
  return {Code::misconfigured,
          "the server has no TLS, which is required: give it a certificate (ssl_cert, ssl_key), or "
          "allow connections without"};
}

bool is_connected(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

Result<Wake> wait_at_most(int socket, Direction direction, milliseconds limit,
                          const StopSignal& stop) {
  const Wake wake = wait_for_socket(socket, direction, limit, stop);
  if (wake == Wake::stopped) return fail(Code::cancelled, "asked to stop");
  return wake;
}

// Looks at the server's greeting, which the library has not read yet, so that it sends nothing if
// there is no TLS in it. `socket` is being connected; what goes wrong with that is left to the
// library, which has the words for it.
Status check_greeting(int socket, milliseconds limit, const StopSignal& stop) {
  if (!is_connected(socket)) TRY_DO(wait_at_most(socket, Direction::write, limit, stop));
  if (!is_connected(socket)) return {};
  std::array<char, 512> bytes{};
  for (;;) {
    TRY(const Wake wake, wait_at_most(socket, Direction::read, limit, stop));
    if (wake == Wake::timed_out) return {};
    const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size <= 0) return {};
    const auto offered = offers_tls({bytes.data(), static_cast<std::size_t>(size)});
    if (offered && !*offered) return tl::unexpected<Error>(no_tls());
    if (offered || static_cast<std::size_t>(size) == bytes.size()) return {};
    pause_for(milliseconds{1}, stop);  // it has come in part
  }
}

void set_options(MYSQL* connection, const ConnectionOptions& options) {
  const auto connect_limit = static_cast<unsigned>(options.connect_limit.count());
  const auto answer_limit = static_cast<unsigned>(options.answer_limit.count());
  mysql_optionsv(connection, MYSQL_OPT_CONNECT_TIMEOUT, &connect_limit);
  mysql_optionsv(connection, MYSQL_OPT_READ_TIMEOUT, &answer_limit);
  mysql_optionsv(connection, MYSQL_OPT_WRITE_TIMEOUT, &answer_limit);
  mysql_optionsv(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(connection, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "tidelog");
  mysql_optionsv(connection, MYSQL_OPT_NONBLOCK, nullptr);
  // Otherwise the name localhost would be a socket.
  const unsigned protocol = options.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  mysql_optionsv(connection, MYSQL_OPT_PROTOCOL, &protocol);
  set_tls(connection, options);
}

void load_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_server_init(0, nullptr, nullptr); });
}

std::string place_of(const ConnectionOptions& options) {
  if (!options.socket.empty()) return options.socket;
  return fmt::format("{}:{}", options.host, options.port);
}

struct FreeResult {
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};

std::vector<TextRow> rows_of(MYSQL_RES* result) {
  std::vector<TextRow> rows;
  const unsigned columns = mysql_num_fields(result);
  while (const MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* const lengths = mysql_fetch_lengths(result);
    TextRow& texts = rows.emplace_back(columns);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] != nullptr) texts[i] = std::string(row[i], lengths[i]);
    }
  }
  return rows;
}

}  // namespace

void Connection::Close::operator()(st_mysql* connection) const { mysql_close(connection); }

Connection::Connection(std::unique_ptr<st_mysql, Close> connection)
    : connection_(std::move(connection)) {}

Result<Connection> Connection::open(const ConnectionOptions& options, const StopSignal& stop) {
  load_library();
  Connection opened(std::unique_ptr<st_mysql, Close>(mysql_init(nullptr)));
  MYSQL* const raw = opened.raw();
  if (raw == nullptr) return fail(Code::failed, "no memory for a connection");
  set_options(raw, options);
  MYSQL* connected = nullptr;
  const int wanted = mysql_real_connect_start(
      &connected, raw, text_or_null(options.host), options.user.c_str(), options.password.c_str(),
      nullptr, options.port, text_or_null(options.socket), 0);
  if (requires_tls(options) && wanted != 0) {
    TRY_DO(check_greeting(static_cast<int>(mysql_get_socket(raw)), options.connect_limit, stop));
  }
  TRY_DO(complete(raw, wanted, stop, [&](int happened) {
    return mysql_real_connect_cont(&connected, raw, happened);
  }));
  if (connected == nullptr) return fail_in(place_of(options), opened.last_error());
  if (requires_tls(options) && !opened.is_encrypted()) return fail_in(place_of(options), no_tls());
  TRY(opened.version_, read_server_version(mysql_get_server_info(raw)));
  return opened;
}

Result<std::vector<TextRow>> Connection::query(const std::string& statement,
                                               const StopSignal& stop) {
  int failed = 0;
  TRY_DO(complete(raw(), mysql_real_query_start(&failed, raw(), statement.data(), statement.size()),
                  stop,
                  [&](int happened) { return mysql_real_query_cont(&failed, raw(), happened); }));
  if (failed != 0) return fail_in(statement, last_error());
  MYSQL_RES* stored = nullptr;
  TRY_DO(complete(raw(), mysql_store_result_start(&stored, raw()), stop,
                  [&](int happened) { return mysql_store_result_cont(&stored, raw(), happened); }));
  const std::unique_ptr<MYSQL_RES, FreeResult> result(stored);
  if (mysql_errno(raw()) != 0) return fail_in(statement, last_error());
  if (result == nullptr) return std::vector<TextRow>();
  return rows_of(result.get());
}

Result<std::string> Connection::value(const std::string& statement, const StopSignal& stop) {
  TRY(const std::vector<TextRow> rows, query(statement, stop));
  if (rows.size() == 1 && rows[0].size() == 1 && rows[0][0]) return *rows[0][0];
  return fail(Code::unsupported, fmt::format("{}: not one value, as it should be", statement));
}

bool Connection::is_encrypted() const { return mysql_get_ssl_cipher(raw()) != nullptr; }

std::uint32_t Connection::id() const { return static_cast<std::uint32_t>(mysql_thread_id(raw())); }

Error Connection::last_error() const { return error_of({mysql_errno(raw()), mysql_error(raw())}); }

// For older clients MariaDB puts 5.5.5- in front.
Result<ServerVersion> read_server_version(std::string_view text) {
  ServerVersion version;
  version.text = text;
  if (text.find("MariaDB") != text.npos) version.flavour = Flavour::mariadb;
  constexpr std::string_view disguise = "5.5.5-";
  if (version.flavour == Flavour::mariadb && text.starts_with(disguise))
    text.remove_prefix(disguise.size());
  const char* at = text.data();
  const char* const end = at + text.size();
  for (unsigned part = 0; part < 3; ++part) {
    unsigned number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    const bool goes_on = next != end && *next == '.';
    if (error != std::errc() || number > 99 || (part < 2 && !goes_on))
      return fail(Code::unsupported, fmt::format("a server of version '{}'", version.text));
    version.number = version.number * 100 + number;
    at = next + (goes_on ? 1 : 0);
  }
  return version;
}

// A quote doubled is one in every sql_mode; a backslash is not, so such texts go as numbers.
std::string quote_text(std::string_view text) {
  if (text.find('\\') == text.npos) {
    std::string quoted = "'";
    for (const char c : text) quoted.append(c == '\'' ? 2 : 1, c);
    return quoted + "'";
  }
  std::string hex = "_utf8mb4 0x";
  for (const char c : text) hex += fmt::format("{:02X}", static_cast<unsigned char>(c));
  return hex;
}

}  // namespace tidelog::mysql
