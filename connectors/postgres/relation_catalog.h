// What a RELATION message does not say: the names and kinds of its types, and the primary key of a
// table that logs whole old rows. Asked at most once per RELATION, never in the path of a row. Used
// by the change decoder and the initial load, so that both make the same Schema of the same table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/recent_map.h"
#include "connectors/postgres/row_transform.h"
#include "connectors/postgres/transform_rules.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog::postgres {

// Names of types that came as TYPE messages: as they were when the change was logged.
using SentTypes = absl::flat_hash_map<std::uint32_t, std::string>;

class RelationCatalog {
 public:
  virtual ~RelationCatalog() = default;
  virtual Result<Schema> schema_of(const Relation& relation, const SentTypes& sent) = 0;
  // What is made of its rows. Null: they are stored as they are sent.
  virtual Result<std::unique_ptr<RowTransform>> transform_of(const Relation& relation) = 0;
};

// Asks the server, over a connection of its own that is opened when first needed: one query for a
// relation that has types of users or does not flag its key, none for the others once their types
// are known. The catalog is the one of now: what was dropped or renamed since the change was logged
// is filled in from the TYPE message and from earlier answers. One thread.
class SqlRelationCatalog : public RelationCatalog {
 public:
  explicit SqlRelationCatalog(const PostgresOptions& options);
  Result<Schema> schema_of(const Relation& relation, const SentTypes& sent) override;
  Result<std::unique_ptr<RowTransform>> transform_of(const Relation& relation) override;

 private:
  struct TypeFacts {
    std::string name;
    ValueKind kind = ValueKind::other;
  };
  using TypeKey = std::pair<std::uint32_t, std::int32_t>;  // oid, modifier
  using Names = std::vector<std::string>;
  // What a relation needs to know that is not known, and then the answer.
  struct Question {
    std::vector<TypeKey> types;
    bool key = false;
    bool table_exists = false;
    Names key_columns;
  };

  Result<QueryResult> query(const std::string& sql, const std::vector<std::string>& parameters);
  Result<const Names*> configured_key(const Relation& relation) const;
  Question question_of(const Relation& relation);
  Status ask(const Relation& relation, const SentTypes& sent, Question& question);
  Result<TypeFacts> facts_of(const QueryResult& answer, std::size_t row, TypeKey key,
                             const Relation& relation, const SentTypes& sent);
  Result<Names> key_of(const Relation& relation, const Question& answered);
  Result<std::unique_ptr<RowTransform>> rules_for(const Relation& relation);
  Status check_name(const Relation& relation, bool is_transformed);

  const PostgresOptions& options_;
  std::optional<Connection> connection_;
  RecentMap<TypeKey, TypeFacts> types_;
  RecentMap<std::uint32_t, Names> primary_keys_;                 // the last one seen
  std::optional<TransformRules> rules_;                          // once they are asked for
  absl::flat_hash_map<std::uint32_t, std::string> transformed_;  // relations, and their names
};

// The schema that follows from a relation, given the facts about its types; key columns by name.
bool flags_are_the_key(ReplicaIdentity identity);

}  // namespace tidelog::postgres
