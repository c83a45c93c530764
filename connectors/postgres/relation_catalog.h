// What a RELATION message does not say: the names and kinds of its types, and the primary key of a
// table that logs whole old rows. Asked at most once per RELATION, never in the path of a row. Used
// by the change decoder and the initial load, so that both make the same Schema of the same table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/postgres/binary_types.h"
#include "connectors/postgres/connection.h"
#include "connectors/postgres/ddl_message.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/recent_map.h"
#include "connectors/postgres/row_transform.h"
#include "connectors/postgres/transform_rules.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog::postgres {

// FirstNormalObjectId: what has a smaller one is built in, and is never renamed.
inline constexpr std::uint32_t first_user_oid = 16'384;

// Names of types that came as TYPE messages: as they were when the change was logged.
using SentTypes = absl::flat_hash_map<std::uint32_t, std::string>;

// When a relation was what it was sent as: at the row that needs it, and what the event triggers
// said of it before, if they did on this connection.
struct RelationTime {
  Lsn at;
  const TableDescription* told = nullptr;
  // Of its transaction: what the triggers wrote down in the same one may be of later than the row.
  // 0: of none.
  std::uint32_t xid = 0;
};
inline constexpr Lsn latest{~std::uint64_t{0}};  // for one that is described as it is now

class RelationCatalog {
 public:
  virtual ~RelationCatalog() = default;
  virtual Result<Schema> schema_of(const Relation& relation, const SentTypes& sent,
                                   RelationTime time) = 0;
  // What is made of its rows. Null: they are stored as they are sent.
  virtual Result<std::unique_ptr<RowTransform>> transform_of(const Relation& relation) = 0;
  // How its rows look in binary form.
  virtual Result<BinaryColumns> binary_columns_of(const Relation& relation) = 0;
  // Whether this is the token of the event triggers: anyone may write a message like theirs.
  virtual Result<bool> is_of_triggers(std::string_view token) = 0;
  // Whether texts of statements are stored: they hold values as the client wrote them.
  virtual bool keeps_statements() const = 0;
  // Whether there is a table with this oid, of which nothing is sent as it is not published.
  virtual Result<bool> is_unpublished(std::uint32_t oid) = 0;
  // Whether another table has this one's name now, and is published.
  virtual Result<bool> has_successor(const DroppedTable& over) = 0;
};

// Asks the server, over a connection of its own that is opened when first needed: one query for a
// relation that has types of users or does not flag its key, none for the others once their types
// are known. Where there are event triggers (ddl_triggers.h), what they wrote down of the
// relation's time is the answer. Otherwise the catalog is the one of now: what was dropped or
// renamed since the change was logged is filled in from the TYPE message and from earlier answers,
// and the schema says that it was asked for. One thread.
class SqlRelationCatalog : public RelationCatalog {
 public:
  explicit SqlRelationCatalog(const PostgresOptions& options);
  Result<Schema> schema_of(const Relation& relation, const SentTypes& sent,
                           RelationTime time) override;
  Result<std::unique_ptr<RowTransform>> transform_of(const Relation& relation) override;
  Result<BinaryColumns> binary_columns_of(const Relation& relation) override;
  Result<bool> is_of_triggers(std::string_view token) override;
  bool keeps_statements() const override { return options_.transforms.empty(); }
  Result<bool> is_unpublished(std::uint32_t oid) override;
  Result<bool> has_successor(const DroppedTable& over) override;

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
  Result<std::optional<TableDescription>> description_of(const Relation& relation,
                                                         RelationTime time);
  Result<bool> has_history();
  void note_type(const TableDescription& table, const RelationColumn& column);

  const PostgresOptions& options_;
  std::optional<Connection> connection_;
  RecentMap<TypeKey, TypeFacts> types_;
  SqlBinaryTypes binary_types_;
  RecentMap<std::uint32_t, Names> primary_keys_;                 // the last one seen
  std::optional<TransformRules> rules_;                          // once they are asked for
  absl::flat_hash_map<std::uint32_t, std::string> transformed_;  // relations, and their names
  std::optional<bool> has_history_;  // whether the triggers' can be read
  std::string token_;                // of the triggers, once one was seen
};

// The schema that follows from a relation, given the facts about its types; key columns by name.
bool flags_are_the_key(ReplicaIdentity identity);

}  // namespace tidelog::postgres
