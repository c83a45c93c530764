// The part of connection.h that reads settings and error states: pure functions, without a server.
#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "connectors/postgres/connection.h"

namespace tidelog::postgres {

namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
struct FreeMemory {
  void operator()(char* memory) const { PQfreemem(memory); }
};

// libpq quotes the part that it did not understand, which may be a piece of a password.
std::string without_quoted(std::string_view text) {
  std::string safe;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == '"' || !quoted) safe.push_back(c);
  }
  while (!safe.empty() && safe.back() == '\n') safe.pop_back();
  return safe;
}

std::string_view value_of(const std::vector<Setting>& settings, std::string_view keyword) {
  for (const Setting& setting : settings) {
    if (setting.keyword == keyword) return setting.value;
  }
  return {};
}

bool is_url(std::string_view connection) {
  return connection.starts_with("postgresql://") || connection.starts_with("postgres://");
}

// A password with @ / or : that was not percent-encoded ends up in host, port or database, and so
// in error texts.
Status check_url_parts(std::string_view connection, const std::vector<Setting>& settings) {
  const std::string_view port = value_of(settings, "port");
  const bool port_is_number =
      std::ranges::all_of(port, [](char c) { return (c >= '0' && c <= '9') || c == ','; });
  const bool misread =
      value_of(settings, "host").find('@') != std::string_view::npos ||
      (is_url(connection) && value_of(settings, "dbname").find('@') != std::string_view::npos);
  if (port_is_number && !misread) return {};
  if (!is_url(connection)) {
    return fail(Code::misconfigured,
                "the connection's port is not a number, or its host holds an @");
  }
  return fail(
      Code::misconfigured,
      "the connection URL cannot be split into user, password, host, port and database; in a "
      "password write %40 for @, %2F for /, %3A for : and %25 for %");
}

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out.push_back(quote);
    out.push_back(c);
  }
  out.push_back(quote);
  return out;
}

struct CodeOfState {
  std::string_view prefix;  // of the SQLSTATE (manual, "PostgreSQL Error Codes"); longer ones first
  Code code;
};
constexpr CodeOfState codes_of_states[] = {
    {"57P01", Code::unavailable},    // admin_shutdown
    {"57P02", Code::unavailable},    // crash_shutdown
    {"57P03", Code::unavailable},    // cannot_connect_now
    {"57P05", Code::unavailable},    // idle_session_timeout
    {"57014", Code::timeout},        // query_canceled
    {"53300", Code::unavailable},    // too_many_connections
    {"53400", Code::misconfigured},  // configuration_limit_exceeded: no free slot
    {"55P03", Code::timeout},        // lock_not_available
    {"55006", Code::conflict},       // object_in_use: the slot has a reader
    {"55000",
     Code::misconfigured},         // object_not_in_prerequisite_state: slot invalidated, wal_level
    {"42710", Code::conflict},     // duplicate_object
    {"0A000", Code::unsupported},  // feature_not_supported
    {"22023", Code::misconfigured},  // invalid_parameter_value
    {"08", Code::unavailable},       // connection_exception
    {"25P03", Code::unavailable},    // idle_in_transaction_session_timeout
    {"28", Code::misconfigured},     // invalid_authorization_specification
    {"3D", Code::misconfigured},     // invalid_catalog_name
    {"42", Code::misconfigured},     // rights, missing objects
    {"40", Code::unavailable},       // serialization_failure, deadlock_detected
    {"53", Code::unavailable},       // insufficient_resources
    {"58P01", Code::misconfigured},  // undefined_file: the log was removed
    {"58", Code::unavailable},       // system_error of the server
};

}  // namespace

Code code_of_sqlstate(std::string_view sqlstate) {
  if (sqlstate.empty()) return Code::unavailable;
  for (const CodeOfState& entry : codes_of_states) {
    if (sqlstate.starts_with(entry.prefix)) return entry.code;
  }
  return Code::failed;
}

Result<std::vector<Setting>> read_connection_settings(std::string_view connection) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(std::string(connection).c_str(), &message));
  const std::unique_ptr<char, FreeMemory> owned(message);
  if (options == nullptr) {
    return fail(Code::misconfigured,
                "the connection is neither a postgresql:// URL nor a libpq connection string: " +
                    without_quoted(message == nullptr ? "out of memory" : message));
  }
  std::vector<Setting> settings;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings.push_back({option->keyword, option->val});
  }
  TRY_DO(check_url_parts(connection, settings));
  return settings;
}

std::string quote_identifier(std::string_view name) { return quoted(name, '"'); }

// standard_conforming_strings is forced on, so a backslash is one.
std::string quote_literal(std::string_view text) { return quoted(text, '\''); }

std::string array_literal(const std::vector<std::string>& items) {
  std::string out = "{";
  for (const std::string& item : items) {
    if (out.size() > 1) out.push_back(',');
    out.push_back('"');
    for (const char c : item) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  return out + "}";
}

}  // namespace tidelog::postgres
