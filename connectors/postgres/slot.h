// Our replication slot: the server's memory of how far we have read, for which it keeps its log.
// Used by preflight and the source.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "connectors/postgres/connection.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog::postgres {

// A row of pg_replication_slots, and what it says about whether the slot is still ours.
//
// The server gives a slot no identity beyond its name. A slot that was dropped and made again
// begins at a new consistent point, behind everything that was written before: so it has confirmed
// more than we stored, like one that somebody else has read (`confirmed`). One that was made again
// on a server that was put back to an older state may have confirmed less than where ours began
// (PostgresResume::consistent), which ours never does. What lies between the two cannot be told
// apart: `restart` and catalog_xmin of ours move with what we confirm, and go back a little with a
// crash of the server, as `confirmed` does; two_phase_at (18 and later) is there for slots with
// two_phase alone. Nor can a server be told that was put back, on the same timeline, and has
// written beyond our position since, which only a copy of its files without recovery does.
struct Slot {
  std::string name;
  std::string plugin;  // empty: a physical slot
  std::string database;
  bool temporary = false;
  Lsn confirmed;                              // everything before it was confirmed
  Lsn restart;                                // the server keeps its log from there; 0: no more
  std::string wal_status;                     // reserved, extended, unreserved, lost
  std::optional<std::int64_t> safe_wal_size;  // may be written before it can be lost; none: no end
  bool conflicting = false;                   // invalidated on a standby (16 and later)
  bool synced = false;      // a standby's copy of the primary's slot (17 and later)
  std::int64_t reader = 0;  // process id of its walsender; 0: none
  std::string reader_is;    // what the server tells of it: "tidelog_shop from 10.0.0.7"
};

// Nothing: there is none of that name.
Result<std::optional<Slot>> find_slot(Connection& connection, const std::string& name);

// Waits until nobody reads it, for at most `wait`; then says what it met, reader or not.
Result<std::optional<Slot>> find_idle_slot(Connection& connection, const std::string& name,
                                           std::chrono::milliseconds wait, std::stop_token stop);

// On a replication connection. Waits for the transactions that are open now, at most for `wait`.
// Gives the place where streaming begins.
Result<Lsn> create_slot(Connection& replication, const std::string& name,
                        std::chrono::milliseconds wait);
Status drop_slot(Connection& connection, const std::string& name);

// The end of what the server has flushed, or, on a standby, replayed; 0: nothing yet.
Result<Lsn> end_of_log(Connection& connection);

// Who keeps create_slot waiting: "process 4711 (psql), open since 2026-11-24 10:00:00", or a
// prepared transaction; empty for nobody.
Result<std::string> oldest_transaction(Connection& connection);

// a to z, 0 to 9 and _, at most 63 of them.
Status check_slot_name(const std::string& name);

}  // namespace tidelog::postgres
