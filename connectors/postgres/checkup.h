// What the parts of a check of the server share: whom they ask, what is known by then, and what has
// been found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/managed_server.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/preflight.h"
#include "connectors/postgres/publication.h"
#include "core/source_position.h"

namespace tidelog::postgres {

// The one way on when the log between the store and the server is gone.
inline constexpr std::string_view begin_again =
    "nothing was recreated, because events would be missing without a sign; to begin anew with a "
    "full load, set `initial_load: when_needed`, or give the source another name, or use a new "
    "store";

struct Checkup {
  Checkup(const PostgresOptions& postgres_options,
          const std::optional<PostgresResume>& stored_resume, std::int64_t last_walsender);

  void add(Finding::Severity severity, Code code, std::string what, std::string mend);
  void error(Code code, std::string what, std::string mend);
  void misconfigured(std::string what, std::string mend);
  void warning(std::string what, std::string mend);
  // History that is lost, if that is certain. While a fail-over is under way, a standby may stand
  // at the address whose slot is none yet, or a copy; one that we always read is what it is.
  void lost(const std::string& what, const std::string& mend = "");
  // For what has been otherwise before: a fail-over or a backup may be under way, so it is worth
  // another try.
  Code transient_once_streaming() const;

  const PostgresOptions& options;
  const std::optional<PostgresResume>& stored;
  const std::int64_t last_reader;
  const std::string slot;
  const std::string publication;
  const bool is_streaming;
  std::optional<Connection> sql;
  ManagedServer server;  // known once there is a connection
  Preflight found;
};

}  // namespace tidelog::postgres
