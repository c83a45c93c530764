// The events that name MySQL's transactions (MySQL Server documentation, "Gtid_event"): each comes
// before what belongs to its transaction.
#pragma once

#include <cstdint>
#include <optional>

#include "connectors/mysql/event_header.h"
#include "connectors/mysql/gtid_set.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog::mysql {

struct GtidEvent {
  std::optional<Gtid> gtid;  // nothing: anonymous, of a server with GTIDs off
  // When it was committed, first of all and on this server. Servers before 8.0.1 do not say it.
  std::optional<UnixMicros> original_commit;
  std::optional<UnixMicros> commit;
  // With this event, and as if it were not compressed. Servers before 8.0.2 do not say it.
  std::optional<std::uint64_t> transaction_bytes;
  bool may_have_statements = false;  // that change rows without telling which
};

// Of each of the three types: Gtid, Anonymous_Gtid, Gtid_tagged.
Result<GtidEvent> read_gtid_event(const Event& event);

}  // namespace tidelog::mysql
