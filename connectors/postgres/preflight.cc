#include "connectors/postgres/preflight.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "connectors/postgres/column_check.h"
#include "connectors/postgres/ddl_triggers.h"
#include "connectors/postgres/protection.h"
#include "connectors/postgres/retained_wal.h"
#include "connectors/postgres/table_pattern.h"
#include "connectors/postgres/timeline.h"

namespace tidelog::postgres {

namespace {

constexpr int oldest_version = 140'000;
constexpr int decoding_on_standby_version = 160'000;
constexpr int two_phase_version = 150'000;
constexpr int origin_version = 160'000;

// The one way on when the log between the store and the server is gone.
constexpr std::string_view begin_again =
    "nothing was recreated, because events would be missing without a sign; to begin anew with a "
    "full load, set `initial_load: when_needed`, or give the source another name, or use a new "
    "store";

class Checks {
 public:
  Checks(const PostgresOptions& options, const std::optional<PostgresResume>& stored,
         std::int64_t last_reader)
      : options_(options),
        stored_(stored),
        last_reader_(last_reader),
        slot_(slot_name(options)),
        publication_(publication_name(options)),
        streaming_(stored && stored->phase == PostgresResume::Phase::streaming) {}

  Preflight run() && {
    if (auto done = look(); !done) error(done.error().code, done.error().what, "");
    return std::move(found_);
  }

 private:
  // Each step needs what the one before it has made sure of.
  Status look() {
    TRY_DO(check_slot_name(slot_));
    TRY(choice_, parse_table_choice(options_.tables, options_.except));
    TRY(sql_, Connection::open(options_, Connection::Kind::sql));
    if (!check_version()) return {};
    TRY_DO(look_at_protection());
    TRY_DO(check_wal_level());
    check_options();
    TRY_DO(check_ddl_triggers());
    TRY_DO(check_tables());
    TRY_DO(check_identities());
    TRY_DO(check_publication());
    TRY(found_.slot, find_idle_slot(*sql_, slot_, options_.slot_wait, options_.stop));
    TRY_DO(check_replication());
    return is_other_server_ ? Status() : check_slot();
  }

  void add(Finding::Severity severity, Code code, std::string what, std::string mend) {
    found_.findings.push_back({severity, code, std::move(what), std::move(mend)});
  }
  void error(Code code, std::string what, std::string mend) {
    add(Finding::Severity::error, code, std::move(what), std::move(mend));
  }
  void misconfigured(std::string what, std::string mend) {
    error(Code::misconfigured, std::move(what), std::move(mend));
  }
  // For what has been otherwise before: a fail-over or a backup may be under way, so it is worth
  // another try.
  Code transient_once_streaming() const {
    return streaming_ ? Code::unavailable : Code::misconfigured;
  }
  // History that is lost, if that is certain. While a fail-over is under way, a standby may stand
  // at the address whose slot is none yet, or a copy; one that we always read is what it is.
  void lost(const std::string& what, const std::string& mend = "") {
    const bool is_certain = !found_.is_standby || (stored_->is_standby && !is_copy());
    if (is_certain) {
      const std::string more = mend.empty() ? "" : "; then: " + mend;
      error(Code::history_lost, what, std::string(begin_again) + more);
    } else {
      error(Code::unavailable, what + "; but the server is a standby: a fail-over may be under way",
            "connect to the primary: add target_session_attrs=read-write to the connection");
    }
  }
  bool is_copy() const { return found_.slot && found_.slot->synced; }
  void warning(std::string what, std::string mend) {
    add(Finding::Severity::warning, Code::misconfigured, std::move(what), std::move(mend));
  }

  bool check_version() {
    if (sql_->server_version() >= oldest_version) return true;
    error(Code::unsupported,
          fmt::format("the server is PostgreSQL {}; 14 and later are supported",
                      sql_->server_version() / 10'000),
          "");
    return false;
  }

  Status look_at_protection() {
    const Protection protection = protection_of(*sql_);
    TRY(const QueryResult answer, sql_->query("select current_setting('ssl')::bool", {}));
    found_.findings.push_back(judge(protection, options_.connection, answer.boolean(0, 0)));
    return {};
  }

  // What the server does not know it would refuse, or worse, not do.
  void check_options() {
    const int version = sql_->server_version();
    if (options_.two_phase && version < two_phase_version) {
      misconfigured("two_phase needs PostgreSQL 15 or later",
                    "leave it out: prepared transactions are captured when they commit");
    }
    if (options_.origins == Origins::none && version < origin_version)
      misconfigured("origin: none needs PostgreSQL 16 or later", "leave it out");
    if (options_.heartbeat && found_.is_standby)
      warning("a standby takes no heartbeat: none is written", "leave `heartbeat` out");
  }

  Status check_wal_level() {
    TRY(const QueryResult answer,
        sql_->query("select current_setting('wal_level'), pg_is_in_recovery()", {}));
    const std::string_view level = answer.text(0, 0);
    if (level != "logical") {
      misconfigured(fmt::format("wal_level is {}, so the server's log holds no row changes", level),
                    "ALTER SYSTEM SET wal_level = 'logical'; then restart the server");
    }
    found_.is_standby = answer.boolean(0, 1);
    if (found_.is_standby && sql_->server_version() < decoding_on_standby_version) {
      error(transient_once_streaming(),
            "the server is a standby; a standby can be read from PostgreSQL 16 on",
            "connect to the primary: add target_session_attrs=read-write to the connection");
    }
    return {};
  }

  // They are wanted when they are there. Everything works without them, but for what is told then.
  Status check_ddl_triggers() {
    TRY(const DdlTriggers found, find_ddl_triggers(*sql_));
    if (found == DdlTriggers::absent || found == DdlTriggers::installed) return {};
    warning(fmt::format("the event triggers that write DDL into the log are {}: schemas may be "
                        "of a later time than their rows",
                        name_of(found)),
            fmt::format("tidelog source ddl install {}, as a superuser", options_.name));
    return {};
  }

  Status check_tables() {
    const bool wants_all = choice_.wanted.empty();
    if (wants_all && owns_publication(options_)) {
      misconfigured("no tables are configured", "name them: tables: [public.orders]");
      return {};
    }
    if (wants_all && choice_.except.empty()) return {};
    TRY(tables_, list_tables(*sql_));
    TableSelection selection = select_tables(tables_, choice_);
    selected_ = std::move(selection.tables);
    for (Finding& finding : selection.findings) found_.findings.push_back(std::move(finding));
    if (selected_.empty() && !wants_all && first_error(found_.findings)) {
      misconfigured("no table matches the configured patterns", "correct the tables of the source");
    }
    return {};
  }

  Status check_identities() {
    if (options_.identities.empty()) return {};
    TRY(const std::vector<DatabaseTable> tables, captured_now());
    TRY_DO(check_identity_patterns(tables));
    TRY(std::vector<IdentityChange> changes, identity_changes(*sql_, options_, tables));
    for (IdentityChange& change : changes) {
      if (!change.obstacle.empty()) {
        misconfigured(change.obstacle, "correct `replica_identity`");
      } else if (found_.is_standby || !change.is_ours) {
        misconfigured(fmt::format("{} has another replica identity than is configured, and {}",
                                  change.sql_name,
                                  found_.is_standby ? "a standby cannot change that"
                                                    : fmt::format("role {} does not own it",
                                                                  quote_identifier(sql_->user()))),
                      change.statement + ";");
      } else {
        expect_identity(change);
        found_.identities.push_back(std::move(change));
      }
    }
    return {};
  }

  // Those that are configured, or, without such, that the publication has.
  Result<std::vector<DatabaseTable>> captured_now() {
    if (!choice_.wanted.empty()) return selected_;
    TRY(const std::optional<Publication> publication, find_publication(*sql_, publication_));
    TRY(std::vector<DatabaseTable> tables, list_tables(*sql_));
    std::erase_if(tables, [&](const DatabaseTable& table) {
      return !publication || !publication->has(table.schema, table.name) ||
             !choice_.has(table.schema, table.name);
    });
    return tables;
  }

  Status check_identity_patterns(const std::vector<DatabaseTable>& tables) {
    for (const IdentityRule& rule : options_.identities) {
      TRY(const TablePattern pattern, parse_table_pattern(rule.table));
      if (std::ranges::any_of(tables, [&](const DatabaseTable& table) {
            return pattern.matches(table.schema, table.name);
          }))
        continue;
      add(pattern.literal() ? Finding::Severity::error : Finding::Severity::warning,
          Code::misconfigured,
          fmt::format("`replica_identity` has {}, and no table that is captured is called so",
                      pattern.text),
          "correct the table's name, or take it from `replica_identity`");
    }
    return {};
  }

  // What it will be like then.
  void expect_identity(const IdentityChange& change) {
    in_change_.insert(change.table);
    const auto table = std::ranges::find(selected_, change.table, &DatabaseTable::oid);
    if (table != selected_.end()) table->identity = table->identity || change.logs_old_rows;
  }

  // At the first look an error; later a column may have gone of which there is still something to
  // be read.
  Status check_columns_of_tables() {
    if (options_.keys.empty() && options_.transforms.empty()) return {};
    TRY(const std::vector<DatabaseTable> tables, captured_now());
    std::vector<CheckedTable> captured;
    for (const DatabaseTable& table : tables)
      captured.push_back({table.schema, table.name, in_change_.contains(table.oid)});
    TRY(std::vector<Finding> findings, check_columns(*sql_, options_, captured));
    for (Finding& finding : findings) {
      if (last_reader_ != 0) finding.severity = Finding::Severity::warning;
      found_.findings.push_back(std::move(finding));
    }
    return {};
  }

  Status check_publication() {
    TRY(const std::optional<Publication> publication, find_publication(*sql_, publication_));
    check_exceptions_of(publication);
    TRY_DO(check_columns_of_tables());
    for (const DatabaseTable& table : selected_) {
      check_rights(table);
      check_identity(table, publication && publication->has(table.schema, table.name));
    }
    if (!publication) return check_missing_publication();
    if (!publication->complete) {
      const auto severity =
          owns_publication(options_) ? Finding::Severity::error : Finding::Severity::warning;
      add(severity, Code::misconfigured,
          fmt::format("the publication {} leaves out some of insert, update, delete and truncate",
                      publication_),
          publish_everything_sql(publication_) + ";");
    }
    check_membership(*publication);
    return {};
  }

  // While streaming, what was right at the start may have been dropped or attached since.
  void check_exceptions_of(const std::optional<Publication>& publication) {
    const auto comes = [&](const DatabaseTable& root) {
      if (publication && publication->has(root.schema, root.name)) return true;
      return owns_publication(options_) && choice_.has(root.schema, root.name);
    };
    for (Finding& finding : check_exceptions(tables_, choice_, comes)) {
      if (streaming_) finding.severity = Finding::Severity::warning;
      found_.findings.push_back(std::move(finding));
    }
  }

  // Only the load reads tables.
  void check_rights(const DatabaseTable& table) {
    if (streaming_) return;
    const std::string role = quote_identifier(sql_->user());
    if (!table.schema_usage) {
      misconfigured(
          fmt::format("role {} may not look into the schema of {}", role, table.sql_name),
          fmt::format("GRANT USAGE ON SCHEMA {} TO {};", quote_identifier(table.schema), role));
    }
    if (!table.selectable) {
      misconfigured(fmt::format("role {} may not read {}", role, table.sql_name),
                    fmt::format("GRANT SELECT ON {} TO {};", table.sql_name, role));
    }
    if (table.row_security) {
      misconfigured(
          fmt::format("row security would hide rows of {} from role {}", table.sql_name, role),
          fmt::format("ALTER ROLE {} BYPASSRLS;", role));
    }
  }

  // The server refuses updates and deletes of a published table that has no replica identity. So
  // publishing one that is updated would break the application; one that is only inserted into is
  // fine.
  void check_identity(const DatabaseTable& table, bool is_published) {
    if (table.identity) return;
    const std::string mend = fmt::format(
        "ALTER TABLE {0} ADD PRIMARY KEY (…); or: ALTER TABLE {0} REPLICA IDENTITY FULL;",
        table.sql_name);
    if (table.rewritten && !is_published && owns_publication(options_)) {
      misconfigured(
          fmt::format(
              "{} has no primary key or other replica identity, and it is updated or deleted from; "
              "once published, the server would refuse that",
              table.sql_name),
          mend);
      return;
    }
    warning(fmt::format("{} has no primary key or other replica identity: the server refuses "
                        "updates and deletes of "
                        "it while it is published",
                        table.sql_name),
            mend);
  }

  Status check_missing_publication() {
    const std::string create = create_publication_sql(publication_, published(selected_)) + ";";
    if (!owns_publication(options_)) {
      misconfigured(
          fmt::format("the publication {} does not exist", publication_),
          selected_.empty() ? "create it, or correct its name in the configuration" : create);
      return {};
    }
    if (streaming_) {
      misconfigured(
          fmt::format("the publication {} was dropped; changes made without it are not sent",
                      publication_),
          create + " " + std::string(begin_again));
      return {};
    }
    TRY(const QueryResult right,
        sql_->query("select has_database_privilege(current_database(), 'CREATE')", {}));
    if (!right.boolean(0, 0)) {
      misconfigured(
          fmt::format("role {} may not create the publication {}", quote_identifier(sql_->user()),
                      publication_),
          fmt::format("GRANT CREATE ON DATABASE {} TO {}; or let the tables' owner run: {}",
                      quote_identifier(sql_->database()), quote_identifier(sql_->user()), create));
    }
    for (const DatabaseTable& table : selected_) check_ownership(table, create);
    return {};
  }

  void check_ownership(const DatabaseTable& table, const std::string& statement) {
    if (table.owned) return;
    misconfigured(fmt::format("role {} may not publish {}, because it does not own it",
                              quote_identifier(sql_->user()), table.sql_name),
                  "let its owner or a superuser run: " + statement);
  }

  void check_membership(const Publication& publication) {
    for (const DatabaseTable& table : selected_) {
      if (publication.has(table.schema, table.name)) continue;
      check_absent_table(table, publication.alterable);
    }
    if (!owns_publication(options_)) return;
    for (const Publication::Table& table : publication.tables) {
      if (choice_.has(table.schema, table.table)) continue;
      const std::string name = quote_identifier(table.schema) + "." + quote_identifier(table.table);
      const bool is_excepted = choice_.leaves_out(table.schema, table.table);
      warning(
          is_excepted ? fmt::format("{} is sent in vain: it is to be left out", name)
                      : fmt::format("{} is captured, though it is no longer configured", name),
          fmt::format("ALTER PUBLICATION {} DROP TABLE {};", quote_identifier(publication_), name));
    }
  }

  void check_absent_table(const DatabaseTable& table, bool alterable) {
    std::string mend = add_tables_sql(publication_, published({table})) + ";";
    if (!owns_publication(options_) && table.kind == 'p') {
      mend += fmt::format(" and: ALTER PUBLICATION {} SET (publish_via_partition_root = true);",
                          quote_identifier(publication_));
    }
    if (owns_publication(options_) && !streaming_) {
      check_ownership(table, mend);  // the load adds it
    } else if (owns_publication(options_) && alterable && table.owned) {
      found_.new_tables.push_back(table);  // the source adds it, and loads its rows
    } else if (table.named) {
      misconfigured(fmt::format("{} is not in the publication {}: its changes are not sent",
                                table.sql_name, publication_),
                    mend + " Rows that it has already are loaded by: tidelog source load");
    } else if (owns_publication(options_)) {
      warning(fmt::format("{} is new and not in the publication {}: its changes are not sent",
                          table.sql_name, publication_),
              mend);
    }
  }

  Status check_slot() {
    if (stored_ && stored_->slot != slot_) {
      misconfigured(fmt::format("the store was filled from slot {}, but the configuration says {}",
                                stored_->slot, slot_),
                    fmt::format("set slot: {}", stored_->slot));
      return {};
    }
    if (!found_.slot) return check_missing_slot();
    check_found_slot(*found_.slot);
    return streaming_ ? check_ceiling(*found_.slot) : Status();
  }

  // `run` drops the slot when it has looked twice.
  Status check_ceiling(const Slot& slot) {
    TRY(const Lsn end, end_of_log(*sql_));
    const auto over = over_ceiling(options_, retained_bytes(slot, end));
    if (!over) return {};
    const std::string mend = "set a larger `retained_wal`, so that the source can catch up";
    switch (options_.retained_wal->then) {
      case RetainedWal::Then::warn:
        warning(*over, mend);
        break;
      case RetainedWal::Then::stop:
        misconfigured(*over, mend);
        break;
      case RetainedWal::Then::drop:
        warning(*over + ": it will be dropped", mend);
        break;
    }
    return {};
  }

  Status check_missing_slot() {
    if (streaming_) {
      lost(
          fmt::format("the slot {} does not exist any more: what was committed after {} "
                      "may be gone from the "
                      "server's log",
                      slot_, print_lsn(stored_->end_lsn)));
      return {};
    }
    TRY(const QueryResult counts,
        sql_->query("select count(*), current_setting('max_replication_slots') "
                    "from pg_replication_slots",
                    {}));
    TRY(const std::int64_t used, counts.integer(0, 0));
    TRY(const std::int64_t allowed, counts.integer(0, 1));
    if (used < allowed) return {};
    misconfigured(fmt::format("no replication slot is free: {} of {} are in use", used, allowed),
                  fmt::format("ALTER SYSTEM SET max_replication_slots = {}; then restart the "
                              "server; or drop one that "
                              "is no longer needed (select * from pg_replication_slots)",
                              allowed + 5));
    return {};
  }

  void check_found_slot(const Slot& slot) {
    const std::string drop =
        fmt::format("SELECT pg_drop_replication_slot({});", quote_literal(slot_));
    if (slot.plugin != "pgoutput" || slot.database != sql_->database()) {
      misconfigured(
          fmt::format("the slot {} is of plugin {} and database {}, not of pgoutput and {}", slot_,
                      slot.plugin.empty() ? "none (physical)" : slot.plugin,
                      slot.database.empty() ? "none" : slot.database, sql_->database()),
          "configure another name: slot: NAME");
      return;
    }
    if (slot.reader != 0) return check_reader(slot);
    if (!stored_) {
      error(
          Code::conflict,
          fmt::format("the slot {} exists already, but this store has read nothing from it: it "
                      "belongs to another "
                      "store, or was left behind by one",
                      slot_),
          "use that store; or configure another name: slot: NAME; or if nothing needs it: " + drop);
      return;
    }
    if (streaming_) check_our_slot(slot, drop);
  }

  void check_reader(const Slot& slot) {
    const bool is_ours = last_reader_ != 0 && slot.reader == last_reader_;
    error(is_ours ? Code::unavailable : Code::conflict,
          fmt::format(
              "the slot {} is in use by process {} ({}){}", slot_, slot.reader, slot.reader_is,
              is_ours ? ", our own last connection, which the server has not given up yet" : ""),
          fmt::format("SELECT pg_terminate_backend({});", slot.reader));
  }

  void check_our_slot(const Slot& slot, const std::string& drop) {
    if (slot.wal_status == "lost" || slot.conflicting) {
      lost(fmt::format("the slot {} was invalidated: the server has removed the log after {}",
                       slot_, print_lsn(stored_->end_lsn)),
           drop);
      return;
    }
    if (slot.confirmed > stored_->end_lsn) {
      lost(
          fmt::format("the slot {} was read up to {} by somebody else, or dropped and made again, "
                      "or read by this store before it was put back to an older state (a restored "
                      "backup), which ends at {}: what lies between is lost to it",
                      slot_, print_lsn(slot.confirmed), print_lsn(stored_->end_lsn)));
    } else if (slot.confirmed < stored_->consistent) {
      lost(
          fmt::format("the slot {} is not the one that this store reads: it stands at {}, and ours "
                      "began at {}; it was made again on a server that was put back to an older "
                      "state",
                      slot_, print_lsn(slot.confirmed), print_lsn(stored_->consistent)));
    }
    if (slot.wal_status == "unreserved") {
      warning(
          fmt::format(
              "the slot {} is about to be invalidated: the server may remove its log at any time",
              slot_),
          "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();");
    }
  }

  // The connection itself shows whether the role may replicate and a walsender is free.
  Status check_replication() {
    auto connection = Connection::open(options_, Connection::Kind::replication);
    if (!connection) return replication_refused(connection.error());
    TRY(const QueryResult identity, connection->command("IDENTIFY_SYSTEM"));
    TRY(found_.system_id, unsigned_number(identity.text(0, 0)));
    TRY(const std::int64_t timeline, identity.integer(0, 1));
    found_.timeline = static_cast<std::uint32_t>(timeline);
    TRY_DO(check_identity_of_server(*connection));
    found_.replication = *std::move(connection);
    return {};
  }

  static Result<std::uint64_t> unsigned_number(std::string_view digits) {
    std::uint64_t number = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (failure == std::errc{} && end == digits.data() + digits.size()) return number;
    return fail(Code::corrupt,
                fmt::format("the server answered \"{}\" instead of its system id", digits));
  }

  Status replication_refused(const Error& refusal) {
    TRY(const QueryResult facts, sql_->query(R"(
select (rolsuper or rolreplication),
       (select count(*) from pg_stat_replication) >= current_setting('max_wal_senders')::int,
       current_setting('max_wal_senders')::int
  from pg_roles where rolname = current_user)",
                                             {}));
    const std::string role = quote_identifier(sql_->user());
    if (refusal.code == Code::misconfigured && facts.rows() > 0 && !facts.boolean(0, 0)) {
      misconfigured(fmt::format("role {} may not replicate: {}", role, refusal.what),
                    fmt::format("ALTER ROLE {} REPLICATION;", role));
    } else if (facts.rows() > 0 && facts.boolean(0, 1)) {
      TRY(const std::int64_t allowed, facts.integer(0, 2));
      error(transient_once_streaming(),
            fmt::format("no walsender is free: all {} are in use", allowed),
            fmt::format("ALTER SYSTEM SET max_wal_senders = {}; then restart the server",
                        allowed + 5));
    } else {
      error(refusal.code, "the replication connection was refused: " + refusal.what, "");
    }
    return {};
  }

  Status check_identity_of_server(Connection& replication) {
    if (!stored_) return {};
    if (stored_->system_id != found_.system_id) {
      is_other_server_ = true;
      error(streaming_ ? Code::history_lost : Code::misconfigured,
            fmt::format(
                "this is another server: its system id is {}, but the store was filled from {}",
                found_.system_id, stored_->system_id),
            "connect to the server of the store, or give the source another name");
      return {};
    }
    if (!streaming_) return {};
    if (stored_->timeline > found_.timeline) {
      fell_behind();
      return {};
    }
    TRY(const bool reached, leads_here(replication));
    if (reached) return check_end_of_log();
    diverged();
    return {};
  }

  // Not certain: the old primary may still be there, and be gone at the next look.
  void fell_behind() {
    error(Code::unavailable,
          fmt::format("the server is on timeline {}, and the store has read from timeline {}: this "
                      "is a server that a fail-over has left behind, or one that was put back to "
                      "the state before it",
                      found_.timeline, stored_->timeline),
          "connect to the server that was promoted; if there is none any more: " +
              std::string(begin_again));
  }

  // Whether where the store stands is part of the server's history.
  Result<bool> leads_here(Connection& replication) const {
    if (stored_->timeline == found_.timeline) return true;
    TRY(const QueryResult file,
        replication.command(fmt::format("TIMELINE_HISTORY {}", found_.timeline)));
    TRY(const std::vector<TimelineSwitch> history, read_timeline_history(file.text(0, 1)));
    return leads_to(history, stored_->timeline, stored_->end_lsn);
  }

  void diverged() {
    error(Code::history_lost,
          fmt::format(
              "the server is on timeline {}, and {} on timeline {}, where the store stands, is not "
              "part of its history: it lost transactions in a fail-over that the store has",
              found_.timeline, print_lsn(stored_->end_lsn), stored_->timeline),
          std::string(begin_again));
  }

  // Only what the server has flushed is ever sent: so a primary whose log ends earlier has lost
  // some. A standby has yet to replay it.
  Status check_end_of_log() {
    TRY(const Lsn end, end_of_log(*sql_));
    if (end >= stored_->end_lsn) return {};
    const std::string stands = print_lsn(stored_->end_lsn);
    if (found_.is_standby) {
      error(Code::unavailable,
            fmt::format("the standby has replayed its log up to {}, and the store stands at {}",
                        print_lsn(end), stands),
            "wait until it has caught up");
      return {};
    }
    error(Code::history_lost,
          fmt::format("the server's log ends at {}, before {}, where the store stands: the server "
                      "was put back to an older state, and lost transactions that the store has",
                      print_lsn(end), stands),
          std::string(begin_again));
    return {};
  }

  const PostgresOptions& options_;
  const std::optional<PostgresResume>& stored_;
  const std::int64_t last_reader_;
  const std::string slot_;
  const std::string publication_;
  const bool streaming_;
  bool is_other_server_ = false;
  TableChoice choice_;
  std::vector<DatabaseTable> tables_;  // all of the database
  std::optional<Connection> sql_;
  std::vector<DatabaseTable> selected_;
  absl::flat_hash_set<std::int64_t> in_change_;  // tables that get another replica identity
  Preflight found_;
};

}  // namespace

Preflight check_server(const PostgresOptions& options, const std::optional<PostgresResume>& stored,
                       std::int64_t last_reader) {
  return Checks(options, stored, last_reader).run();
}

namespace {

int weight(Code code) {
  if (action_for(code) == Action::retry) return 2;
  return code == Code::history_lost ? 1 : 0;
}

}  // namespace

Status first_error(const std::vector<Finding>& findings) {
  std::string all;
  std::optional<Code> code;
  for (const Finding& finding : findings) {
    if (finding.severity != Finding::Severity::error) continue;
    if (!code || weight(finding.code) > weight(*code)) code = finding.code;
    if (!all.empty()) all += "; ";
    all += finding.what;
    if (!finding.mend.empty()) all += ". To mend it: " + finding.mend;
  }
  if (!code) return {};
  return fail(*code, std::move(all));
}

}  // namespace tidelog::postgres
