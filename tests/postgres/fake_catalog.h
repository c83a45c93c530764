// FakeCatalog: what a server would say about the relations of a test.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/relation_catalog.h"

namespace tidelog::testing {

inline constexpr std::uint32_t orders = 16'400;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;

// Knows integers and texts, and says which column is the primary key of a table that flags none or
// all.
class FakeCatalog : public postgres::RelationCatalog {
 public:
  std::string primary_key;
  std::vector<TransformRule> transforms;

  std::string token = "secret";  // of the event triggers
  std::string replaced;          // the name that another table has now

  Result<bool> is_of_triggers(std::string_view one) override { return one == token; }
  bool keeps_statements() const override { return transforms.empty(); }
  Result<bool> is_unpublished(std::uint32_t /*oid*/) override { return true; }
  Result<bool> has_successor(const postgres::DroppedTable& over) override {
    return over.table == replaced;
  }
  Result<Schema> schema_of(const postgres::Relation& relation, const postgres::SentTypes& sent,
                           postgres::RelationTime time) override {
    ++asked;
    told = time.told == nullptr ? "" : time.told->schema + "." + time.told->table;
    Schema schema{relation.schema, relation.table, relation.identity, {}};
    for (const postgres::RelationColumn& column : relation.columns) {
      const bool key =
          postgres::flags_are_the_key(relation.identity) ? column.key : column.name == primary_key;
      const ValueKind kind = column.type == int4 ? ValueKind::int64 : ValueKind::text;
      const auto named = sent.find(column.type);
      const std::string type = named != sent.end()   ? named->second
                               : column.type == int4 ? "integer"
                                                     : "text";
      schema.columns.push_back({column.name, type, kind, key, column.type, column.type_modifier});
    }
    if (has_ids) schema.table_id = relation.oid;
    TRY(const auto transform, transform_of(relation));
    if (transform) return transform->schema_of(schema);
    return schema;
  }
  Result<std::unique_ptr<postgres::RowTransform>> transform_of(
      const postgres::Relation& relation) override {
    TRY(const auto rules, postgres::TransformRules::parse(transforms));
    return postgres::RowTransform::of(rules, relation);
  }
  // Of integers and texts; others cannot be read.
  Result<postgres::BinaryColumns> binary_columns_of(const postgres::Relation& relation) override {
    postgres::BinaryColumns columns;
    for (std::size_t i = 0; i < relation.columns.size(); ++i) {
      const std::uint32_t type = relation.columns[i].type;
      columns.types.push_back({type == int4   ? postgres::BinaryForm::int32
                               : type == text ? postgres::BinaryForm::text
                                              : postgres::BinaryForm::as_text});
      if (type != int4 && type != text) columns.unreadable.push_back({i, "box"});
    }
    return columns;
  }
  int asked = 0;
  std::string told;  // the table that the triggers had described, when it was asked last
  bool has_ids = false;
};

}  // namespace tidelog::testing
