#include "connectors/postgres/managed_server.h"

#include <fmt/format.h>

namespace tidelog::postgres {

Result<ManagedServer> find_provider(Connection& sql) {
  using enum ManagedServer::Provider;
  TRY(const QueryResult answer, sql.query(R"(
select coalesce(bool_or(rolname = 'rds_superuser'), false),
       coalesce(bool_or(rolname = 'cloudsqlsuperuser'), false),
       coalesce(bool_or(rolname = 'azure_pg_admin'), false)
  from pg_roles)",
                                          {}));
  if (answer.boolean(0, 0)) return ManagedServer{amazon};
  if (answer.boolean(0, 1)) return ManagedServer{google};
  return ManagedServer{answer.boolean(0, 2) ? azure : none};
}

std::string ManagedServer::log_row_changes() const {
  switch (provider) {
    case Provider::amazon:
      return "set rds.logical_replication = 1 in the instance's parameter group (of Aurora: the "
             "cluster's), and reboot it";
    case Provider::google:
      return "set the instance's flag cloudsql.logical_decoding = on, which restarts it";
    case Provider::azure:
    case Provider::none:
      break;
  }
  return set("wal_level", "logical", Holds::after_restart);
}

std::string ManagedServer::set(std::string_view setting, std::string_view value,
                               Holds holds) const {
  const bool restarts = holds == Holds::after_restart;
  switch (provider) {
    case Provider::amazon:
      return fmt::format("set {} = {} in the parameter group{}", setting, value,
                         restarts ? ", and reboot the instance" : "");
    case Provider::google:
      return fmt::format("set the instance's flag {} = {}{}", setting, value,
                         restarts ? ", which restarts it" : "");
    case Provider::azure:
      return fmt::format("set the server parameter {} = {}{}", setting, value,
                         restarts ? ", and restart the server" : "");
    case Provider::none:
      break;
  }
  return fmt::format("ALTER SYSTEM SET {} = {}; {}", setting, value,
                     restarts ? "then restart the server" : "SELECT pg_reload_conf();");
}

std::string ManagedServer::let_replicate(const std::string& role) const {
  if (provider == Provider::amazon) return fmt::format("GRANT rds_replication TO {};", role);
  return fmt::format("ALTER ROLE {} REPLICATION;", role);
}

}  // namespace tidelog::postgres
