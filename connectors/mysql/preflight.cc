#include "connectors/mysql/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/server_binlog.h"
#include "connectors/mysql/system_databases.h"
#include "connectors/mysql/table_catalog.h"
#include "connectors/mysql/table_reader.h"

namespace tidelog::mysql {

namespace {

constexpr unsigned oldest_mysql = 80001;
constexpr unsigned oldest_mariadb = 100500;
constexpr unsigned has_binary_log_status_from = 80200;
constexpr unsigned logs_cascades_from = 90600;

// The one way on when the log between the store and the server is gone.
constexpr std::string_view begin_again =
    "nothing was passed over, because events would be missing without a sign; to begin anew with a "
    "full load, set `initial_load: when_needed`";

// FNV-1a.
void mix(std::uint64_t& hash, std::string_view text) {
  constexpr std::uint64_t prime = 0x100'0000'01B3;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
  hash = (hash ^ 0xFF) * prime;
}
constexpr std::uint64_t first_hash = 0xCBF2'9CE4'8422'2325;

class ServerChecks {
 public:
  ServerChecks(const MysqlOptions& options, const std::optional<MysqlResume>& stored)
      : options_(options), stored_(stored), stop_(options.stop) {}

  Preflight run() && {
    if (auto done = look(); !done) error(done.error().code, done.error().what, "");
    return std::move(found_);
  }

 private:
  // Each step needs what the one before it has made sure of.
  Status look() {
    TRY(choice_, parse_table_choice(options_.tables, options_.except));
    TRY(Connection connection, Connection::open(options_.connection, stop_));
    sql_.emplace(std::move(connection));
    if (!check_version()) return {};
    TRY_DO(note_identity());
    TRY(account_, value("CURRENT_USER()"));
    TRY_DO(check_rights());
    if (has_error_) return {};
    TRY_DO(check_log());
    TRY_DO(check_server_id());
    TRY_DO(check_expiry());
    if (has_error_) return {};
    TRY_DO(check_tables());
    TRY_DO(check_filters());
    TRY_DO(check_cascades());
    if (is_streaming()) return check_stored();
    check_prepared();
    return {};
  }

  // ---- findings ----

  void add(Finding::Severity severity, Code code, std::string what, std::string mend) {
    has_error_ = has_error_ || severity == Finding::Severity::error;
    found_.findings.push_back({severity, code, std::move(what), std::move(mend)});
  }
  void error(Code code, std::string what, std::string mend) {
    add(Finding::Severity::error, code, std::move(what), std::move(mend));
  }
  void misconfigured(std::string what, std::string mend) {
    error(Code::misconfigured, std::move(what), std::move(mend));
  }
  void warning(std::string what, std::string mend) {
    add(Finding::Severity::warning, Code::misconfigured, std::move(what), std::move(mend));
  }
  void lost(std::string what) {
    error(Code::history_lost, std::move(what), std::string(begin_again));
  }

  bool is_streaming() const { return stored_ && stored_->phase == MysqlResume::Phase::streaming; }
  bool is_mariadb() const { return sql_->is_mariadb(); }

  Result<std::string> value(const std::string& expression) {
    return sql_->value("SELECT " + expression, stop_);
  }
  Result<std::vector<TextRow>> rows(const std::string& statement) {
    return sql_->query(statement, stop_);
  }

  // ---- the server ----

  bool check_version() {
    const unsigned oldest = is_mariadb() ? oldest_mariadb : oldest_mysql;
    if (sql_->version().number >= oldest) return true;
    error(
        Code::unsupported,
        fmt::format("the server is {} {}, which does not log the names of columns; MySQL 8.0.1 and "
                    "MariaDB 10.5 are the first that do",
                    is_mariadb() ? "MariaDB" : "MySQL", sql_->version().text),
        "");
    return false;
  }

  Status note_identity() {
    MysqlResume server;
    server.make = is_mariadb() ? MysqlResume::Make::mariadb : MysqlResume::Make::mysql;
    TRY(server.server, identity_of(*sql_, stop_));
    server.tables = hash_of_tables(options_);
    found_.server = std::move(server);
    const Result<std::string> folds = value("@@GLOBAL.lower_case_table_names");
    if (!folds) return error_of(folds);
    found_.folds_case = *folds != "0";
    return {};
  }

  std::string grant(std::string_view rights, std::string_view on) const {
    const std::size_t at = account_.rfind('@');
    return fmt::format("GRANT {} ON {} TO {}@{}", rights, on, quote_text(account_.substr(0, at)),
                       quote_text(account_.substr(std::min(at + 1, account_.size()))));
  }

  std::string_view client_right() const {
    return is_mariadb() ? "BINLOG MONITOR" : "REPLICATION CLIENT";
  }

  // What active roles give is among them.
  Status check_rights() {
    TRY(const std::vector<TextRow> grants, rows("SHOW GRANTS"));
    std::string all;
    for (const TextRow& row : grants) {
      if (!row.empty() && row[0]) all += *row[0] + "\n";
    }
    const auto has = [&](std::string_view right) { return all.find(right) != all.npos; };
    if (has("ALL PRIVILEGES ON *.*")) return {};
    const std::string rights = fmt::format("REPLICATION SLAVE, {}", client_right());
    if (!has("REPLICATION SLAVE"))
      misconfigured(account_ + " may not read the binlog", grant(rights, "*.*"));
    const bool may_look = has("REPLICATION CLIENT") || has("BINLOG MONITOR") || has("SUPER");
    if (!may_look)
      misconfigured(account_ + " may not ask where the binlog ends", grant(rights, "*.*"));
    return {};
  }

  Status check_log() {
    TRY(const std::string has_binlog, value("@@GLOBAL.log_bin"));
    if (has_binlog != "1") {
      misconfigured("the server writes no binlog",
                    "start it with log_bin and a server_id (section [mysqld] of its options)");
      return {};
    }
    TRY_DO(expect("binlog_format", {"ROW"}, "the binlog has statements in place of rows"));
    TRY_DO(expect("binlog_row_metadata", {"FULL"}, "rows are logged without their columns' names"));
    TRY_DO(check_row_image());
    TRY(found_.newest, newest());
    if (!is_mariadb() && std::holds_alternative<MysqlResume::Place>(*found_.newest)) {
      warning(
          "gtid_mode is not ON: the source goes on by file and offset, which are those of this "
          "one server",
          "SET GLOBAL gtid_mode, by the steps of MySQL's manual (\"Enabling GTID "
          "Transactions Online\")");
    }
    return {};
  }

  // What is not logged stayed as it was, but in an insert.
  Status check_row_image() {
    TRY(const std::string image, value("@@GLOBAL.binlog_row_image"));
    if (image == "FULL_NODUP") {
      misconfigured(
          "binlog_row_image is FULL_NODUP, which looks like what later ones make of "
          "generated columns",
          "SET GLOBAL binlog_row_image = 'FULL'; and the same in the server's options");
    }
    logs_all_ = image == "FULL";
    if (image != "MINIMAL" && image != "NOBLOB") return {};
    warning(
        fmt::format("binlog_row_image is {}: what an INSERT leaves to the default of a {} is not "
                    "logged, and not known",
                    image, image == "MINIMAL" ? "column" : "blob or text"),
        "SET GLOBAL binlog_row_image = 'FULL'; and the same in the server's options");
    return {};
  }

  // The server throws out the first of two readers that have one number.
  Status check_server_id() {
    const std::uint32_t ours = server_id_of(options_);
    constexpr std::string_view mend = "give the source a `server_id` that no other replica has";
    TRY(const std::string of_server, value("@@GLOBAL.server_id"));
    if (of_server == std::to_string(ours)) {
      misconfigured(fmt::format("the server's own server_id is {}, as is that of the source", ours),
                    std::string(mend));
      return {};
    }
    // Who reads may be seen only with rights that nothing else takes.
    const auto reader = reader_with(*sql_, ours, stop_);
    if (!reader || !*reader || **reader == reader_name(options_)) return {};
    error(Code::conflict,
          fmt::format("'{}' reads the server's binlog with the server_id {} of the source",
                      **reader, ours),
          std::string(mend));
    return {};
  }

  // Which variable there is depends on the version; the one in seconds counts first.
  Status check_expiry() {
    constexpr std::uint64_t seconds_min = 86'400;
    for (const char* expression : {"@@GLOBAL.binlog_expire_logs_seconds",
                                   "CAST(@@GLOBAL.expire_logs_days * 86400 AS UNSIGNED)"}) {
      const Result<std::string> text = value(expression);
      std::uint64_t seconds = 0;
      if (text) std::from_chars(text->data(), text->data() + text->size(), seconds);
      if (seconds == 0) continue;
      if (seconds < seconds_min) {
        warning(fmt::format("the server keeps its binlogs for {} s: what the source does not read "
                            "in that time is lost",
                            seconds),
                "SET GLOBAL binlog_expire_logs_seconds = 604800; and the same in the server's "
                "options");
      }
      return {};
    }
    return {};
  }

  // Sessions that are open keep what they have, so more than this is looked at while streaming.
  Status expect(const std::string& variable, const std::vector<std::string_view>& wanted,
                std::string_view otherwise) {
    TRY(const std::string now, value("@@GLOBAL." + variable));
    if (std::ranges::find(wanted, now) != wanted.end()) return {};
    misconfigured(fmt::format("{} is {}: {}", variable, now, otherwise),
                  fmt::format("SET GLOBAL {} = '{}'; and the same in the server's options",
                              variable, wanted.front()));
    return {};
  }

  Result<Executed> newest() {
    TRY(const DumpStart start, newest_start(*sql_, stop_));
    if (const auto* const place = std::get_if<BinlogPlace>(&start))
      return Executed(MysqlResume::Place{*place, 0});
    if (const auto* const set = std::get_if<GtidSet>(&start)) return Executed(*set);
    return Executed(std::get<MariadbGtidPosition>(start));
  }

  // ---- tables ----

  Status check_tables() {
    TRY(found_.tables, list_captured_tables(*sql_, options_, stop_));
    TRY_DO(check_column_names());
    for (const TablePattern& pattern : choice_.wanted) check_pattern(pattern);
    if (found_.tables.empty() && !has_error_) {
      warning(
          "no table matches the configured patterns yet, of those that " + account_ + " may see",
          "correct the tables of the source, or: " + grant("SELECT", "DATABASE.*"));
    }
    TRY_DO(check_generated());
    check_loads();
    return {};
  }

  Status check_column_names() {
    if (!is_mariadb()) return {};
    TRY(const std::vector<TextRow> all,
        rows(fmt::format("SELECT table_schema, table_name, column_name FROM "
                         "information_schema.columns WHERE column_name LIKE '{}%'",
                         row_hash_prefix)));
    for (const TextRow& row : all) {
      if (row.size() < 3 || !row[0] || !row[1] || !row[2]) continue;
      if (!row[2]->starts_with(row_hash_prefix)) continue;
      const NamedTable named{*row[0], *row[1]};
      if (std::ranges::find(found_.tables, named) == found_.tables.end()) continue;
      error(Code::unsupported,
            fmt::format("the column {} of {} is called like one that MariaDB hides, which are not "
                        "kept",
                        *row[2], full_name(named)),
            "give it another name, or leave the table out");
    }
    return {};
  }

  void check_pattern(const TablePattern& pattern) {
    if (!pattern.literal()) return;
    const auto is_it = [&](const NamedTable& named) {
      return pattern.matches(named.database, named.table);
    };
    if (std::ranges::any_of(found_.tables, is_it)) return;
    if (std::ranges::any_of(system_databases,
                            [&](std::string_view name) { return pattern.schema.matches(name); })) {
      misconfigured(pattern.text +
                        " is of a database that the server keeps about itself, which are "
                        "not captured",
                    "leave it out");
      return;
    }
    misconfigured(fmt::format("there is no table {} that {} may see", pattern.text, account_),
                  "correct the tables of the source, or: " + grant("SELECT", pattern.text));
  }

  // Rights to some columns are not enough.
  void check_may_read() {
    for (const NamedTable& named : found_.tables) {
      if (!options_.loads_rows(full_name(named))) continue;
      const std::string table = quote_name(named);
      const auto read = rows(fmt::format("SELECT * FROM {} LIMIT 0", table));
      if (read || read.error().code != Code::misconfigured) continue;
      misconfigured(fmt::format("{} may not read all of {}, whose existing rows are to be loaded",
                                account_, full_name(named)),
                    grant("SELECT", table));
      return;
    }
  }

  // MariaDB leaves generated columns out of updates and deletes: 11.4 does not yet, 11.8 does.
  Status check_generated() {
    constexpr unsigned leaves_out_from = 110500;
    if (!is_mariadb() || (logs_all_ && sql_->version().number < leaves_out_from)) return {};
    TRY(const std::vector<TextRow> columns,
        rows("SELECT table_schema, table_name, column_name FROM information_schema.columns WHERE "
             "is_generated = 'ALWAYS' ORDER BY 1, 2, 3"));
    for (const TextRow& row : columns) {
      if (row.size() < 3 || !row[0] || !row[1] || !row[2]) continue;
      const NamedTable named{*row[0], *row[1]};
      if (std::ranges::find(found_.tables, named) == found_.tables.end()) continue;
      found_.partly_logged.insert(full_name(named));
      warning(fmt::format("the column {} of {} is generated, which {} {} does not log in updates: "
                          "the source stops at the first update of the table",
                          *row[2], full_name(named), "MariaDB", sql_->version().text),
              "leave the table out (`except`)");
    }
    return {};
  }

  // A snapshot is named by the GTIDs of the transactions that it shows.
  void check_loads() {
    if (!options_.loads_rows) return;
    check_may_read();
    const bool by_place = stored_ && is_streaming()
                              ? std::holds_alternative<MysqlResume::Place>(stored_->executed)
                              : std::holds_alternative<MysqlResume::Place>(*found_.newest);
    if (!by_place) return;
    const auto wanted = std::ranges::find_if(found_.tables, [&](const NamedTable& named) {
      return options_.loads_rows(full_name(named));
    });
    if (wanted == found_.tables.end()) return;
    misconfigured(
        fmt::format("gtid_mode is not ON, and so the existing rows of {} cannot be loaded "
                    "beside the stream",
                    full_name(*wanted)),
        "set gtid_mode to ON, by the steps of MySQL's manual (\"Enabling GTID Transactions "
        "Online\"), or set `initial_load: none`");
  }

  // Of SHOW MASTER STATUS: file, position, databases that are logged, that are not.
  Status check_filters() {
    const bool has_new_word = !is_mariadb() && sql_->version().number >= has_binary_log_status_from;
    TRY(const std::vector<TextRow> status,
        rows(has_new_word ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS"));
    if (status.empty() || status[0].size() < 4) return {};
    const std::string only = status[0][2].value_or("");
    const std::string never = status[0][3].value_or("");
    const auto lists = [](std::string_view list, std::string_view name) {
      return fmt::format(",{},", list).find(fmt::format(",{},", name)) != std::string::npos;
    };
    std::string last;
    for (const NamedTable& named : found_.tables) {
      if (named.database == std::exchange(last, named.database)) continue;
      const bool is_logged =
          (only.empty() || lists(only, named.database)) && !lists(never, named.database);
      if (is_logged) continue;
      misconfigured(fmt::format("the database {} is left out of the binlog (binlog_do_db '{}', "
                                "binlog_ignore_db '{}')",
                                named.database, only, never),
                    "start the server without these options, or leave the database out");
    }
    return {};
  }

  // Rows that InnoDB deletes or changes by a foreign key are not logged: a replica has the key,
  // too. From MySQL 9.6 on the server itself does that, and logs them, unless it is told otherwise.
  Status check_cascades() {
    if (!is_mariadb() && sql_->version().number >= logs_cascades_from) {
      const Result<std::string> by_innodb = value("@@GLOBAL.innodb_native_foreign_keys");
      if (by_innodb && *by_innodb == "0") return {};
    }
    TRY(const std::vector<TextRow> keys,
        rows("SELECT constraint_schema, table_name, constraint_name FROM "
             "information_schema.referential_constraints WHERE delete_rule IN ('CASCADE', 'SET "
             "NULL') OR update_rule IN ('CASCADE', 'SET NULL') ORDER BY 1, 2, 3"));
    for (const TextRow& row : keys) {
      if (row.size() < 3 || !row[0] || !row[1] || !row[2]) continue;
      const NamedTable named{*row[0], *row[1]};
      if (std::ranges::find(found_.tables, named) == found_.tables.end()) continue;
      warning(fmt::format("the foreign key {} of {} changes rows by CASCADE or SET NULL, which the "
                          "server does not log: such changes are not captured",
                          *row[2], full_name(named)),
              "delete and update such rows by statements of their own");
    }
    return {};
  }

  // What they changed was logged before the source begins. Who they are is told with rights that
  // nothing else takes.
  void check_prepared() {
    const auto prepared = rows("XA RECOVER");
    if (!prepared || prepared->empty()) return;
    warning(fmt::format("{} XA transactions are prepared: the source stops where one of them "
                        "commits, as it was logged before",
                        prepared->size()),
            "commit them, or roll them back, before the source begins (XA RECOVER lists them)");
  }

  // ---- the stored position ----

  Status check_stored() {
    const MysqlResume& server = *found_.server;
    if (stored_->make != server.make || stored_->server != server.server) {
      lost(fmt::format("the server is {}, and the stored position is of {}", server.server,
                       stored_->server));
      return {};
    }
    TRY(const Executed stored, executed_of(*stored_));
    if (const auto* const at = std::get_if<MysqlResume::Place>(&stored)) return check_place(*at);
    if (const auto* const set = std::get_if<GtidSet>(&stored)) return check_set(*set);
    return check_position(std::get<MariadbGtidPosition>(stored));
  }

  Status check_place(const MysqlResume::Place& at) {
    TRY(const std::vector<BinlogFile> files, list_binlogs(*sql_, stop_));
    const auto file = std::ranges::find(files, at.place.file, &BinlogFile::name);
    if (file == files.end()) {
      lost(
          fmt::format("the server no longer has the binlog {}, at {} of which the source stands; "
                      "its oldest is {}",
                      at.place.file, at.place.offset, files.front().name));
    } else if (file->bytes < at.place.offset) {
      lost(
          fmt::format("the source stands at {}, and that file has {} bytes: the server has lost "
                      "what was read of it (sync_binlog), or has another history",
                      print_binlog_place(at.place), file->bytes));
    }
    return {};
  }

  Status check_set(const GtidSet& stored) {
    const auto* const executed = std::get_if<GtidSet>(&*found_.newest);
    if (executed == nullptr) {
      misconfigured("gtid_mode is no longer ON, and the source goes on by GTIDs",
                    "set gtid_mode to ON again");
      return {};
    }
    if (!stored.is_subset_of(*executed)) {
      lost(
          fmt::format("the server has executed {}, which is less than is stored, {}: it has "
                      "another history",
                      executed->print(), stored.print()));
      return {};
    }
    TRY(const std::string text, value("@@GLOBAL.gtid_purged"));
    TRY(const GtidSet purged, GtidSet::parse(text));
    if (!purged.is_subset_of(stored)) {
      lost(
          fmt::format("the server has purged binlogs that were not read yet: it has no more of {}, "
                      "and stored is {}",
                      purged.print(), stored.print()));
    }
    return {};
  }

  Status check_position(const MariadbGtidPosition& stored) {
    const auto& newest = std::get<MariadbGtidPosition>(*found_.newest);
    if (stored.is_reached_by(newest)) return {};
    lost(
        fmt::format("the server has executed {}, which is less than is stored, {}: it has another "
                    "history",
                    newest.print(), stored.print()));
    return {};
  }

  const MysqlOptions& options_;
  const std::optional<MysqlResume>& stored_;
  const StopSignal stop_;
  TableChoice choice_;
  std::optional<Connection> sql_;
  std::string account_;    // "user@host", as the server took us for
  bool logs_all_ = false;  // binlog_row_image is FULL
  bool has_error_ = false;
  Preflight found_;
};

}  // namespace

Preflight check_server(const MysqlOptions& options, const std::optional<MysqlResume>& stored) {
  return ServerChecks(options, stored).run();
}

Result<std::string> identity_of(Connection& connection, const StopSignal& stop) {
  return connection.value(
      connection.is_mariadb() ? "SELECT @@GLOBAL.server_id" : "SELECT @@GLOBAL.server_uuid", stop);
}

std::uint64_t hash_of_tables(const MysqlOptions& options) {
  std::uint64_t hash = first_hash;
  for (const std::string& pattern : options.tables) mix(hash, pattern);
  mix(hash, "");
  for (const std::string& pattern : options.except) mix(hash, pattern);
  return hash;
}

std::string reader_name(const MysqlOptions& options) {
  constexpr std::size_t bytes_max = 60;  // of what the server keeps
  return ("tidelog " + options.name).substr(0, bytes_max);
}

std::uint32_t server_id_of(const MysqlOptions& options) {
  if (options.server_id != 0) return options.server_id;
  constexpr std::uint32_t beyond_usual = 0x4000'0000;
  std::uint64_t hash = first_hash;
  mix(hash, options.name);
  return beyond_usual | static_cast<std::uint32_t>(hash % beyond_usual);
}

}  // namespace tidelog::mysql
