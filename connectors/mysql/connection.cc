#include "connectors/mysql/connection.h"

#include <fmt/format.h>
#include <mysql.h>
#include <openssl/err.h>
#include <openssl/pem.h>
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

bool wants_tls(const ConnectionOptions& options) {
  return options.socket.empty() && options.tls.mode != TlsMode::disabled;
}

bool requires_tls(const ConnectionOptions& options) {
  return wants_tls(options) && options.tls.mode != TlsMode::preferred;
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
// library, which has the words for it: true.
Result<bool> greeting_has_tls(int socket, milliseconds limit, const StopSignal& stop) {
  if (!is_connected(socket)) TRY_DO(wait_at_most(socket, Direction::write, limit, stop));
  if (!is_connected(socket)) return true;
  std::array<char, 512> bytes{};
  for (;;) {
    TRY(const Wake wake, wait_at_most(socket, Direction::read, limit, stop));
    if (wake == Wake::timed_out)
      return fail(Code::unavailable, fmt::format("no greeting for {} ms", limit.count()));
    const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size <= 0) return true;
    const auto offered = offers_tls({bytes.data(), static_cast<std::size_t>(size)});
    if (offered) return *offered;
    if (static_cast<std::size_t>(size) == bytes.size())
      return fail(Code::corrupt, "what it sent is no server's greeting");
    pause_for(milliseconds{1}, stop);  // it has come in part
  }
}

// The library's ways to authenticate take a connection for secure where TLS was only asked for, and
// would send the password as it is.
void give_up_tls(MYSQL* connection) {
  const my_bool no = 0;
  mysql_ssl_set(connection, nullptr, nullptr, nullptr, nullptr, nullptr);
  mysql_optionsv(connection, MYSQL_OPT_SSL_ENFORCE, &no);
}

// -- ways to authenticate --

// Whoever answers chooses one, and others that the library has send the password as it is. So these
// are loaded at first, and none later on; the list keeps out what is built into the library.
constexpr std::array<const char*, 3> loaded_plugins = {"caching_sha2_password", "sha256_password",
                                                       "client_ed25519"};
constexpr const char* allowed_plugins =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";
constexpr int type_authentication = 2;  // of mysql/client_plugin.h, which lacks a header of its own
constexpr const char* no_folder = "/nonexistent";

// The library would ask the server for its key in place of a file that cannot be read.
Status check_public_key(const std::string& file) {
  if (file.empty()) return {};
  const std::unique_ptr<BIO, int (*)(BIO*)> in(BIO_new_file(file.c_str(), "r"), BIO_free);
  if (in != nullptr) {
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
        PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    if (key != nullptr) return {};
  }
  ERR_clear_error();
  return fail(Code::misconfigured,
              fmt::format("{}: no file with a server's public key (PEM)", file));
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
  mysql_optionsv(connection, MYSQL_PLUGIN_DIR, no_folder);
  const unsigned none = 0;
  mysql_optionsv(connection, MYSQL_OPT_LOCAL_INFILE, &none);
  if (!options.public_key.empty())
    mysql_optionsv(connection, MYSQL_SERVER_PUBLIC_KEY, options.public_key.c_str());
  set_tls(connection, options);
}

void load_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    mysql_server_init(0, nullptr, nullptr);
    const std::unique_ptr<MYSQL, void (*)(MYSQL*)> any(mysql_init(nullptr), mysql_close);
    for (const char* name : loaded_plugins)
      mysql_load_plugin(any.get(), name, type_authentication, 0);
  });
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
  TRY_DO(check_public_key(options.public_key));
  return open_with(options, allowed_plugins, stop);
}

// The library does not say which one was asked for, but does so of one that it does not find: then
// without a password to lose.
Error Connection::plugin_not_allowed(const ConnectionOptions& options, const StopSignal& stop) {
  ConnectionOptions without_password = options;
  without_password.password.clear();
  const auto asked = open_with(without_password, nullptr, stop);
  std::string what = "the server wants another way to authenticate";
  if (!asked && asked.error().what.find("could not be loaded") != std::string::npos)
    what = asked.error().what;
  return {Code::misconfigured, fmt::format("{}; there are {}", what, allowed_plugins)};
}

Result<Connection> Connection::open_with(const ConnectionOptions& options, const char* plugins,
                                         const StopSignal& stop) {
  Connection opened(std::unique_ptr<st_mysql, Close>(mysql_init(nullptr)));
  MYSQL* const raw = opened.raw();
  if (raw == nullptr) return fail(Code::failed, "no memory for a connection");
  set_options(raw, options);
  if (plugins != nullptr) mysql_optionsv(raw, MARIADB_OPT_RESTRICTED_AUTH, plugins);
  MYSQL* connected = nullptr;
  const int wanted = mysql_real_connect_start(
      &connected, raw, text_or_null(options.host), options.user.c_str(), options.password.c_str(),
      nullptr, options.port, text_or_null(options.socket), 0);
  if (wants_tls(options) && wanted != 0) {
    auto has_tls =
        greeting_has_tls(static_cast<int>(mysql_get_socket(raw)), options.connect_limit, stop);
    if (!has_tls) return fail_in(place_of(options), has_tls.error());
    if (!*has_tls && requires_tls(options)) return fail_in(place_of(options), no_tls());
    if (!*has_tls) give_up_tls(raw);
  }
  TRY_DO(complete(raw, wanted, stop, [&](int happened) {
    return mysql_real_connect_cont(&connected, raw, happened);
  }));
  if (connected == nullptr && mysql_errno(raw) == error_plugin_not_allowed)
    return fail_in(place_of(options), plugin_not_allowed(options, stop));
  if (connected == nullptr) return fail_in(place_of(options), opened.last_error());
  if (requires_tls(options) && !opened.is_encrypted()) return fail_in(place_of(options), no_tls());
  TRY(opened.version_, read_server_version(mysql_get_server_info(raw)));
  TRY_DO(opened.set_session(stop));
  return opened;
}

// Whatever the server's options make of sessions: our statements are UTF-8, and their answers are
// whole.
Status Connection::set_session(const StopSignal& stop) {
  TRY_DO(query("SET NAMES utf8mb4", stop));
  const char* const time_limit = is_mariadb() ? "max_statement_time" : "max_execution_time";
  TRY_DO(query(fmt::format("SET SESSION autocommit = 1, SESSION sql_big_selects = 1, SESSION "
                           "sql_select_limit = 18446744073709551615, SESSION {} = 0",
                           time_limit),
               stop));
  return {};
}

Status Connection::send(const std::string& statement, const StopSignal& stop) {
  int failed = 0;
  TRY_DO(complete(raw(), mysql_real_query_start(&failed, raw(), statement.data(), statement.size()),
                  stop,
                  [&](int happened) { return mysql_real_query_cont(&failed, raw(), happened); }));
  if (failed != 0) return fail_in(statement, last_error());
  return {};
}

Result<std::vector<TextRow>> Connection::query(const std::string& statement,
                                               const StopSignal& stop) {
  TRY_DO(send(statement, stop));
  MYSQL_RES* stored = nullptr;
  TRY_DO(complete(raw(), mysql_store_result_start(&stored, raw()), stop,
                  [&](int happened) { return mysql_store_result_cont(&stored, raw(), happened); }));
  const std::unique_ptr<MYSQL_RES, FreeResult> result(stored);
  if (mysql_errno(raw()) != 0) return fail_in(statement, last_error());
  if (result == nullptr) return std::vector<TextRow>();
  return rows_of(result.get());
}

// False: there is no more.
Result<bool> Connection::take_row(MYSQL_RES* result, const StopSignal& stop,
                                  std::vector<std::optional<std::string_view>>& values) {
  MYSQL_ROW row = nullptr;
  TRY_DO(complete(raw(), mysql_fetch_row_start(&row, result), stop,
                  [&](int happened) { return mysql_fetch_row_cont(&row, result, happened); }));
  if (row == nullptr) return false;
  const unsigned long* const lengths = mysql_fetch_lengths(result);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i].reset();
    if (row[i] != nullptr) values[i] = std::string_view(row[i], lengths[i]);
  }
  return true;
}

// The rows that are not wanted any more are on their way all the same, and are passed over.
Status Connection::each_row(const std::string& statement, const StopSignal& stop,
                            const TakeRow& take) {
  TRY_DO(send(statement, stop));
  const std::unique_ptr<MYSQL_RES, FreeResult> result(mysql_use_result(raw()));
  if (result == nullptr) return fail_in(statement, last_error());
  std::vector<std::optional<std::string_view>> values(mysql_num_fields(result.get()));
  Result<bool> wants_more = true;
  for (;;) {
    const Result<bool> has_row = take_row(result.get(), stop, values);
    if (!has_row) {
      result->handle = nullptr;  // it would be read to its end
      return error_of(has_row);
    }
    if (!*has_row) break;
    if (wants_more && *wants_more) wants_more = take(values);
  }
  if (!wants_more) return error_of(wants_more);
  if (mysql_errno(raw()) != 0) return fail_in(statement, last_error());
  return {};
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
