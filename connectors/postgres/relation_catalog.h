// What a RELATION message does not say: the names and kinds of its types, and the primary key of a
// table that logs whole old rows. Asked once per RELATION, never in the path of a row. Used by the
// change decoder and the initial load, so that both make the same Schema of the same table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/pgoutput.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog::postgres {

// Names of types that came as TYPE messages: as they were when the change was logged.
using SentTypes = absl::flat_hash_map<std::uint32_t, std::string>;

class RelationCatalog {
 public:
  virtual ~RelationCatalog() = default;
  virtual Result<Schema> schema_of(const Relation& relation, const SentTypes& sent) = 0;
};

// Asks the server, over a connection of its own that is opened when first needed. The catalog is
// the one of now: what was dropped or renamed since the change was logged is filled in from the
// TYPE message and from earlier answers. One thread.
class SqlRelationCatalog : public RelationCatalog {
 public:
  explicit SqlRelationCatalog(const PostgresOptions& options) : options_(options) {}
  Result<Schema> schema_of(const Relation& relation, const SentTypes& sent) override;

 private:
  struct TypeFacts {
    std::string name;
    ValueKind kind = ValueKind::other;
  };
  using TypeKey = std::pair<std::uint32_t, std::int32_t>;  // oid, modifier

  Result<QueryResult> query(const std::string& sql, const std::vector<std::string>& parameters);
  Status look_up_types(const Relation& relation, const SentTypes& sent);
  Result<std::vector<std::string>> primary_key(const Relation& relation);

  const PostgresOptions& options_;
  std::optional<Connection> connection_;
  std::map<TypeKey, TypeFacts> types_;
  absl::flat_hash_map<std::uint32_t, std::vector<std::string>> primary_keys_;  // the last one seen
};

// The schema that follows from a relation, given the facts about its types; key columns by name.
bool flags_are_the_key(ReplicaIdentity identity);

}  // namespace tidelog::postgres
