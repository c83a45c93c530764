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

// A row of pg_replication_slots.
struct Slot {
  std::string name;
  std::string plugin;  // empty: a physical slot
  std::string database;
  bool temporary = false;
  Lsn confirmed;             // everything before it was confirmed
  std::string wal_status;    // reserved, extended, unreserved, lost
  bool conflicting = false;  // invalidated on a standby (16 and later)
  std::int64_t reader = 0;   // process id of its walsender; 0: none
  std::string reader_is;     // what the server tells of it: "tidelog_shop from 10.0.0.7"
};

// Nothing: there is none of that name.
Result<std::optional<Slot>> find_slot(Connection& connection, const std::string& name);

// Waits until nobody reads it, for at most `wait`; then says what it met, reader or not.
Result<std::optional<Slot>> find_idle_slot(Connection& connection, const std::string& name,
                                           std::chrono::milliseconds wait, std::stop_token stop);

struct NewSlot {
  Lsn consistent;        // streaming begins here
  std::string snapshot;  // what was committed before; valid until the connection's next command
};
// On a replication connection. Waits for the transactions that are open now, at most for `wait`.
Result<NewSlot> create_slot(Connection& replication, const std::string& name,
                            std::chrono::milliseconds wait);
Status drop_slot(Connection& connection, const std::string& name);

// Who keeps create_slot waiting: "process 4711 (psql), open since 2026-11-24 10:00:00", or a
// prepared transaction; empty for nobody.
Result<std::string> oldest_transaction(Connection& connection);

// a to z, 0 to 9 and _, at most 63 of them.
Status check_slot_name(const std::string& name);

}  // namespace tidelog::postgres
