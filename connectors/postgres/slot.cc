#include "connectors/postgres/slot.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/socket/wait.h"
#include "core/source_position.h"

namespace tidelog::postgres {

namespace {

constexpr std::string_view slot_sql = R"(
select s.plugin, s.database, s.temporary, s.confirmed_flush_lsn, s.wal_status, {},
       coalesce(s.active_pid, 0),
       concat_ws(' from ', nullif(a.application_name, ''), coalesce(host(a.client_addr), 'this machine')),
       s.restart_lsn, s.safe_wal_size, {}
  from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid
 where s.slot_name = $1)";

std::string slot_sql_for(int server_version) {
  const char* const conflicting =
      server_version >= 160'000 ? "coalesce(s.conflicting, false)" : "false";
  const char* const synced = server_version >= 170'000 ? "s.synced" : "false";
  return fmt::format(slot_sql, conflicting, synced);
}

Status read_lsn(const QueryResult& found, std::size_t column, Lsn& lsn) {
  if (found.is_null(0, column)) return {};
  TRY(lsn, parse_lsn(found.text(0, column)));
  return {};
}

}  // namespace

Status check_slot_name(const std::string& name) {
  const bool good = std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  if (good && !name.empty() && name.size() <= 63) return {};
  return fail(Code::misconfigured,
              "slot \"" + name + "\": a slot's name is of a-z, 0-9 and _, at most 63 of them");
}

Result<std::optional<Slot>> find_slot(Connection& connection, const std::string& name) {
  TRY(const QueryResult found, connection.query(slot_sql_for(connection.server_version()), {name}));
  if (found.rows() == 0) return std::optional<Slot>();
  Slot slot;
  slot.name = name;
  slot.plugin = found.text(0, 0);
  slot.database = found.text(0, 1);
  slot.temporary = found.boolean(0, 2);
  TRY_DO(read_lsn(found, 3, slot.confirmed));
  slot.wal_status = found.text(0, 4);
  slot.conflicting = found.boolean(0, 5);
  TRY(slot.reader, found.integer(0, 6));
  slot.reader_is = found.text(0, 7);
  TRY_DO(read_lsn(found, 8, slot.restart));
  if (!found.is_null(0, 9)) {
    TRY(slot.safe_wal_size, found.integer(0, 9));
  }
  slot.synced = found.boolean(0, 10);
  return std::optional(std::move(slot));
}

// A reader that was killed lets go as soon as its walsender notices: that is what the wait is for.
Result<std::optional<Slot>> find_idle_slot(Connection& connection, const std::string& name,
                                           std::chrono::milliseconds wait, std::stop_token stop) {
  using std::chrono::steady_clock;
  constexpr std::chrono::milliseconds look_again{20};
  const StopSignal signal(std::move(stop));
  const auto deadline = steady_clock::now() + wait;
  for (;;) {
    auto slot = find_slot(connection, name);
    if (!slot || !slot->has_value() || slot->value().reader == 0) return slot;
    if (steady_clock::now() >= deadline) return slot;
    constexpr int no_socket = -1;
    if (wait_for_socket(no_socket, Direction::read, look_again, signal) == Wake::stopped)
      return slot;
  }
}

Result<Lsn> create_slot(Connection& replication, const std::string& name,
                        std::chrono::milliseconds wait) {
  const std::string command = fmt::format(
      "CREATE_REPLICATION_SLOT {} LOGICAL pgoutput NOEXPORT_SNAPSHOT", quote_identifier(name));
  TRY(const QueryResult made, replication.command(command, wait));
  if (made.rows() != 1)
    return fail(Code::corrupt, "CREATE_REPLICATION_SLOT answered without a row");
  return parse_lsn(made.text(0, 1));
}

Status drop_slot(Connection& connection, const std::string& name) {
  TRY_DO(connection.query("select pg_drop_replication_slot($1)", {name}));
  return {};
}

Result<Lsn> end_of_log(Connection& connection) {
  TRY(const QueryResult answer,
      connection.query("select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else "
                       "pg_current_wal_flush_lsn() end",
                       {}));
  Lsn end;
  TRY_DO(read_lsn(answer, 0, end));
  return end;
}

Result<std::string> oldest_transaction(Connection& connection) {
  TRY(const QueryResult found, connection.query(R"(
select said from (
  select xact_start as began, format('process %s (%s), open since %s', pid,
                                     coalesce(nullif(application_name, ''), 'no name'), xact_start) as said
    from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
  union all
  select prepared, format('the prepared transaction %L, since %s', gid, prepared) from pg_prepared_xacts) open
 order by began limit 1)",
                                                {}));
  return std::string(found.rows() == 0 ? "" : found.text(0, 0));
}

}  // namespace tidelog::postgres
