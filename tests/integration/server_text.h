// The oracle of values: a session in which the server prints them as a source has them sent.
#pragma once

#include "tests/support/postgres_server.h"

namespace tidelog::testing {

inline SqlSession oracle_session(PostgresServer& server) {
  SqlSession session = server.session();
  session.sql(
      "set datestyle = ISO; set intervalstyle = iso_8601; set bytea_output = hex; set "
      "extra_float_digits = 3; set timezone = UTC; set search_path = pg_catalog; set "
      "client_encoding = UTF8");
  return session;
}

}  // namespace tidelog::testing
