// A server that a provider runs: nobody is a superuser there, and settings and the right to
// replicate are given in the provider's own way. What is said here is from the pages on logical
// replication of Amazon RDS, Google Cloud SQL and Azure Database for PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/postgres/connection.h"
#include "core/result.h"

namespace tidelog::postgres {

struct ManagedServer {
  enum class Provider : std::uint8_t { none, amazon, google, azure };
  Provider provider = Provider::none;

  // How the server is told to log row changes.
  std::string log_row_changes() const;
  // How a setting is given another value; `restarts` when it holds from the next start on.
  enum class Holds : std::uint8_t { at_once, after_restart };
  std::string set(std::string_view setting, std::string_view value, Holds holds) const;
  // How a role (quoted) is let replicate.
  std::string let_replicate(const std::string& role) const;
};

// By the role that the provider's administrators have.
Result<ManagedServer> find_provider(Connection& sql);

}  // namespace tidelog::postgres
