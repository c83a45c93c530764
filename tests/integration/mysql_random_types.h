// Random MySQL and MariaDB column types and values, for tests whose oracle is the server's own
// text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/integration/random_types.h"
#include "tests/support/mysql_server.h"

namespace tidelog::testing {

struct MysqlType {
  std::string name;                           // as in CREATE TABLE
  std::function<std::string(Dice&)> literal;  // an SQL expression, never null
  // How a SELECT shows a column of this type in the words of comparable(): {} is the column.
  std::string shown = "{}";
  bool is_float = false;      // its text is to be read as a number
  bool has_fraction = false;  // zeros at the end of its text, behind a point, do not count
};

MysqlType random_mysql_type(Dice& dice, const MysqlVersion& version);

// Any JSON document, as SQL: with what only functions can make in it.
std::string random_json(Dice& dice, const MysqlVersion& version, int depth);

std::string mysql_literal(const std::string& text);

}  // namespace tidelog::testing
