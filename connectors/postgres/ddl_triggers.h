// Event triggers in the source's database, which write what a statement did to tables and types
// into the log, in its order (ddl_message.h), and into a table of their own, so that what a table
// was at a place in the log can be asked later, too. Installed and removed by a command; looked for
// by preflight; their table is read by the relation catalog. What they do in the database:
// docs/adr/ddl-capture.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "core/result.h"

namespace tidelog::postgres {

// Of what is installed: rises with every change of it.
inline constexpr std::int64_t ddl_triggers_version = 2;

// SQL, one transaction, for a superuser or an owner of the like. May be run again by the same role:
// it brings what is there up to date, describes all tables anew, and lets `reader` read it, too. It
// refuses a schema `tidelog` that holds anything of another role: that would run with its rights.
std::string install_ddl_triggers_sql(std::string_view reader);
std::string remove_ddl_triggers_sql();

enum class DdlTriggers : std::uint8_t {
  absent,
  outdated,    // of another version than ours
  disabled,    // an event trigger is missing or does not fire
  unreadable,  // the role may not read what they write down
  installed,
};
std::string_view name_of(DdlTriggers state);  // "absent", …
Result<DdlTriggers> find_ddl_triggers(Connection& connection);

}  // namespace tidelog::postgres

namespace tidelog {

// For the command, which knows no connection.
struct DdlTriggersState {
  std::string state;  // see name_of
  bool is_installed = false;
  std::string role;  // that the source connects as
  std::string install_sql;
  std::string remove_sql;
};
Result<DdlTriggersState> look_at_ddl_triggers(const PostgresOptions& options);
// Errors hold what the server said of it; then nothing was done.
Status run_ddl_triggers_sql(const PostgresOptions& options, const std::string& sql);

}  // namespace tidelog
