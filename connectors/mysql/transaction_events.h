// The events that end a transaction, or say whose rows come, beside those that name it (MySQL
// Server documentation, "Binary Log Events"). Each takes the body without checksum.
#pragma once

#include <cstdint>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "connectors/mysql/xa_id.h"
#include "core/result.h"

namespace tidelog::mysql {

// The transaction is committed. The number is the server's own, and comes again after a restart.
Result<std::uint64_t> read_xid(std::string_view body);

// The transaction is prepared; a later one commits it or rolls it back. One phase: it is committed.
struct XaPrepare {
  XaId id;
  bool is_one_phase = false;
};
Result<XaPrepare> read_xa_prepare(std::string_view body);

// The statement whose rows come next: of Rows_query (MySQL) and Annotate_rows (MariaDB).
Result<std::string_view> read_rows_query(const Event& event);

}  // namespace tidelog::mysql
