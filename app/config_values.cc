#include "app/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "app/pattern.h"
#include "connectors/mysql/connection_url.h"
#include "connectors/tables/table_pattern.h"
#include "core/value_transform.h"

namespace tidelog {
namespace {

Result<std::uint64_t> unit_bytes(const ConfigReading& reading, int line, std::string_view unit) {
  constexpr std::pair<std::string_view, std::uint64_t> units[] = {
      {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}};
  for (const auto& [name, bytes] : units) {
    if (unit == name) return bytes;
  }
  return reading.fail_at(line, fmt::format("expected a size like `64 MiB`, with the unit KiB, MiB "
                                           "or GiB, found the unit `{}`",
                                           unit));
}

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

}  // namespace

tl::unexpected<Error> ConfigReading::fail_at(int line, std::string_view what) const {
  return fail(Code::misconfigured, fmt::format("{}:{}: {}", file, line, what));
}

Result<std::string> read_text(const ConfigReading& reading, const YamlNode& value) {
  if (value.kind != YamlNode::Kind::scalar) {
    return reading.fail_at(value.line,
                           fmt::format("expected a single value, found {}", name_of(value.kind)));
  }
  auto expanded = expand(value.text, reading.context.environment);
  if (!expanded) return reading.fail_at(value.line, expanded.error().what);
  if (expanded->empty()) return reading.fail_at(value.line, "the value is empty");
  return *std::move(expanded);
}

Result<std::vector<std::string>> read_tables(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::vector<std::string> tables, read_list(reading, value));
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const auto pattern = parse_table_pattern(tables[i]);
    if (!pattern) return reading.fail_at(value.items[i].line, pattern.error().what);
  }
  return tables;
}

Status check_table_patterns(const ConfigReading& reading, const YamlNode& value,
                            std::string_view expected) {
  if (value.kind != YamlNode::Kind::map || value.entries.empty()) {
    return reading.fail_at(value.line, fmt::format("expected tables with their {}, found {}",
                                                   expected, name_of(value.kind)));
  }
  for (const YamlEntry& entry : value.entries) {
    const auto pattern = parse_table_pattern(entry.key);
    if (!pattern) return reading.fail_at(entry.line, pattern.error().what);
  }
  return {};
}

Result<std::vector<std::string>> read_columns(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::vector<std::string> columns, read_list(reading, value));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto pattern = parse_column_pattern(columns[i]);
    if (!pattern) return reading.fail_at(value.items[i].line, pattern.error().what);
  }
  return columns;
}

namespace {

// What it stands for; the caller hides it.
Result<std::string> read_secret_at(const ConfigReading& reading, const YamlNode& value,
                                   std::string_view what) {
  if (value.kind != YamlNode::Kind::scalar) {
    return reading.fail_at(value.line,
                           fmt::format("expected {}, found {}", what, name_of(value.kind)));
  }
  auto secret = read_secret(value.text, reading.context.environment, reading.context.disk);
  if (!secret) return reading.fail_at(value.line, secret.error().what);
  return secret;
}

}  // namespace

Result<std::string> read_hash_key(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::string key, read_secret_at(reading, value, "a secret"));
  reading.context.secrets.add(key);
  if (auto usable = ValueTransform::hash(key); !usable)
    return reading.fail_at(value.line, usable.error().what);
  return key;
}

Result<std::vector<KeyOverride>> read_keys(const ConfigReading& reading, const YamlNode& value) {
  return read_by_table<KeyOverride>(reading, value, "columns", read_list);
}

Result<std::vector<LoadConfig::Condition>> read_conditions(const ConfigReading& reading,
                                                           const YamlNode& value) {
  return read_by_table<LoadConfig::Condition>(reading, value, "conditions", read_text);
}

Result<std::vector<SelectOverride>> read_selects(const ConfigReading& reading,
                                                 const YamlNode& value) {
  return read_by_table<SelectOverride>(reading, value, "queries", read_text);
}

Result<std::vector<std::string>> read_list(const ConfigReading& reading, const YamlNode& value) {
  std::vector<std::string> out;
  if (value.kind != YamlNode::Kind::list) {
    return reading.fail_at(value.line,
                           fmt::format("expected a list, found {}", name_of(value.kind)));
  }
  for (const YamlNode& item : value.items) {
    TRY(std::string text, read_text(reading, item));
    out.push_back(std::move(text));
  }
  if (out.empty()) return reading.fail_at(value.line, "the list is empty");
  return out;
}

Result<std::vector<std::string>> read_streams(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::vector<std::string> streams, read_list(reading, value));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (!is_pattern(streams[i])) continue;
    return reading.fail_at(value.items[i].line,
                           fmt::format("`{}`: a projection takes streams by their whole names, or, "
                                       "without `streams`, all",
                                       streams[i]));
  }
  return streams;
}

// A path in the configuration starts from the folder that the configuration is in.
Result<std::string> read_path(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::string path, read_text(reading, value));
  const std::size_t slash = reading.file.rfind('/');
  if (path.starts_with("./") && path.size() > 2) path.erase(0, 2);
  if (path.front() == '/' || slash == std::string::npos) return path;
  return reading.file.substr(0, slash + 1) + path;
}

namespace {

Result<std::uint64_t> size_from(const ConfigReading& reading, const YamlNode& value,
                                std::uint64_t least) {
  TRY(const std::string text, read_text(reading, value));
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || number < least || number > 1'000'000) {
    return reading.fail_at(value.line,
                           fmt::format("expected a size like `64 MiB`, found `{}`", text));
  }
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  TRY(const std::uint64_t bytes, unit_bytes(reading, value.line, unit));
  return number * bytes;
}

}  // namespace

Result<std::uint64_t> read_size(const ConfigReading& reading, const YamlNode& value) {
  return size_from(reading, value, 1);
}

// 0 of any unit: none.
Result<std::uint64_t> read_size_or_none(const ConfigReading& reading, const YamlNode& value) {
  return size_from(reading, value, 0);
}

Result<bool> read_yes(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  if (text == "true" || text == "false") return text == "true";
  return reading.fail_at(value.line, fmt::format("expected `true` or `false`, found `{}`", text));
}

Result<std::uint64_t> read_number(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc{} && rest == end && number > 0) return number;
  return reading.fail_at(value.line,
                         fmt::format("expected a whole number from 1 on, found `{}`", text));
}

Result<std::uint32_t> read_server_id(const ConfigReading& reading, const YamlNode& value) {
  constexpr std::uint64_t server_id_max = 0xFFFF'FFFF;
  TRY(const std::uint64_t number, read_number(reading, value));
  if (number <= server_id_max) return static_cast<std::uint32_t>(number);
  return reading.fail_at(value.line,
                         fmt::format("expected a server id, up to 4294967295, found {}", number));
}

Result<std::chrono::milliseconds> read_duration(const ConfigReading& reading,
                                                const YamlNode& value) {
  constexpr std::pair<std::string_view, std::chrono::seconds> units[] = {
      {"s", std::chrono::seconds(1)},
      {"min", std::chrono::minutes(1)},
      {"h", std::chrono::hours(1)},
      {"d", std::chrono::hours(24)}};
  TRY(const std::string text, read_text(reading, value));
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const auto& [name, length] : units) {
    if (error == std::errc{} && unit == name && number > 0 && number <= 1'000'000) {
      return std::chrono::milliseconds(length * number);
    }
  }
  return reading.fail_at(value.line,
                         fmt::format("expected a time like `30 min` or `24 h`, with the unit s, "
                                     "min, h or d, found `{}`",
                                     text));
}

// The name of a source begins its streams' names: no dot, no pattern, no `$`.
Result<std::string> read_name(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::string name, read_text(reading, value));
  if (!std::all_of(name.begin(), name.end(), is_name_char)) {
    return reading.fail_at(
        value.line, fmt::format("`{}`: a name consists of letters, digits, `_` and `-`", name));
  }
  return name;
}

Result<std::string> read_mysql_url(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::string url, read_secret_at(reading, value, "a connection"));
  reading.context.secrets.add_connection(url);
  if (const auto parsed = mysql::parse_connection_url(url); !parsed)
    return reading.fail_at(value.line, parsed.error().what);
  return url;
}

Result<std::string> read_connection(const ConfigReading& reading, const YamlNode& value) {
  TRY(std::string secret, read_secret_at(reading, value, "a connection"));
  reading.context.secrets.add_connection(secret);
  const bool is_url = secret.starts_with("postgresql://") || secret.starts_with("postgres://");
  if (!is_url && secret.find('=') == std::string::npos) {
    return reading.fail_at(value.line,
                           "expected postgresql://user:password@host:port/database or a connection "
                           "string of libpq (host=… dbname=…)");
  }
  return secret;
}

}  // namespace tidelog
