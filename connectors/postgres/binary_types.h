// Which types' values can be read in binary form, and how: asked of the catalog once for each type,
// before the first row that has one. Used by the catalog of relations and by the checks of tables.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connectors/postgres/binary_form.h"
#include "connectors/postgres/connection.h"
#include "core/result.h"

namespace tidelog::postgres {

// Of a relation's columns, in their order. One whose values cannot be read is as_text here, and
// named among the unreadable ones.
struct BinaryColumns {
  struct Unreadable {
    std::size_t column = 0;
    std::string type;  // as the server prints it
  };
  std::vector<BinaryType> types;
  std::vector<Unreadable> unreadable;
};

// What is known of a type stays true as long as there is one with its oid. One thread.
class SqlBinaryTypes {
 public:
  using Ask = std::function<Result<QueryResult>(const std::string& sql,
                                                const std::vector<std::string>& parameters)>;

  // Of columns that have these types.
  Result<BinaryColumns> of_columns(std::span<const std::uint32_t> types, const Ask& ask);

 private:
  struct Known {
    std::optional<BinaryType> type;  // nothing: it cannot be read
    std::string name;                // then
  };
  struct Found;
  Status learn(std::span<const std::uint32_t> types, const Ask& ask);
  Result<std::vector<Found>> look_up(const std::vector<std::uint32_t>& types, const Ask& ask) const;

  absl::flat_hash_map<std::uint32_t, Known> known_;
};

}  // namespace tidelog::postgres
