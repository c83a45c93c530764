#include "connectors/mysql/server_binlog.h"

#include <fmt/format.h>

#include <charconv>

namespace tidelog::mysql {

namespace {

constexpr unsigned has_binary_log_status_from = 80200;  // and no SHOW MASTER STATUS from 8.4 on
constexpr unsigned has_show_replicas_from = 80022;

// The text of a column; corrupt when the server's answer has none there.
Result<std::string> text_at(const TextRow& row, std::size_t column, std::string_view statement) {
  if (column < row.size() && row[column]) return *row[column];
  return fail(Code::unsupported,
              fmt::format("{}: its answer has no column {}", statement, column + 1));
}

Result<std::uint64_t> number_at(const TextRow& row, std::size_t column,
                                std::string_view statement) {
  TRY(const std::string text, text_at(row, column, statement));
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && next == end) return number;
  return fail(Code::unsupported, fmt::format("{}: '{}' is no number", statement, text));
}

Result<BinlogPlace> current_place(Connection& connection, const StopSignal& stop) {
  const bool has_new_word =
      !connection.is_mariadb() && connection.version().number >= has_binary_log_status_from;
  const std::string statement = has_new_word ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
  TRY(const std::vector<TextRow> rows, connection.query(statement, stop));
  if (rows.empty())
    return fail(Code::misconfigured, "the server writes no binlog: start it with log_bin");
  BinlogPlace place;
  TRY(place.file, text_at(rows[0], 0, statement));
  TRY(place.offset, number_at(rows[0], 1, statement));
  return place;
}

Result<BinlogPlace> first_place(Connection& connection, const StopSignal& stop) {
  TRY(const std::vector<BinlogFile> files, list_binlogs(connection, stop));
  return BinlogPlace{files.front().name};
}

// MySQL: whether every transaction has a GTID.
Result<bool> has_gtids(Connection& connection, const StopSignal& stop) {
  const Result<std::string> mode = connection.value("SELECT @@GLOBAL.gtid_mode", stop);
  if (!mode) return error_of(mode);
  return *mode == "ON";
}

Result<DumpStart> start_of_set(Connection& connection, const std::string& variable,
                               const StopSignal& stop) {
  TRY(const std::string text, connection.value("SELECT @@GLOBAL." + variable, stop));
  TRY(GtidSet set, GtidSet::parse(text));
  return DumpStart(std::move(set));
}

Result<DumpStart> start_of_position(Connection& connection, const std::string& expression,
                                    const StopSignal& stop) {
  TRY(const std::string text, connection.value("SELECT " + expression, stop));
  TRY(MariadbGtidPosition position, MariadbGtidPosition::parse(text));
  return DumpStart(std::move(position));
}

}  // namespace

Result<std::vector<BinlogFile>> list_binlogs(Connection& connection, const StopSignal& stop) {
  const std::string statement = "SHOW BINARY LOGS";
  TRY(const std::vector<TextRow> rows, connection.query(statement, stop));
  std::vector<BinlogFile> files;
  for (const TextRow& row : rows) {
    BinlogFile& file = files.emplace_back();
    TRY(file.name, text_at(row, 0, statement));
    TRY(file.bytes, number_at(row, 1, statement));
  }
  if (files.empty())
    return fail(Code::misconfigured, "the server writes no binlog: start it with log_bin");
  return files;
}

Result<DumpStart> oldest_start(Connection& connection, const StopSignal& stop) {
  TRY(BinlogPlace place, first_place(connection, stop));
  if (connection.is_mariadb()) {
    return start_of_position(connection,
                             fmt::format("BINLOG_GTID_POS({}, 4)", quote_text(place.file)), stop);
  }
  TRY(const bool by_gtids, has_gtids(connection, stop));
  if (by_gtids) return start_of_set(connection, "gtid_purged", stop);
  return DumpStart(std::move(place));
}

Result<DumpStart> newest_start(Connection& connection, const StopSignal& stop) {
  TRY(BinlogPlace place, current_place(connection, stop));
  if (connection.is_mariadb()) return start_of_position(connection, "@@gtid_binlog_pos", stop);
  TRY(const bool by_gtids, has_gtids(connection, stop));
  if (by_gtids) return start_of_set(connection, "gtid_executed", stop);
  return DumpStart(std::move(place));
}

// Server_id, Host, …
Result<std::optional<std::string>> reader_with(Connection& connection, std::uint32_t server_id,
                                               const StopSignal& stop) {
  const bool has_new_word =
      !connection.is_mariadb() && connection.version().number >= has_show_replicas_from;
  const std::string statement = has_new_word ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS";
  TRY(const std::vector<TextRow> rows, connection.query(statement, stop));
  for (const TextRow& row : rows) {
    TRY(const std::uint64_t id, number_at(row, 0, statement));
    if (id != server_id) continue;
    TRY(std::string name, text_at(row, 1, statement));
    return std::optional(std::move(name));
  }
  return std::optional<std::string>();
}

}  // namespace tidelog::mysql
