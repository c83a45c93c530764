#include "connectors/postgres/preflight.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "connectors/postgres/checkup.h"
#include "connectors/postgres/ddl_triggers.h"
#include "connectors/postgres/protection.h"
#include "connectors/postgres/slot_checks.h"
#include "connectors/postgres/table_checks.h"
#include "connectors/postgres/timeline.h"

namespace tidelog::postgres {

namespace {

constexpr int oldest_version = 140'000;
constexpr int decoding_on_standby_version = 160'000;
constexpr int two_phase_version = 150'000;
constexpr int origin_version = 160'000;

class ServerChecks {
 public:
  ServerChecks(const PostgresOptions& options, const std::optional<PostgresResume>& stored,
               std::int64_t last_reader)
      : up_(options, stored, last_reader) {}

  Preflight run() && {
    if (auto done = look(); !done) up_.error(done.error().code, done.error().what, "");
    return std::move(up_.found);
  }

 private:
  // Each step needs what the one before it has made sure of.
  Status look() {
    TRY_DO(check_slot_name(up_.slot));
    TRY(const TableChoice choice, parse_table_choice(up_.options.tables, up_.options.except));
    TRY(up_.sql, Connection::open(up_.options, Connection::Kind::sql));
    if (!check_version()) return {};
    TRY(up_.server, find_provider(*up_.sql));
    TRY_DO(look_at_protection());
    TRY_DO(check_wal_level());
    TRY_DO(check_settings());
    check_options();
    TRY_DO(check_ddl_triggers());
    TRY_DO(check_captured_tables(up_, choice));
    TRY(up_.found.slot,
        find_idle_slot(*up_.sql, up_.slot, up_.options.slot_wait, up_.options.stop));
    TRY_DO(check_replication());
    return is_other_server_ ? Status() : check_slot(up_);
  }

  bool check_version() {
    if (up_.sql->server_version() >= oldest_version) return true;
    up_.error(Code::unsupported,
              fmt::format("the server is PostgreSQL {}; 14 and later are supported",
                          up_.sql->server_version() / 10'000),
              "");
    return false;
  }

  Status look_at_protection() {
    const Protection protection = protection_of(*up_.sql);
    TRY(const QueryResult answer, up_.sql->query("select current_setting('ssl')::bool", {}));
    up_.found.findings.push_back(judge(protection, up_.options.connection, answer.boolean(0, 0)));
    return {};
  }

  // What the server does not know it would refuse, or worse, not do.
  void check_options() {
    const int version = up_.sql->server_version();
    if (up_.options.two_phase && version < two_phase_version) {
      up_.misconfigured("two_phase needs PostgreSQL 15 or later",
                        "leave it out: prepared transactions are captured when they commit");
    }
    if (up_.options.origins == Origins::none && version < origin_version)
      up_.misconfigured("origin: none needs PostgreSQL 16 or later", "leave it out");
    if (up_.options.heartbeat && up_.found.is_standby)
      up_.warning("a standby takes no heartbeat: none is written", "leave `heartbeat` out");
  }

  Status check_wal_level() {
    TRY(const QueryResult answer,
        up_.sql->query("select current_setting('wal_level'), pg_is_in_recovery()", {}));
    const std::string_view level = answer.text(0, 0);
    if (level != "logical") {
      up_.misconfigured(
          fmt::format("wal_level is {}, so the server's log holds no row changes", level),
          up_.server.log_row_changes());
    }
    up_.found.is_standby = answer.boolean(0, 1);
    if (up_.found.is_standby && up_.sql->server_version() < decoding_on_standby_version) {
      up_.error(up_.transient_once_streaming(),
                "the server is a standby; a standby can be read from PostgreSQL 16 on",
                "connect to the primary: add target_session_attrs=read-write to the connection");
    }
    return {};
  }

  // What takes the slot away from a source that has done nothing wrong.
  Status check_settings() {
    TRY(const QueryResult answer,
        up_.sql->query("select coalesce(current_setting('idle_replication_slot_timeout', true), "
                       "'0'), current_setting('hot_standby_feedback')::bool",
                       {}));
    const std::string limit(answer.text(0, 0));
    if (limit != "0") {
      up_.warning(
          fmt::format("idle_replication_slot_timeout is {}: a source that is away for longer loses "
                      "its place in the server's log",
                      limit),
          up_.server.set("idle_replication_slot_timeout", "0", ManagedServer::Holds::at_once));
    }
    if (up_.found.is_standby && !answer.boolean(0, 1)) {
      up_.warning(
          "hot_standby_feedback is off on this standby: the primary may clean up what the slot "
          "needs, which ends the slot",
          up_.server.set("hot_standby_feedback", "on", ManagedServer::Holds::at_once) +
              " and let the standby use a replication slot of the primary (primary_slot_name)");
    }
    return {};
  }

  // They are wanted when they are there. Everything works without them, but for what is told then.
  Status check_ddl_triggers() {
    TRY(const DdlTriggers found, find_ddl_triggers(*up_.sql));
    if (found == DdlTriggers::absent || found == DdlTriggers::installed) return {};
    up_.warning(fmt::format("the event triggers that write DDL into the log are {}: schemas may be "
                            "of a later time than their rows",
                            name_of(found)),
                fmt::format("tidelog source ddl install {}, as a superuser", up_.options.name));
    return {};
  }

  // The connection itself shows whether the role may replicate and a walsender is free.
  Status check_replication() {
    auto connection = Connection::open(up_.options, Connection::Kind::replication);
    if (!connection) return replication_refused(connection.error());
    TRY(const QueryResult identity, connection->command("IDENTIFY_SYSTEM"));
    TRY(up_.found.system_id, unsigned_number(identity.text(0, 0)));
    TRY(const std::int64_t timeline, identity.integer(0, 1));
    up_.found.timeline = static_cast<std::uint32_t>(timeline);
    TRY_DO(check_identity_of_server(*connection));
    up_.found.replication = *std::move(connection);
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
    TRY(const QueryResult facts, up_.sql->query(R"(
select (rolsuper or rolreplication or exists (
         select from pg_roles given
          where given.rolname = 'rds_replication' and pg_has_role(current_user, given.oid, 'member'))),
       (select count(*) from pg_stat_replication) >= current_setting('max_wal_senders')::int,
       current_setting('max_wal_senders')::int
  from pg_roles where rolname = current_user)",
                                                {}));
    const std::string role = quote_identifier(up_.sql->user());
    if (refusal.code == Code::misconfigured && facts.rows() > 0 && !facts.boolean(0, 0)) {
      up_.misconfigured(fmt::format("role {} may not replicate: {}", role, refusal.what),
                        up_.server.let_replicate(role));
    } else if (facts.rows() > 0 && facts.boolean(0, 1)) {
      TRY(const std::int64_t allowed, facts.integer(0, 2));
      up_.error(up_.transient_once_streaming(),
                fmt::format("no walsender is free: all {} are in use", allowed),
                up_.server.set("max_wal_senders", std::to_string(allowed + 5),
                               ManagedServer::Holds::after_restart));
    } else {
      up_.error(refusal.code, "the replication connection was refused: " + refusal.what, "");
    }
    return {};
  }

  Status check_identity_of_server(Connection& replication) {
    if (!up_.stored) return {};
    if (up_.stored->system_id != up_.found.system_id) {
      is_other_server_ = true;
      up_.error(up_.is_streaming ? Code::history_lost : Code::misconfigured,
                fmt::format(
                    "this is another server: its system id is {}, but the store was filled from {}",
                    up_.found.system_id, up_.stored->system_id),
                "connect to the server of the store, or give the source another name");
      return {};
    }
    if (!up_.is_streaming) return {};
    if (up_.stored->timeline > up_.found.timeline) {
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
    up_.error(
        Code::unavailable,
        fmt::format("the server is on timeline {}, and the store has read from timeline {}: this "
                    "is a server that a fail-over has left behind, or one that was put back to "
                    "the state before it",
                    up_.found.timeline, up_.stored->timeline),
        "connect to the server that was promoted; if there is none any more: " +
            std::string(begin_again));
  }

  // Whether where the store stands is part of the server's history.
  Result<bool> leads_here(Connection& replication) const {
    if (up_.stored->timeline == up_.found.timeline) return true;
    TRY(const QueryResult file,
        replication.command(fmt::format("TIMELINE_HISTORY {}", up_.found.timeline)));
    TRY(const std::vector<TimelineSwitch> history, read_timeline_history(file.text(0, 1)));
    return leads_to(history, up_.stored->timeline, up_.stored->end_lsn);
  }

  void diverged() {
    up_.error(
        Code::history_lost,
        fmt::format(
            "the server is on timeline {}, and {} on timeline {}, where the store stands, is not "
            "part of its history: it lost transactions in a fail-over that the store has",
            up_.found.timeline, print_lsn(up_.stored->end_lsn), up_.stored->timeline),
        std::string(begin_again));
  }

  // Only what the server has flushed is ever sent: so a primary whose log ends earlier has lost
  // some. A standby has yet to replay it.
  Status check_end_of_log() {
    TRY(const Lsn end, end_of_log(*up_.sql));
    if (end >= up_.stored->end_lsn) return {};
    const std::string stands = print_lsn(up_.stored->end_lsn);
    if (up_.found.is_standby) {
      up_.error(Code::unavailable,
                fmt::format("the standby has replayed its log up to {}, and the store stands at {}",
                            print_lsn(end), stands),
                "wait until it has caught up");
      return {};
    }
    up_.error(
        Code::history_lost,
        fmt::format("the server's log ends at {}, before {}, where the store stands: the server "
                    "was put back to an older state, and lost transactions that the store has",
                    print_lsn(end), stands),
        std::string(begin_again));
    return {};
  }

  Checkup up_;
  bool is_other_server_ = false;
};

}  // namespace

Preflight check_server(const PostgresOptions& options, const std::optional<PostgresResume>& stored,
                       std::int64_t last_reader) {
  return ServerChecks(options, stored, last_reader).run();
}

}  // namespace tidelog::postgres
