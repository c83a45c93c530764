// The events that name MariaDB's transactions (MariaDB, "GTID_EVENT", "GTID_LIST_EVENT").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/mysql/event_header.h"
#include "connectors/mysql/mariadb_gtid.h"
#include "connectors/mysql/xa_id.h"
#include "core/result.h"

namespace tidelog::mysql {

// The halves of an ALTER TABLE that replicas begin before it is over (binlog_alter_two_phase).
enum class AlterPhase : std::uint8_t { none, start, commit, rollback };

// Begins a transaction; there is no BEGIN in its place.
struct MariadbGtidEvent {
  MariadbGtid gtid;
  bool is_standalone = false;  // one event follows, and no end: DDL, or a statement by itself
  bool is_ddl = false;
  // What follows is up to its XA PREPARE, or it commits or rolls back what was prepared.
  enum class Xa : std::uint8_t { none, prepare, complete };
  Xa xa = Xa::none;
  XaId xa_id;  // of Xa::prepare and Xa::complete
  AlterPhase alter = AlterPhase::none;
  std::uint64_t alter_start = 0;  // commit, rollback: the sequence of the GTID that started it
};
// The body and the server's id, which is in the header.
Result<MariadbGtidEvent> read_mariadb_gtid_event(const Event& event);

// At the beginning of each file: the last GTID of every domain and server so far.
Result<std::vector<MariadbGtid>> read_gtid_list(std::string_view body);

}  // namespace tidelog::mysql
