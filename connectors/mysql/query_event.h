// The query event: a statement, and what it needs to be understood (MySQL Server documentation,
// "Query_event"): DDL, the BEGIN, COMMIT, ROLLBACK and SAVEPOINT of transactions, XA's, and in
// statement format also what changes rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "core/result.h"

namespace tidelog::mysql {

struct QueryEvent {
  std::string_view database;  // the session's; empty: none
  std::string_view text;      // in the client's character set
  std::uint32_t thread_id = 0;
  std::uint16_t error = 0;  // it ended with that number, and yet changed something
  // Of the status variables, what later readers need; nothing: the server did not say it.
  std::optional<std::uint64_t> sql_mode;
  std::optional<std::uint16_t> client_collation;  // its number has the text's character set
  std::optional<std::uint32_t> microseconds;      // of the header's timestamp
  std::optional<std::uint64_t> ddl_xid;           // of DDL that commits as a transaction
};

// Of Query, and of MariaDB's Query_compressed, whose text goes to `inflated`. Corrupt: short, or
// compressed text that is damaged.
Result<QueryEvent> read_query_event(const Event& event, std::string& inflated);

}  // namespace tidelog::mysql
