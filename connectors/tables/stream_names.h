// StreamNames: what the streams of captured tables are called below their source's name: schema,
// dot, table. Names in quotes may hold dots, too, and then two tables could come to the same.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

class StreamNames {
 public:
  // "public.orders". Code::misconfigured: the events of another table have this name.
  Result<std::string> take(std::string_view schema, std::string_view table);

 private:
  std::map<std::string, std::string> schema_of_;  // by name, where it could be read in two ways
};

}  // namespace tidelog
