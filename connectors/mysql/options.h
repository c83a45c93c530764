// What a MySQL or MariaDB source is told. Filled by app/ from the configuration; read by the source
// and its preflight.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/mysql/connection_options.h"
#include "core/finding.h"

namespace tidelog {

struct MysqlOptions {
  std::string name;  // the source's: "shop"
  mysql::ConnectionOptions connection;
  std::vector<std::string> tables;  // patterns, see connectors/tables/table_pattern.h
  std::vector<std::string> except;  // patterns of what is left out all the same
  // By which the server knows us: like no other replica's, nor its own. 0: made from the name.
  std::uint32_t server_id = 0;
  // Whether a table's existing rows are wanted. Any thread.
  std::function<bool(const std::string& table)> loads_rows;
  std::function<void(const Finding&)> on_warning;  // what prepare met that does not stop it
  std::stop_token stop;                            // also ends the waits of prepare and begin
};

namespace mysql {

// The configured one, or that of the name: a number beyond those that people give.
std::uint32_t server_id_of(const MysqlOptions& options);
// As which it is shown beside that (SHOW REPLICAS).
std::string reader_name(const MysqlOptions& options);

}  // namespace mysql
}  // namespace tidelog
