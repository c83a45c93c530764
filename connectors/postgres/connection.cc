#include "connectors/postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>

#include "connectors/postgres/connect_failure.h"
#include "connectors/socket/wait.h"
#include "core/invariant.h"

namespace tidelog::postgres {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The form in which values are read, and nothing that could end our long transactions or hide rows
// from us. They come with the connection's start-up, which beats what ALTER ROLE and ALTER DATABASE
// have set.
constexpr std::string_view session_settings =
    " -c datestyle=ISO -c intervalstyle=iso_8601 -c bytea_output=hex -c extra_float_digits=3"
    " -c timezone=UTC -c search_path=pg_catalog -c standard_conforming_strings=on"
    " -c quote_all_identifiers=off -c row_security=off -c statement_timeout=0 -c lock_timeout=0"
    " -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0";

constexpr int transaction_timeout_version = 170'000;

constexpr milliseconds cancel_limit{2'000};

// TLS may hold bytes back that libpq had no room for: the socket does not tell of those.
constexpr milliseconds look_again{1'000};

milliseconds left_until(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return std::max(left, milliseconds{0});
}

void ignore_notice(void* /*unused*/, const PGresult* /*unused*/) {}

void set(std::vector<Setting>& settings, std::string keyword, std::string value) {
  std::erase_if(settings, [&](const Setting& s) { return s.keyword == keyword; });
  settings.push_back({std::move(keyword), std::move(value)});
}

std::string value_of(const std::vector<Setting>& settings, std::string_view keyword) {
  for (const Setting& setting : settings) {
    if (setting.keyword == keyword) return setting.value;
  }
  return {};
}

void set_default(std::vector<Setting>& settings, std::string keyword, std::string value) {
  if (value_of(settings, keyword).empty()) set(settings, std::move(keyword), std::move(value));
}

std::vector<Setting> with_ours(std::vector<Setting> settings, const PostgresOptions& options,
                               Connection::Kind kind) {
  set(settings, "options", value_of(settings, "options") + std::string(session_settings));
  set(settings, "client_encoding", "UTF8");
  set_default(settings, "fallback_application_name", slot_name(options));
  // A peer that vanished without a word is noticed after a minute, not after hours.
  set_default(settings, "keepalives_idle", "30");
  set_default(settings, "keepalives_interval", "10");
  set_default(settings, "keepalives_count", "3");
  set_default(settings, "tcp_user_timeout", "60000");
  if (kind == Connection::Kind::replication) set(settings, "replication", "database");
  return settings;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find(',');
    parts.emplace_back(text.substr(0, end));
    if (end != std::string_view::npos) text.remove_prefix(end + 1);
  }
  return parts;
}

// One group of settings per host: each gets its own time, and its own line in the error.
std::vector<std::vector<Setting>> per_host(const std::vector<Setting>& settings) {
  const std::vector<std::string> hosts = split_at_commas(value_of(settings, "host"));
  const std::vector<std::string> addresses = split_at_commas(value_of(settings, "hostaddr"));
  const std::vector<std::string> ports = split_at_commas(value_of(settings, "port"));
  const std::size_t count = std::max(hosts.size(), addresses.size());
  std::vector<std::vector<Setting>> all;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<Setting> one = settings;
    const auto pick = [&](const char* keyword, const std::vector<std::string>& from) {
      if (from.size() == 1 && from[0].empty()) return;  // not given
      set(one, keyword, from.size() == 1 ? from[0] : i < from.size() ? from[i] : "");
    };
    pick("host", hosts);
    pick("hostaddr", addresses);
    pick("port", ports);
    all.push_back(std::move(one));
  }
  return all;
}

// "prefer-standby" is two rounds over the hosts; every other wish is one.
std::vector<std::string> rounds_of(const std::string& wished) {
  if (wished == "prefer-standby") return {"standby", "any"};
  return {wished};  // empty: what a service file or the environment wishes
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

Error error_of_result(const PGresult* result) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  ServerError error{field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY),
                    field(PG_DIAG_MESSAGE_DETAIL), field(PG_DIAG_MESSAGE_HINT),
                    field(PG_DIAG_CONTEXT)};
  if (error.primary.empty()) error.primary = PQresultErrorMessage(result);
  return error_of(error);
}

Status status_of(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_OUT ||
      status == PGRES_COPY_BOTH || status == PGRES_COPY_IN) {
    return {};
  }
  return tl::unexpected<Error>(error_of_result(result));
}

bool starts_copy(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH || status == PGRES_COPY_IN;
}

}  // namespace

Error error_of(const ServerError& said) {
  Error error{code_of_sqlstate(said.sqlstate), said.primary};
  while (!error.what.empty() && error.what.back() == '\n') error.what.pop_back();
  for (const std::string* extra : {&said.detail, &said.hint, &said.context}) {
    if (!extra->empty()) error.what += "; " + *extra;
  }
  if (error.what.empty()) error.what = "the connection was closed";
  return error;
}

void QueryResult::Clear::operator()(pg_result* result) const { PQclear(result); }

std::size_t QueryResult::rows() const { return static_cast<std::size_t>(PQntuples(result_.get())); }

bool QueryResult::is_null(std::size_t row, std::size_t column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view QueryResult::text(std::size_t row, std::size_t column) const {
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  INVARIANT(r < PQntuples(result_.get()) && c < PQnfields(result_.get()),
            "a row and column of the query");
  return {PQgetvalue(result_.get(), r, c),
          static_cast<std::size_t>(PQgetlength(result_.get(), r, c))};
}

Result<std::int64_t> QueryResult::integer(std::size_t row, std::size_t column) const {
  const std::string_view digits = text(row, column);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return fail(Code::corrupt,
                fmt::format("the server answered \"{}\" instead of a number", digits));
  }
  return number;
}

void Connection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(std::unique_ptr<pg_conn, Finish> connection, const PostgresOptions& options)
    : connection_(std::move(connection)), stop_(std::make_unique<StopSignal>(options.stop)) {}

// Without it OpenSSL asks at the terminal for what opens an encrypted key, and waits.
void never_ask_for_key_password() {
  static const bool is_set = [] {
    PQsetSSLKeyPassHook_OpenSSL(PQdefaultSSLKeyPassHook_OpenSSL);
    return true;
  }();
  static_cast<void>(is_set);
}

// One try to reach one host.
class HostAttempt {
 public:
  HostAttempt(const PostgresOptions& options, const std::vector<Setting>& settings)
      : options_(options), settings_(settings), stop_(options.stop) {}

  Result<Connection> run() {
    never_ask_for_key_password();
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const Setting& setting : settings_) {
      keywords.push_back(setting.keyword.c_str());
      values.push_back(setting.value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
    if (connection_ == nullptr) return fail(Code::failed, "no memory for a connection");
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);  // with the SQLSTATE
    PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
    TRY_DO(poll());
    PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
    Connection connection(std::move(connection_), options_);
    TRY_DO(allow_long_transactions(connection));
    return connection;
  }

 private:
  Status poll() {
    const auto deadline = steady_clock::now() + options_.connect_timeout;
    for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
      if (state == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD)
        return failure();
      const Direction direction =
          state == PGRES_POLLING_READING ? Direction::read : Direction::write;
      const Wake wake =
          wait_for_socket(PQsocket(connection_.get()), direction, left_until(deadline), stop_);
      if (wake == Wake::stopped) return fail(Code::cancelled, "asked to stop while connecting");
      if (wake == Wake::timed_out && steady_clock::now() >= deadline) {
        return fail(Code::unavailable, fmt::format("{} did not answer within {} ms", where(),
                                                   options_.connect_timeout.count()));
      }
      state = PQconnectPoll(connection_.get());
    }
    return {};
  }

  // Older servers would refuse to be connected to with a setting that they do not know.
  Status allow_long_transactions(Connection& connection) const {
    if (connection.server_version() < transaction_timeout_version) return {};
    TRY_DO(connection.command("SET transaction_timeout = 0", options_.connect_timeout));
    return {};
  }

  std::string where() const {
    const std::string host = value_of(settings_, "host");
    const std::string port = value_of(settings_, "port");
    return fmt::format("the server at {}{}{}", host.empty() ? "the local socket" : host,
                       port.empty() ? "" : ":", port);
  }

  Status failure() const {
    ConnectFailure failure = read_connect_failure(PQerrorMessage(connection_.get()));
    for (const char* const secret : {"password", "sslpassword"}) {
      const std::string value = value_of(settings_, secret);
      if (value.size() > 3) replace_all(failure.text, value, "…");
    }
    const Refusal refusal = refusal_of(failure);
    return fail(refusal.code,
                failure.text + (refusal.way_out.empty() ? "" : "; " + refusal.way_out));
  }

  const PostgresOptions& options_;
  const std::vector<Setting>& settings_;
  StopSignal stop_;
  std::unique_ptr<pg_conn, Connection::Finish> connection_;
};

Result<Connection> Connection::open(const PostgresOptions& options, Kind kind) {
  TRY(std::vector<Setting> settings, read_connection_settings(options.connection));
  settings = with_ours(std::move(settings), options, kind);
  std::string met;
  std::optional<Code> code;
  for (const std::string& round : rounds_of(value_of(settings, "target_session_attrs"))) {
    set(settings, "target_session_attrs", round);
    for (const std::vector<Setting>& one : per_host(settings)) {
      auto connection = HostAttempt(options, one).run();
      if (connection || connection.error().code == Code::cancelled) return connection;
      if (!met.empty()) met += "; ";
      met += connection.error().what;
      // Another try helps when it may help with one of the hosts.
      if (!code || action_for(*code) != Action::retry) code = connection.error().code;
    }
  }
  return fail(code.value_or(Code::unavailable), std::move(met));
}

void Connection::cancel() const {
  char error[256];
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(connection_.get()),
                                                                  &PQfreeCancel);
  if (cancel != nullptr) static_cast<void>(PQcancel(cancel.get(), error, sizeof error));
}

Result<QueryResult> Connection::query(const std::string& sql,
                                      const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) == 0) {
    return tl::unexpected<Error>(error());
  }
  return wait_for_answer(std::nullopt);
}

Result<QueryResult> Connection::command(const std::string& sql, std::optional<milliseconds> limit) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) return tl::unexpected<Error>(error());
  return wait_for_answer(limit);
}

// Until libpq has the whole next result.
Status Connection::wait_while_busy(std::optional<steady_clock::time_point> deadline,
                                   const StopSignal& stop) {
  while (PQisBusy(connection_.get()) != 0) {
    const milliseconds time = deadline ? left_until(*deadline) : look_again;
    const Wake wake = wait_for_socket(PQsocket(connection_.get()), Direction::read, time, stop);
    if (wake == Wake::stopped) return fail(Code::cancelled, "asked to stop");
    if (wake == Wake::timed_out && deadline && steady_clock::now() >= *deadline) {
      return fail(Code::timeout, "no answer in time");
    }
    if (PQconsumeInput(connection_.get()) == 0) return tl::unexpected<Error>(error());
  }
  return {};
}

// The last result is the answer, or the first that failed; reading on to the null behind it makes
// the connection ready for the next command. A copy has no such end: its result is returned at
// once.
Result<QueryResult> Connection::read_answer(std::optional<steady_clock::time_point> deadline,
                                            const StopSignal& stop) {
  QueryResult answer(nullptr);
  for (;;) {
    TRY_DO(wait_while_busy(deadline, stop));
    QueryResult next(PQgetResult(connection_.get()));
    if (next.raw() == nullptr) break;
    if (answer.raw() == nullptr || status_of(answer.raw())) answer = std::move(next);
    if (starts_copy(answer.raw())) break;
  }
  if (answer.raw() == nullptr) return tl::unexpected<Error>(error());
  TRY_DO(status_of(answer.raw()));
  return answer;
}

Result<QueryResult> Connection::wait_for_answer(std::optional<milliseconds> limit) {
  if (!limit) limit = limit_;
  const auto deadline = limit ? std::optional(steady_clock::now() + *limit) : std::nullopt;
  auto answer = read_answer(deadline, *stop_);
  if (!answer && (answer.error().code == Code::cancelled || answer.error().code == Code::timeout)) {
    give_up_answer();
  }
  return answer;
}

void Connection::give_up_answer() {
  if (limit_) {
    connection_.reset();  // libpq takes the null for a connection that is bad
    return;
  }
  cancel();
  const StopSignal never{std::stop_token{}};
  static_cast<void>(read_answer(steady_clock::now() + cancel_limit, never));
}

namespace {

Status check_copy(const QueryResult& started) {
  if (starts_copy(started.raw())) return {};
  return fail(Code::corrupt, fmt::format("the server answered {} instead of a copy",
                                         PQresStatus(PQresultStatus(started.raw()))));
}

}  // namespace

Status Connection::start_copy(const std::string& command_text) {
  TRY(const QueryResult started, command(command_text));
  return check_copy(started);
}

Status Connection::start_copy_of(const std::string& select) {
  TRY(const QueryResult started, query(fmt::format("COPY ({}) TO STDOUT", select), {}));
  return check_copy(started);
}

Result<std::optional<Connection::CopyRow>> Connection::next_copy_row(const StopSignal& stop) {
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.get(), &bytes, 1);
    if (size > 0) return std::optional(CopyRow{bytes, static_cast<std::size_t>(size)});
    if (size == -2) return tl::unexpected<Error>(error());
    if (size == -1) {
      const QueryResult ended(PQgetResult(connection_.get()));
      if (ended.raw() == nullptr) return std::optional<CopyRow>();
      TRY_DO(status_of(ended.raw()));
      const QueryResult nothing(PQgetResult(connection_.get()));  // the null that ends the command
      return std::optional<CopyRow>();
    }
    if (wait_for_socket(PQsocket(connection_.get()), Direction::read, look_again, stop) ==
        Wake::stopped) {
      cancel();
      return fail(Code::cancelled, "asked to stop");
    }
    if (PQconsumeInput(connection_.get()) == 0) return tl::unexpected<Error>(error());
  }
}

Status Connection::abandon_copy(const StopSignal& stop) {
  cancel();
  for (;;) {
    const Result<std::optional<CopyRow>> row = next_copy_row(stop);
    if (!row) break;  // the answer to the cancel; or what the next command will meet
    if (!*row) return {};
    release(**row);
  }
  for (;;) {
    const QueryResult rest(PQgetResult(connection_.get()));
    if (rest.raw() == nullptr) break;
  }
  if (stop.requested()) return fail(Code::cancelled, "asked to stop");
  return usable() ? Status() : Status(tl::unexpected<Error>(error()));
}

void Connection::release(CopyRow row) { PQfreemem(row.bytes); }

Error Connection::error() const {
  Error error{Code::unavailable, PQerrorMessage(connection_.get())};
  while (!error.what.empty() && error.what.back() == '\n') error.what.pop_back();
  std::ranges::replace(error.what, '\n', ' ');
  if (error.what.empty()) error.what = "the connection was closed";
  return error;
}

Error Connection::error_that_ended_copy() {
  const QueryResult result(PQgetResult(connection_.get()));
  if (result.raw() == nullptr) return error();
  const auto status = status_of(result.raw());
  return status ? Error{Code::unavailable, "the server ended the stream"} : status.error();
}

int Connection::server_version() const { return PQserverVersion(connection_.get()); }
int Connection::process_id() const { return PQbackendPID(connection_.get()); }
bool Connection::usable() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
std::string Connection::user() const { return PQuser(connection_.get()); }
std::string Connection::database() const { return PQdb(connection_.get()); }

}  // namespace tidelog::postgres
